use std::collections::BTreeSet;

use super::table::{KEYS, Kind, markdown, template};
use super::*;

fn read(text: &str) -> Result<NodeConfig, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    fs::write(&path, text).unwrap();
    NodeConfig::read(&path)
}

fn inspect(text: &str, machine: Machine) -> Inspection {
    NodeConfig::inspect_text(text, Path::new("/nowhere"), &machine)
}

fn errors(text: &str) -> Vec<String> {
    let errors = inspect(text, Machine::default()).errors;
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn an_empty_file_is_all_defaults_with_absolute_paths() {
    let config = read("").unwrap();
    assert!(config.data.is_absolute() && config.data.ends_with("data"));
    assert_eq!(config.consensus, ConsensusSection::default());
    assert_eq!(config.keys.validator, None);
}

#[test]
fn what_is_written_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    let first = read("name = \"a\"\n[keys]\nvalidator = \"v\"\n[rpc]\nbatch_max = 3").unwrap();
    first.write(&path).unwrap();
    assert_eq!(NodeConfig::read(&path).unwrap(), first);
}

#[test]
fn what_cannot_be_used_is_refused() {
    for text in ["nmae = \"a\"", "[rpc]\nlisten = 5", "a = ["] {
        assert!(
            matches!(read(text), Err(ConfigError::Invalid { .. })),
            "{text}"
        );
    }
    let error = read("[consensus]\nheartbeat_ms_min = 3000\nheartbeat_ms_max = 2000").unwrap_err();
    let wanted = "line 3: consensus.heartbeat_ms_max is 2000, allowed are 3000 to 60000; \
                  it begins at consensus.heartbeat_ms_min";
    assert!(error.to_string().ends_with(wanted), "{error}");
    let proxies = |text: &str| read(&format!("[rpc]\ntrusted_proxies = [\"{text}\"]"));
    assert!(proxies("10.0.0.0/8").is_ok());
    assert!(matches!(
        read(&"#".repeat(2 << 20)),
        Err(ConfigError::TooLarge { .. })
    ));
}

/// Method: a file with one mistake of each kind; all are told, each with its line.
#[test]
fn every_problem_is_told_at_once() {
    let text = "nmae = \"a\"\n\
                data = 5\n\
                [rpcs]\n\
                [rpc]\n\
                batch_max = 0\n\
                lisen = \"x\"\n\
                listen = \"localhost\"\n\
                cors = [1]\n\
                trusted_proxies = [\"the proxy\"]\n\
                history_s = 600\n\
                [consensus]\n\
                listen = \"/ip4/127.0.0.1/udp/1\"\n\
                propose_ms = -1\n\
                vote_ms = 1.5\n\
                [storage]\n\
                archive = \"yes\"\n\
                [keys]\n\
                network = \"\"\n\
                entirely_unknown = 1\n";
    assert_eq!(
        errors(text),
        [
            "line 1: there is no key `nmae`; did you mean `name`?",
            "line 2: data is an integer, text in quotes is wanted",
            "line 3: there is no key `rpcs`; did you mean `rpc`?",
            "line 5: rpc.batch_max is 0, allowed are 1 to 10000",
            "line 6: there is no key `rpc.lisen`; did you mean `rpc.listen`?",
            "line 7: rpc.listen is `localhost`, an address and port like 127.0.0.1:9944 is wanted",
            "line 8: rpc.cors holds something else than texts",
            "line 9: rpc.trusted_proxies: `the proxy` is no address and no range such as 10.0.0.0/8",
            "line 10: there is no key `rpc.history_s`; did you mean `storage.history_s`?",
            "line 12: consensus.listen is `/ip4/127.0.0.1/udp/1`, \
             an address like /ip4/0.0.0.0/tcp/30333 is wanted",
            "line 13: consensus.propose_ms is -1, allowed are 50–60,000 ms",
            "line 14: consensus.vote_ms is a float, a whole number is wanted",
            "line 16: storage.archive is a string, `true` or `false` is wanted",
            "line 18: keys.network is ``, a path is wanted",
            "line 19: there is no key `keys.entirely_unknown`",
        ]
    );
    let several = errors("a = [1\nb = \nname = \"x\"");
    assert!(several.len() > 1, "{several:?}");
    assert_eq!(
        errors("rpc = 3"),
        ["line 1: `rpc` is an integer, a table is wanted"]
    );
}

