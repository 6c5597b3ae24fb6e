//! Programs that judge our files. `make packaging-check` installs them all and says so in
//! [`REQUIRED`], as does `make test`: one that is missing then fails the test, elsewhere it is told.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The variable that says that every judge has to be there.
const REQUIRED: &str = "ALLOD_JUDGES_REQUIRED";

/// Returns the repository's root.
pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap().to_path_buf()
}

/// Reads a file given by its path relative to the root.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Says that something was not judged for want of `what`; fails where that has to be there.
pub(crate) fn not_judged(what: &str) {
    let is_required = std::env::var_os(REQUIRED).is_some_and(|it| !it.is_empty());
    told_or_failed(what, is_required);
}

fn told_or_failed(what: &str, is_required: bool) {
    let said = format!("NOT JUDGED: {what} is missing here (make packaging-check has it)");
    assert!(!is_required, "{said}, and {REQUIRED} is set");
    tell(&said);
}

/// Past the harness, which keeps what a test that passes prints to itself.
fn tell(said: &str) {
    // A closed stderr is no reason to fail.
    let _ = writeln!(std::io::stderr().lock(), "{said}");
}

/// Whether all of `programs` are here; says which is not, or fails: see [`not_judged`].
pub(crate) fn are_here(programs: &[&str]) -> bool {
    let is_here = |program: &&str| {
        let asked = Command::new(program).arg("--version").output();
        asked.is_ok_and(|it| it.status.success())
    };
    let missing = programs.iter().find(|program| !is_here(program));
    if let Some(program) = missing {
        not_judged(program);
    }
    missing.is_none()
}

/// Whether this process is root's, which making a root of its own takes.
pub(crate) fn is_root() -> bool {
    // A process's folder is its user's.
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    if !is_root {
        tell("NOT JUDGED: this takes root's rights");
    }
    is_root
}

/// Returns what `program` says about `input`, and whether it is content; `None` if it is not
/// installed here. `ALLOD_<PROGRAM>` names its place.
pub(crate) fn judged(program: &str, arguments: &[&str], input: &str) -> Option<(bool, String)> {
    let variable = format!("ALLOD_{}", program.to_uppercase().replace('-', "_"));
    let place = std::env::var(variable).unwrap_or_else(|_| program.to_owned());
    let child = Command::new(&place)
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        not_judged(program);
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    Some((
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    ))
}

/// Goal: no judge is missed in silence. Method: one that nobody has.
#[test]
fn a_judge_that_has_to_be_there_and_is_not_fails_the_test() {
    let missed = |is_required| {
        let judge = move || told_or_failed("no-such-judge", is_required);
        std::panic::catch_unwind(judge).is_err()
    };
    assert!(missed(true), "where everything has to be judged");
    assert!(!missed(false), "elsewhere it is told");
}
