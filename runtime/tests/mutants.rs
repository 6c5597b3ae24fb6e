//! Broken state machines are caught by the model test.
//!
//! Method: the crate is copied into a workspace of its own below the build folder. There, a switch
//! stands at every place that a mutant breaks, so that one build holds all of them. The models must
//! pass while none is on, and fail because model and state machine disagree while one is. Cargo does
//! the work, offline; dependencies are compiled once and kept for the next run.

#![expect(
    clippy::disallowed_methods,
    reason = "copies sources and runs cargo: a test of the tests, not of the state machine"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A change of the sources that breaks a rule.
struct Mutant {
    /// What goes wrong.
    name: &'static str,
    /// Below `runtime`.
    file: &'static str,
    /// Occurs exactly once in the file; the expression between the marks is what is broken.
    from: &'static str,
    /// The expression that takes its place.
    to: &'static str,
}

const MUTANTS: [Mutant; 41] = [
    Mutant {
        name: "a day's quota holds one operation more",
        file: "src/did/quota.rs",
        from: "«*count < purpose.per_day()»",
        to: "*count <= purpose.per_day()",
    },
    Mutant {
        name: "next keys use up the exposed keys' quota",
        file: "src/did/quota.rs",
        from: "«used.next.get_mut(usize::from(index))»",
        to: "used.ranks.get_mut(usize::from(index))",
    },
    Mutant {
        name: "an operation may follow another predecessor",
        file: "src/did/check.rs",
        from: "if «ahead == 0 && operation.lane_prev != head.last» {",
        to: "ahead == u64::MAX",
    },
    Mutant {
        name: "the deactivated act",
        file: "src/did/check.rs",
        from: "if «record.is_active()» {",
        to: "record.version == 1",
    },
    Mutant {
        name: "whoever calls itself a controller is one",
        file: "src/did/check.rs",
        from: "if «!record.document.controllers.contains(&named)» {",
        to: "record.document.controllers.len() > 4",
    },
    Mutant {
        name: "one key reaches every threshold",
        file: "primitives/src/control/authority.rs",
        from: "«sum(&rank.keys, signatures).is_some_and(|sum| sum >= rank.threshold)»",
        to: "sum(&rank.keys, signatures).is_some_and(|sum| sum > 0)",
    },
    Mutant {
        name: "strangers may sign along",
        file: "primitives/src/control/authority.rs",
        from: "let listed = «keys.iter().find(|it| it.key == signature.key)?»;",
        to: "match keys.iter().find(|it| it.key == signature.key) { Some(it) => it, None => return Some(sum) }",
    },
    Mutant {
        name: "another registrar's operations can be rewrapped",
        file: "src/did/authorize.rs",
        from: "(Payer::Sponsor(named), Self::Sponsor(account)) if «*named == account» =>",
        to: "*named == *named && account == account",
    },
    Mutant {
        name: "exposed keys change what guardians or next keys protect",
        file: "primitives/src/control/apply.rs",
        from: "«pre_rotated || policy.guardians.is_some()»",
        to: "pre_rotated && policy.guardians.is_some()",
    },
    Mutant {
        name: "a pre-rotated rank is set by its exposed keys",
        file: "primitives/src/control/apply.rs",
        from: "if «rank.next.is_some()» {",
        to: "index > 1 && rank.next.is_some()",
    },
    Mutant {
        name: "next keys write documents without the capability",
        file: "primitives/src/control/apply.rs",
        from: "if «!may_document» {",
        to: "!may_document && matches!(party, Party::Rank(_))",
    },
    Mutant {
        name: "a rank gives what it lacks",
        file: "primitives/src/control/policy.rs",
        from: "«rank.capabilities.intersection(manner.ceiling)»",
        to: "rank.capabilities.union(Capabilities(manner.ceiling.0 & 0))",
    },
    Mutant {
        name: "a new rank 0 leaves a recovery pending",
        file: "primitives/src/control/policy.rs",
        from: "if «self.rank(0) || self.guardians || self.delay» {",
        to: "self.guardians || self.delay",
    },
    Mutant {
        name: "a new rank leaves what those below it proposed",
        file: "primitives/src/control/policy.rs",
        from: "«(0..=index).any(|above| self.rank(above))»",
        to: "self.rank(index)",
    },
    Mutant {
        name: "a proposal displaces nothing",
        file: "primitives/src/control/pending.rs",
        from: "«record.pending.retain(|it| it.proposer < proposer)»;",
        to: "record.pending.retain(|it| it.proposer != proposer)",
    },
    Mutant {
        name: "a lower proposal joins a higher one",
        file: "primitives/src/control/pending.rs",
        from: "if «!excepted && record.pending.iter().any(|it| it.proposer < proposer)» {",
        to: "excepted && record.pending.len() > 5",
    },
    Mutant {
        name: "a cool-down is not doubled",
        file: "primitives/src/control/pending.rs",
        from: "«rest.saturating_mul(2)»",
        to: "rest.saturating_mul(1)",
    },
    Mutant {
        name: "a withdrawal cools down",
        file: "primitives/src/control/pending.rs",
        from: "if «!is_own» {",
        to: "!is_own || proposer != Proposer::Guardians",
    },
    Mutant {
        name: "a recovery leaves the lower ranks",
        file: "primitives/src/control/effect.rs",
        from: "«record.policy.ranks = ranks»;",
        to: "{ let lower = std::mem::replace(&mut record.policy.ranks, ranks).into_vec().split_off(1); for rank in lower { let _ = record.policy.ranks.push(rank); } }",
    },
    Mutant {
        name: "a recovery retires methods as routine",
        file: "primitives/src/control/effect.rs",
        from: "«RetireReason::CompromisedSince(pending.proposed_at)»",
        to: "RetireReason::Routine",
    },
    Mutant {
        name: "an identity stays listed as due",
        file: "src/did/storage.rs",
        from: "if let Some(at) = «before» {",
        to: "before.filter(|_| after.is_none())",
    },
    Mutant {
        name: "a retired key comes back",
        file: "src/did/apply.rs",
        from: "«RETIRED_KEYS.contains(self.state, &(self.did, key_hash(key)))»",
        to: "RETIRED_KEYS.contains(self.state, &(DidId([0; 32]), key_hash(key)))",
    },
    Mutant {
        name: "a compromise is recorded as routine",
        file: "primitives/src/control/document.rs",
        from: ".push(ended(self.now, active, «retirement.reason»));",
        to: "RetireReason::Routine",
    },
    Mutant {
        name: "a declaration moves the wrong way",
        file: "primitives/src/control/document.rs",
        from: "if «present <= *since»)",
        to: "present > *since",
    },
    Mutant {
        name: "an operation that fails leaves no entry",
        file: "src/did/apply.rs",
        from: "Err(_) => «log(context, signed, hash, record, None)»,",
        to: "put_record(&mut context.state, &operation.did, &record)",
    },
    Mutant {
        name: "the cut-off moves back",
        file: "primitives/src/control/apply.rs",
        from: "if «not_before < self.record.not_before» {",
        to: "not_before < TimeMs(0)",
    },
    Mutant {
        name: "a record does not say when it changed",
        file: "src/did/apply.rs",
        from: "record.updated = «context.block.time»;",
        to: "record.created",
    },
    Mutant {
        name: "revocations are forgotten before the leeway has passed",
        file: "src/revocation/storage.rs",
        from: "«u64::from_be_bytes(exp).saturating_add(TOKEN_LEEWAY_S) >= now»",
        to: "u64::from_be_bytes(exp).saturating_add(TOKEN_LEEWAY_S - 59) >= now",
    },
    Mutant {
        name: "a revoked grant is anchored again",
        file: "src/grant/pallet.rs",
        from: "if «GRANTS.contains(env.state, &signed.message.gid)» {",
        to: "GRANTS.get(env.state, &signed.message.gid).is_some_and(|it| it.version == 0)",
    },
    Mutant {
        name: "a batch costs its registrar one item",
        file: "src/authority/registrar.rs",
        from: "«registrar.used.saturating_add(items)»",
        to: "registrar.used.saturating_add(items.min(1))",
    },
    Mutant {
        name: "a vote counts for whatever was proposed",
        file: "src/authority/governance.rs",
        from: "if «proposal.hash != hash» {",
        to: "proposal.hash != hash && number == u32::MAX",
    },
    Mutant {
        name: "what is approved does not wait",
        file: "src/authority/governance.rs",
        from: "if «required.delay_ms > 0» {",
        to: "required.delay_ms > u64::from(u32::MAX)",
    },
    Mutant {
        name: "fewer vetoes cancel than could have kept it from approval",
        file: "primitives/src/governance.rs",
        from: "«count.saturating_sub(votes).saturating_add(1)»",
        to: "count.saturating_sub(votes).max(1)",
    },
    Mutant {
        name: "a rule is changed as fast as any",
        file: "primitives/src/governance.rs",
        from: "            «take(*kind)?»;",
        to: "{}",
    },
    Mutant {
        name: "new trustees inherit open proposals",
        file: "src/authority/rules.rs",
        from: "    «begin_anew(context, accounts)»;",
        to: "{}",
    },
    Mutant {
        name: "power may change without limit",
        file: "src/authority/turnover.rs",
        from: "«sum(|change| change.added) > power_max»",
        to: "sum(|change| change.added) > u64::MAX - 1",
    },
    Mutant {
        name: "any keys open a commitment",
        file: "primitives/src/control/authority.rs",
        from: "«rank.next == Some(reveal.commitment())»",
        to: "rank.next.is_some()",
    },
    Mutant {
        name: "a rank sets the one above",
        file: "primitives/src/control/apply.rs",
        from: "if index > 0 && «!is_within(change, index)» {",
        to: "!is_within(change, index.saturating_sub(1))",
    },
    Mutant {
        name: "a rank cancels without the capability",
        file: "primitives/src/control/pending.rs",
        from: "if «other > index && !has_cancel(record, index)» {",
        to: "other > 9",
    },
    Mutant {
        name: "a rank gives its lane back to itself",
        file: "src/did/quota.rs",
        from: "replaced && !again && «by != By::Rank(index)»",
        to: "by != By::Rank(u8::MAX)",
    },
    Mutant {
        name: "a lane is given back its day again and again",
        file: "src/did/quota.rs",
        from: "let again = «used.renewed & bit != 0 && by != By::Recovery»;",
        to: "used.renewed & bit == u8::MAX",
    },
];

