use super::*;

fn read(text: &str) -> Result<NodeConfig, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    fs::write(&path, text).unwrap();
    NodeConfig::read(&path)
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
fn unknown_keys_wrong_types_and_values_out_of_range_are_refused() {
    assert!(matches!(
        read("nmae = \"a\""),
        Err(ConfigError::Syntax { .. })
    ));
    assert!(matches!(
        read("[rpc]\nlisten = 5"),
        Err(ConfigError::Syntax { .. })
    ));
    let error = read("[consensus]\nheartbeat_ms_min = 3000\nheartbeat_ms_max = 2000").unwrap_err();
    assert_eq!(
        error.to_string(),
        "consensus.heartbeat_ms_max is 2000, allowed are 3000 to 60000"
    );
    let error = read("[rpc]\nbatch_max = 200\ncalls_burst_max = 199").unwrap_err();
    assert_eq!(
        error.to_string(),
        "rpc.calls_burst_max is 199, allowed are 200 to 10000000",
        "a batch that is never let in"
    );
    let proxies = |text: &str| read(&format!("[rpc]\ntrusted_proxies = [\"{text}\"]"));
    assert!(proxies("10.0.0.0/8").is_ok());
    let error = proxies("the proxy").unwrap_err().to_string();
    assert!(error.contains("no range such as 10.0.0.0/8"), "{error}");
    assert!(matches!(
        read(&"#".repeat(2 << 20)),
        Err(ConfigError::TooLarge { .. })
    ));
}
