use allod_primitives::H256;
use allod_rpc_api::hex_bytes::{HexBytes, HexHash};
use ed25519_dalek::SigningKey;

use super::*;
use crate::keyfile::{self, Protection};
use crate::spec::{
    AdmissionSpec, ChainType, ObserverSpec, ParametersSpec, ValidatorSpec, genesis_header,
};
use crate::storage::{BlockBytes, Inspected};

/// Method: a gibibyte of a million blocks, a thousand of which took a hundred minutes; then the
/// same where the blocks of late are ten times as large as all before.
#[test]
fn growth_is_forecast_from_the_databases_own_history() {
    let (all, late) = ((1 << 30, 1_000_000), (1000, 6_000_000));
    let sizes = |recent, all| BlockBytes { recent, all };
    let growth = forecast(all, late, sizes(500, 500), 10 << 30).unwrap();
    assert_eq!(growth.block_bytes, 1073);
    assert_eq!(growth.day_bytes, 14_400 * 1073);
    assert_eq!(growth.days_left, (10 << 30) / (14_400 * 1073));
    let busy = forecast(all, late, sizes(5000, 500), 10 << 30).unwrap();
    assert_eq!(busy.block_bytes, 10_730);
    assert_eq!(busy.days_left, growth.days_left / 10);
    let idle = forecast(all, late, sizes(250, 500), 10 << 30).unwrap();
    assert_eq!(idle.block_bytes, 536);
    let one = sizes(1, 1);
    assert_eq!(forecast((1 << 30, 0), (0, 1), one, 1), None);
    assert_eq!(forecast((1 << 30, 1000), (5, 0), one, 1), None);
    // A young database is mostly what it takes when it is empty.
    assert_eq!(forecast((300_000, 12), (11, 5000), one, 1 << 34), None);
    assert_eq!(forecast(all, late, sizes(0, 0), 1), None);
    let still = forecast((1 << 30, 1000), (0, 1000), one, 1).unwrap();
    assert_eq!(still.days_left, u64::MAX);
}

/// Method: no configuration, one that is wrong, and one without its files: each says so, and the
/// rest is still looked at.
#[test]
fn what_is_missing_is_told_and_the_rest_is_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    let look = || examine(&file, Executive::default(), 0);
    assert_eq!(look().len(), 1);
    assert_eq!(look()[0].level, Level::Fail);

    std::fs::write(&file, "nmae = 1").unwrap();
    assert_eq!(look()[0].todo.as_deref(), Some("did you mean `name`?"));

    std::fs::write(&file, "").unwrap();
    let found = look();
    let levels = |check: &str| -> Vec<Level> {
        let of = found.iter().filter(|it| it.check == check);
        of.map(|it| it.level).collect()
    };
    assert_eq!(levels("config"), [Level::Warn; 2]);
    assert_eq!(levels("keys"), [Level::Fail]);
    assert_eq!(levels("chain"), [Level::Fail]);
    assert_eq!(levels("ports").len(), 3);
    assert_eq!(levels("disk").len(), 1);
    assert!(
        found
            .iter()
            .all(|it| (it.level == Level::Ok) == it.todo.is_none())
    );
}