/// How the model test says that it found a difference.
const CAUGHT: [&str; 2] = ["model and runtime disagree", "an invariant of"];

#[test]
fn every_mutant_is_caught_by_the_model() {
    let copy = Copy::new();
    let programs = copy.build();
    for program in &programs {
        let ran = run(program, None);
        assert!(ran.status.success(), "untouched: {}", text(&ran));
    }
    let next = AtomicUsize::new(0);
    let survivors = Mutex::new(Vec::new());
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(mutant) = MUTANTS.get(index) else {
                return;
            };
            let is_caught = |program: &PathBuf| {
                let said = text(&run(program, Some(index)));
                CAUGHT.iter().any(|it| said.contains(it))
            };
            // The likelier one first: a program that finds nothing runs to its end.
            let decides = mutant.file.starts_with("src/authority/");
            let mut in_order: Vec<&PathBuf> = programs.iter().collect();
            in_order.sort_by_key(|it| it.to_string_lossy().contains("governance-") != decides);
            if !in_order.into_iter().any(is_caught) {
                survivors
                    .lock()
                    .expect("no worker failed")
                    .push(mutant.name);
            }
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    let survivors = survivors.into_inner().expect("no worker failed");
    assert!(survivors.is_empty(), "not caught: {survivors:#?}");
}