#[test]
fn a_bound_that_is_raised_above_a_default_is_told_where_it_was_raised() {
    assert_eq!(
        errors("\n[consensus]\nheartbeat_ms_min = 6000"),
        [
            "line 3: consensus.heartbeat_ms_max is 5000, allowed are 6000 to 60000; \
          it begins at consensus.heartbeat_ms_min"
        ]
    );
}

#[test]
fn a_burst_smaller_than_a_batch_would_never_let_one_in() {
    let burst = errors("[rpc]\nbatch_max = 200\ncalls_burst_max = 199");
    assert!(burst[0].starts_with("line 3: rpc.calls_burst_max is 199, allowed are 200 to"));
    assert!(errors("[rpc]\nbatch_max = 200\ncalls_burst_max = 200").is_empty());
}

#[test]
fn keys_that_contradict_each_other_are_refused() {
    let same = errors("[rpc]\nlisten = \"0.0.0.0:30334\"");
    assert_eq!(same.len(), 1);
    assert!(same[0].starts_with("line 2: rpc.listen is 0.0.0.0:30334, where transactions"));
    assert!(errors("[rpc]\nlisten = \"127.0.0.2:30334\"").is_empty());
    let key = errors("[keys]\nvalidator = \"network.key\"");
    assert!(key[0].starts_with("line 2: keys.validator is the file of keys.network"));
    let both = errors("[keys]\nvalidator = \"v\"\nsigner = \"s\"");
    assert!(both[0].starts_with("line 3: keys.validator and keys.signer are both set"));
}

/// Method: for each warning a file that has it, and one just beside it that has not.
#[test]
fn what_should_be_known_is_warned_of() {
    let machine = Machine {
        memory_bytes: Some(1 << 30),
    };
    let warned = |text: &str| -> Vec<String> {
        let found = inspect(text, machine);
        assert!(
            found.errors.is_empty() && found.config.is_some(),
            "{found:?}"
        );
        let keys = found.warnings.into_iter().filter_map(|warning| warning.key);
        keys.filter(|key| key != "chain_spec" && key != "keys.network")
            .collect()
    };
    assert_eq!(warned(""), [""; 0]);
    for (text, key) in [
        ("[rpc]\nlisten = \"0.0.0.0:9944\"", "rpc.listen"),
        (
            "[consensus]\nheartbeat_ms_max = 5001",
            "consensus.heartbeat_ms_max",
        ),
        (
            "[consensus]\nheartbeat_ms_max = 10000",
            "consensus.heartbeat_ms_max",
        ),
        ("[consensus]\npropose_ms = 499", "consensus.propose_ms"),
        ("[storage]\ncache_mib = 513", "storage.cache_mib"),
        ("[keys]\nvalidator = \"v\"", "keys.validator"),
    ] {
        assert_eq!(warned(text), [key], "{text}");
    }
    for text in [
        "[rpc]\nlisten = \"[::1]:9944\"",
        "[consensus]\nheartbeat_ms_max = 5000\npropose_ms = 500",
        "[storage]\ncache_mib = 512",
    ] {
        assert_eq!(warned(text), [""; 0], "{text}");
    }
}