/// Goal: role and peers are judged by the newest state, not by the genesis. Method: one node, a
/// genesis that lists it, states in which it is a validator, an observer, a stranger.
#[test]
fn who_is_admitted_is_read_from_the_newest_state() {
    let dir = tempfile::tempdir().unwrap();
    let key = |byte: u8| SigningKey::from_bytes(&[byte; 32]);
    let how = Protection::PlainUnsafe;
    keyfile::create(&dir.path().join("network.key"), &key(1), &how).unwrap();
    keyfile::create(&dir.path().join("validator.key"), &key(2), &how).unwrap();
    let file = dir.path().join("config.toml");
    std::fs::write(&file, "[keys]\nvalidator = \"validator.key\"\n").unwrap();
    let mut config = NodeConfig::read(&file).unwrap();

    let public = |byte: u8| key(byte).verifying_key().to_bytes();
    let peer = |byte: u8| HexBytes(keyfile::peer_of(&public(byte)).unwrap().to_bytes());
    let address = |byte: u8| format!("/ip4/127.0.0.{byte}/tcp/9");
    let validator = |network: u8, key: u8, power: u64| ValidatorSpec {
        public_key: HexHash(H256(public(key))),
        power,
        peer_id: peer(network),
        address: address(network),
    };
    let observer = |network: u8| ObserverSpec {
        peer_id: peer(network),
        address: address(network),
    };
    let spec = |validators: Vec<ValidatorSpec>, observers: Vec<ObserverSpec>| ChainSpec {
        validators,
        observers,
        version: 1,
        name: "Doctor's".into(),
        chain_type: ChainType::Local,
        spec_version: 1,
        time: 1,
        origin: None,
        fork_id: 0,
        trustees: vec![HexHash(H256(public(9)))],
        trustee_threshold: 1,
        registrars: Vec::new(),
        admission: AdmissionSpec {
            vouchers: true,
            work_bits: None,
        },
        parameters: ParametersSpec::default(),
        rules: Vec::new(),
    };
    let genesis = spec(vec![validator(1, 2, 1), validator(3, 4, 2)], vec![]);
    let seen = |spec: &ChainSpec| {
        let (header, executed) = genesis_header(&spec.genesis().unwrap()).unwrap();
        let changes = executed.changes.iter();
        Inspected {
            schema: None,
            genesis: None,
            tip: Some(header),
            earlier: None,
            block_bytes: None,
            membership: changes
                .filter_map(|(key, value)| Some((key.clone(), value.clone()?)))
                .collect(),
        }
    };
    let judged = |config: &NodeConfig, seen: Option<&Inspected>| {
        let members = Members::of(&genesis, seen);
        let mut findings = Findings::default();
        members::role(config, &members, &mut findings);
        let found = findings.0.remove(0);
        (found.level, found.found)
    };
    let is = |(level, found): (Level, String), wanted: Level, part: &str| {
        assert!(level == wanted && found.contains(part), "{level:?} {found}");
    };
    is(
        judged(&config, None),
        Level::Ok,
        "a validator of the genesis (there is no database",
    );
    let same = seen(&genesis);
    is(
        judged(&config, Some(&same)),
        Level::Ok,
        "a validator of the set of height 0",
    );
    // Replaced since: by the genesis it would be well.
    let replaced = seen(&spec(vec![validator(3, 4, 2)], vec![]));
    is(
        judged(&config, Some(&replaced)),
        Level::Warn,
        "neither its validator key nor its peer id",
    );
    let observes = seen(&spec(vec![validator(3, 4, 2)], vec![observer(1)]));
    is(
        judged(&config, Some(&observes)),
        Level::Warn,
        "its validator key does not vote",
    );
    let moved = seen(&spec(vec![validator(5, 2, 1), validator(3, 4, 2)], vec![]));
    is(
        judged(&config, Some(&moved)),
        Level::Warn,
        "another peer id",
    );
    config.keys.validator = None;
    is(
        judged(&config, Some(&observes)),
        Level::Ok,
        "an observer, by the set of height 0",
    );
    is(
        judged(&config, Some(&replaced)),
        Level::Warn,
        "does not list this node",
    );
    is(
        judged(&config, Some(&same)),
        Level::Warn,
        "whose key it lacks",
    );

    // A port that nobody listens on: whoever is in today's set is missed, and nobody else.
    let mut findings = Findings::default();
    let today = seen(&spec(vec![validator(1, 2, 9), validator(6, 7, 1)], vec![]));
    world::peers(&config, &Members::of(&genesis, Some(&today)), &mut findings);
    let found: Vec<&str> = findings.0.iter().map(|it| it.found.as_str()).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains(&address(6)), "{found:?}");
}