/// Runs a test program in which one mutant lives.
fn run(program: &Path, mutant: Option<usize>) -> Output {
    let mut command = Command::new(program);
    command.env("RUST_BACKTRACE", "0").env_remove(ALIVE);
    if let Some(index) = mutant {
        command.env(ALIVE, index.to_string());
    }
    command.output().expect("it has just been built")
}

/// The variable that says which mutant lives.
const ALIVE: &str = "ALLOD_MUTANT";

/// What the kernel's copy gets, so that one build holds all mutants.
const SWITCH: &str = r#"
#[allow(missing_docs, clippy::all)]
pub fn is_mutant(index: usize) -> bool {
    static ALIVE: std::sync::OnceLock<Option<usize>> = std::sync::OnceLock::new();
    let read = || std::env::var("ALLOD_MUTANT").ok()?.parse().ok();
    *ALIVE.get_or_init(read) == Some(index)
}
"#;

/// Returns `source`, which is the file `name`, with a switch at every place that a mutant breaks.
fn switched(name: &str, source: &str) -> String {
    let mut changed = source.to_owned();
    for (index, mutant) in MUTANTS.iter().enumerate().filter(|it| it.1.file == name) {
        let marked = mutant.from.split_once('«');
        let (before, rest) = marked.expect("a mark begins");
        let (broken, after) = rest.split_once('»').expect("a mark ends");
        let whole = [before, broken, after].concat();
        let places = source.matches(&whole).count();
        assert_eq!(places, 1, "`{whole}` in {name}");
        let home = match name.starts_with("primitives/") {
            true => "crate",
            false => "allod_primitives",
        };
        let to = mutant.to;
        let switch = format!("(if {home}::is_mutant({index}) {{ {to} }} else {{ {broken} }})");
        changed = changed.replace(&whole, &[before, &switch, after].concat());
    }
    if name == "primitives/src/lib.rs" {
        changed.push_str(SWITCH);
    }
    changed
}