#[test]
fn values_in_effect_say_where_they_are_from() {
    let found = inspect("\n[rpc]\nbatch_max = 7", Machine::default());
    let of = |name: &str| found.effective.iter().find(|it| it.key == name).unwrap();
    assert_eq!(
        (
            of("rpc.batch_max").text().as_str(),
            of("rpc.batch_max").line
        ),
        ("7", Some(3))
    );
    assert_eq!(
        (of("rpc.cors").text().as_str(), of("rpc.cors").line),
        ("[\"*\"]", None)
    );
    assert_eq!(of("data").text(), "\"/nowhere/data\"");
    assert_eq!(of("keys.validator").text(), "(none)");
    assert_eq!(found.effective.len(), KEYS.len());
}

/// Method: the table's defaults, as one file, are what the types default to; so is the template.
#[test]
fn the_table_holds_the_defaults_of_the_types() {
    let mut text = String::new();
    for key in KEYS.iter().filter(|key| key.has_default) {
        text.push_str(&format!("{} = {}\n", key.name, key.value));
    }
    let config: NodeConfig = toml::from_str(&text).unwrap();
    assert_eq!(config, NodeConfig::default());
    assert!(errors(&text).is_empty());

    assert_eq!(toml::from_str::<NodeConfig>(&template()).unwrap(), config);
    let uncommented: String = template()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            // One place for the key that votes.
            Some(setting) if setting.starts_with("signer ") => format!("{line}\n"),
            Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    assert_eq!(errors(&uncommented), [""; 0]);
    let full: NodeConfig = toml::from_str(&uncommented).unwrap();
    for example in KEYS.iter().filter(|key| !key.has_default) {
        assert!(!template().contains(&format!("\n{}", example.split().1)));
    }
    assert_eq!(full.consensus, config.consensus);
    assert!(template().lines().all(|line| line.chars().count() <= 100));
}

/// Method: an unknown key in each table; the types' own error names the keys that they know.
#[test]
fn the_table_holds_every_key_of_the_types() {
    let tables: BTreeSet<&str> = KEYS.iter().map(|key| key.split().0).collect();
    for table in &tables {
        let header = match *table {
            "" => String::new(),
            table => format!("[{table}]\n"),
        };
        let error = toml::from_str::<NodeConfig>(&format!("{header}zzz = 1")).unwrap_err();
        let (_, expected) = error.message().split_once("expected ").unwrap();
        let known = expected.split('`').skip(1).step_by(2);
        let known: BTreeSet<&str> = known.collect();
        let keys = KEYS.iter().map(|key| key.split());
        let mut listed: BTreeSet<&str> = keys
            .filter(|(of, _)| of == table)
            .map(|(_, name)| name)
            .collect();
        let below = tables.iter().filter_map(|of| match *table {
            "" => of.split('.').next().filter(|name| !name.is_empty()),
            table => of.strip_prefix(table)?.strip_prefix('.')?.split('.').next(),
        });
        listed.extend(below);
        assert_eq!(known, listed, "of [{table}]");
    }
}

#[test]
fn numbers_of_the_table_are_within_their_own_ranges() {
    for key in KEYS {
        let is_number = key.value.parse::<u64>().is_ok();
        assert_eq!(
            is_number,
            matches!(key.kind, Kind::Integer { .. }),
            "{}",
            key.name
        );
    }
}

/// Method: the page holds what the table makes. `ALLOD_BLESS=1` writes it there.
#[test]
fn the_page_for_operators_shows_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/node.md");
    let page = fs::read_to_string(&path).unwrap();
    let (begin, end) = (
        "<!-- begin: table of keys -->\n",
        "<!-- end: table of keys -->",
    );
    let (before, rest) = page.split_once(begin).unwrap();
    let (found, after) = rest.split_once(end).unwrap();
    let wanted = format!("\n{}\n", markdown());
    if std::env::var_os("ALLOD_BLESS").is_some() {
        fs::write(&path, format!("{before}{begin}{wanted}{end}{after}")).unwrap();
        return;
    }
    assert_eq!(
        found, wanted,
        "run with ALLOD_BLESS=1 after reading the difference"
    );
}