/// A workspace that holds this crate and what it is built on, as they are now.
struct Copy {
    root: PathBuf,
    target: PathBuf,
}

impl Copy {
    fn new() -> Self {
        let here = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants");
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let repository = repository.parent().expect("the crate lies in a workspace");
        let copy = Self {
            root: here.join("workspace"),
            target: here.join("target"),
        };
        copy_folder(&repository.join("runtime"), &copy.root.join("runtime"), "");
        write(
            &copy.root.join(".cargo/config.toml"),
            &read(&repository.join(".cargo/config.toml")),
        );
        // Cargo drops from the copy's lock file what these crates do not need, so the copy is
        // renewed only when the original has changed.
        let lock = read(&repository.join("Cargo.lock"));
        let original = copy.root.join("Cargo.lock.original");
        if fs::read_to_string(&original).map_or(true, |before| before != lock) {
            write(&copy.root.join("Cargo.lock"), &lock);
        }
        write(&original, &lock);
        let manifest = read(&repository.join("Cargo.toml"));
        let (before, rest) = manifest.split_once("members = [").expect("a workspace");
        let (_, after) = rest.split_once(']').expect("a list of members");
        let members = "members = [\"runtime/primitives\", \"runtime\"]";
        let manifest = format!("{before}{members}{after}");
        write(&copy.root.join("Cargo.toml"), &manifest);
        copy
    }

    /// Builds the models once, all mutants in them, and returns the programs.
    fn build(&self) -> Vec<PathBuf> {
        let mut command = Command::new(env!("CARGO"));
        command
            .args([
                "test",
                "--offline",
                "--no-run",
                "--package",
                "allod-runtime",
            ])
            .args(["--test", "model", "--test", "governance"])
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target);
        let built = command.output().expect("cargo runs: it built this test");
        let said = text(&built);
        assert!(built.status.success(), "{said}");
        let lines = said.lines().filter(|it| it.contains("Executable "));
        let programs: Vec<PathBuf> = lines
            .filter_map(|line| line.rsplit_once('(')?.1.strip_suffix(')'))
            .map(|path| self.root.join(path))
            .collect();
        assert_eq!(programs.len(), 2, "{said}");
        programs
    }
}

/// Makes `to` what `from` is, but for the switches; files that are the same keep their time, so
/// that cargo sees it. `name`: of `from`, below the crate.
fn copy_folder(from: &Path, to: &Path, name: &str) {
    for entry in fs::read_dir(from).expect("a readable folder") {
        let path = entry.expect("a readable folder").path();
        let file = path.file_name().expect("an entry has a name");
        let name = format!("{name}{}", file.to_string_lossy());
        if path.is_dir() {
            copy_folder(&path, &to.join(file), &format!("{name}/"));
        } else {
            write(&to.join(file), &switched(&name, &read(&path)));
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|before| before == text) {
        return;
    }
    let folder = path.parent().expect("a file lies in a folder");
    fs::create_dir_all(folder).expect("the build folder is writable");
    fs::write(path, text).expect("the build folder is writable");
}

fn text(output: &Output) -> String {
    let streams = [&output.stdout, &output.stderr];
    streams
        .map(|it| String::from_utf8_lossy(it).into_owned())
        .concat()
}
