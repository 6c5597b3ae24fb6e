use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use allod_primitives::operation::{Payer, operation_preimage};
use allod_primitives::policy::ControlKey;
use allod_primitives::{ChainId, Did, DidId, ForkId, H256, NetworkId, TimeMs};
use zeroize::Zeroizing;

use super::*;
use crate::control::NextSeed;
use crate::guardians::Circle;
use crate::operation::{self, Signer as _, Terms};

const CHEAP: KdfCost = KdfCost {
    memory_kib: 32,
    iterations: 1,
    lanes: 1,
};

fn locked(text: &str) -> Protection {
    Protection::Passphrase {
        passphrase: Passphrase::new(text),
        cost: CHEAP,
    }
}

fn given(text: &str) -> PassphraseSource {
    PassphraseSource::Given(Passphrase::new(text))
}

fn method(fragment: &str, seed: u8) -> MethodSecret {
    MethodSecret {
        fragment: fragment.into(),
        key: SecretKey::from_seed([seed; 32]),
        retired: false,
    }
}

fn identity() -> Identity {
    let chain = ChainId {
        genesis: H256([9; 32]),
        fork_id: ForkId(0),
    };
    let terms = Terms {
        chain,
        payer: Payer::Any,
        valid_until: TimeMs(60_000),
    };
    let control = SecretKey::from_seed([1; 32]);
    let login = method("key-1", 2);
    let body = operation::inception(&control.public(), &login.key.public(), [3; 16]).unwrap();
    let unsigned = operation::incept(&terms, body);
    let signed = operation::sign_operation(unsigned, &[&control]).unwrap();
    Identity {
        did: Did::new(
            NetworkId::from_genesis(&chain.genesis),
            signed.operation.did,
        ),
        genesis: chain.genesis,
        control: vec![ControlSecret {
            rank: 0,
            key: control,
        }],
        methods: vec![login],
        grant_seed: Zeroizing::new([4; 32]),
        inception: Some(signed.clone()),
        pending: Some(Pending {
            operation: signed,
            control: ControlSecret {
                rank: 0,
                key: SecretKey::from_seed([5; 32]),
            },
            method: method("key-2", 6),
            retires: vec!["key-1".into()],
        }),
        kept: Kept::default(),
    }
}

/// What it keeps beside its keys, all of it.
fn kept() -> Kept {
    let key = |number| ControlKey::Ed25519(SecretKey::from_seed([number; 32]).public());
    let members = vec![("Anna".into(), key(20), 1), ("Boris".into(), key(21), 2)];
    let circle = Circle::new(members, 2, 7 * 86_400_000).unwrap();
    let chain = ChainId {
        genesis: H256([9; 32]),
        fork_id: ForkId(0),
    };
    let letters = circle.invitations(&chain, &DidId([8; 32]));
    let mut kept = Kept {
        next_seed: Some(NextSeed::from_bytes([6; 32])),
        circle: Some(circle),
        guardianships: Vec::new(),
    };
    kept.keep(letters[0].clone());
    kept.keep(letters[1].clone());
    assert_eq!(kept.guardianships, letters[1..]);
    kept
}

#[test]
fn what_is_kept_beside_keys_comes_back_and_shows_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::new(dir.path());
    let (plain, mut identity) = (Protection::UnsafePlain, identity());
    let path = home.create("alice", &identity, &plain).unwrap();
    // A file of before is one without it.
    assert!(!fs::read_to_string(&path).unwrap().contains("kept"));
    let unlock = || {
        let file = home.identity("alice").unwrap();
        file.unlock(&PassphraseSource::Terminal).unwrap().0
    };
    assert_eq!(unlock().kept, Kept::default());
    identity.kept = kept();
    home.save("alice", &identity, &plain).unwrap();
    assert_eq!(unlock().kept, identity.kept);
    let public = serde_json::to_string(&identity.public()).unwrap();
    assert!(!public.contains("kept") && !public.contains("Anna"));
    assert_eq!(unlock().available().seeds.len(), 1);
    let damaged = fs::read_to_string(&path).unwrap();
    let damaged = damaged.replace("\"circle\": \"0x01", "\"circle\": \"0x02");
    home_overwrite(&path, &damaged);
    let file = home.identity("alice").unwrap();
    let refused = file.unlock(&PassphraseSource::Terminal);
    assert!(matches!(refused, Err(KeyFileError::Damaged { .. })));
}

fn home_overwrite(path: &std::path::Path, text: &str) {
    Home::write_private(path, text.as_bytes(), true).unwrap();
}

fn same(a: &Identity, b: &Identity) -> bool {
    let seeds = |it: &Identity| {
        let keys = it.control.iter().map(|c| *c.key.seed());
        keys.chain(it.methods.iter().map(|m| *m.key.seed()))
            .collect::<Vec<_>>()
    };
    a.public() == b.public() && seeds(a) == seeds(b) && a.grant_seed == b.grant_seed
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn an_encrypted_key_file_opens_with_its_passphrase_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registrar.json");
    let key = SecretKey::from_seed([1; 32]);
    KeyFile::create(&path, &key, &locked("correct horse")).unwrap();
    let file = KeyFile::read(&path).unwrap();
    assert!(file.is_encrypted());
    assert_eq!(file.public(), key.public());
    let opened = file.unlock(&path, &given("correct horse")).unwrap();
    assert_eq!(*opened.seed(), *key.seed());
    let wrong = file.unlock(&path, &given("correct hors"));
    assert!(matches!(wrong, Err(KeyFileError::WrongPassphrase)));
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains(&hex::encode([1u8; 32])));
}

#[test]
fn a_plain_key_file_says_that_it_is_unsafe() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/registrar.json");
    let key = SecretKey::from_seed([1; 32]);
    KeyFile::create(&path, &key, &Protection::UnsafePlain).unwrap();
    assert!(
        fs::read_to_string(&path)
            .unwrap()
            .contains("secret_unsafe_plain")
    );
    let opened = KeyFile::read(&path).unwrap();
    let opened = opened.unlock(&path, &PassphraseSource::Terminal).unwrap();
    assert_eq!(opened.public(), key.public());
}

#[test]
fn key_files_are_private_and_never_overwritten_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let key = SecretKey::from_seed([1; 32]);
    KeyFile::create(&path, &key, &Protection::UnsafePlain).unwrap();
    assert_eq!(mode(&path), 0o600);
    let again = KeyFile::create(&path, &key, &Protection::UnsafePlain);
    assert!(matches!(again, Err(KeyFileError::AlreadyExists { .. })));
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing is left beside it"
    );
}

#[test]
fn a_key_file_others_can_read_is_refused_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let key = SecretKey::from_seed([1; 32]);
    KeyFile::create(&path, &key, &Protection::UnsafePlain).unwrap();
    for open in [0o640, 0o604, 0o620] {
        fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
        let error = KeyFile::read(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::OpenToOthers { mode, .. } if mode == open));
        assert!(error.hint().starts_with("chmod 600"));
    }
}

#[test]
fn an_identity_file_keeps_everything_encrypted_or_plain() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path());
    for (alias, protection) in [("alice", locked("pass")), ("bob", Protection::UnsafePlain)] {
        home.create(alias, &identity(), &protection).unwrap();
        let file = home.identity(alias).unwrap();
        assert_eq!(file.did(), identity().did);
        let (opened, kept) = file.unlock(&given("pass")).unwrap();
        assert!(same(&opened, &identity()), "{alias}");
        home.save(alias, &opened, &kept).unwrap();
        let (again, _) = home
            .identity(alias)
            .unwrap()
            .unlock(&given("pass"))
            .unwrap();
        assert!(same(&again, &identity()), "{alias}");
        assert_eq!(mode(file.path()), 0o600);
    }
    assert_eq!(home.aliases().unwrap(), ["alice", "bob"]);
    let taken = home.create("alice", &identity(), &Protection::UnsafePlain);
    assert!(matches!(taken, Err(KeyFileError::AlreadyExists { .. })));
}

#[test]
fn an_identity_file_whose_public_part_was_exchanged_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path());
    home.create("alice", &identity(), &locked("pass")).unwrap();
    let path = home.identity_path("alice").unwrap();
    replace(&path, "\"retired\": false", "\"retired\": true");
    let file = home.identity("alice").unwrap();
    assert!(matches!(
        file.unlock(&given("pass")),
        Err(KeyFileError::WrongPassphrase)
    ));
}

#[test]
fn a_plain_identity_whose_secrets_do_not_fit_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path());
    home.create("bob", &identity(), &Protection::UnsafePlain)
        .unwrap();
    let path = home.identity_path("bob").unwrap();
    let seed = hex::encode([2u8; 32]);
    replace(&path, &seed, &hex::encode([7u8; 32]));
    let opened = home
        .identity("bob")
        .unwrap()
        .unlock(&PassphraseSource::Terminal);
    assert!(matches!(opened, Err(KeyFileError::Damaged { .. })));
}

#[test]
fn files_cut_short_or_of_another_form_are_refused_without_panic() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path());
    home.create("alice", &identity(), &locked("pass")).unwrap();
    let path = home.identity_path("alice").unwrap();
    let whole = fs::read_to_string(&path).unwrap();
    for length in (0..whole.len() - 2).step_by(97) {
        fs::write(&path, &whole[..length]).unwrap();
        let error = home.identity("alice").unwrap_err();
        assert!(
            matches!(error, KeyFileError::Malformed { .. }),
            "{length}: {error}"
        );
    }
    let changes = [
        ("\"version\": 1", "\"version\": 2", "key.version"),
        (
            "\"kind\": \"identity\"",
            "\"kind\": \"ed25519\"",
            "key.kind",
        ),
        ("\"encrypted\"", "\"other\"", "key.malformed"),
        ("did:allod", "did:other", "key.damaged"),
        (
            "\"genesis\": \"0x0909",
            "\"genesis\": \"0x0809",
            "key.damaged",
        ),
    ];
    for (from, to, slug) in changes {
        fs::write(&path, &whole).unwrap();
        replace(&path, from, to);
        assert_eq!(home.identity("alice").unwrap_err().slug(), slug);
    }
    fs::write(&path, "x".repeat(1024 * 1024 + 1)).unwrap();
    assert!(matches!(
        home.identity("alice"),
        Err(KeyFileError::TooLong { .. })
    ));
}

#[test]
fn derivation_costs_nobody_would_choose_are_refused_before_they_are_paid() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let key = SecretKey::from_seed([1; 32]);
    KeyFile::create(&path, &key, &locked("pass")).unwrap();
    replace(&path, "\"memory_kib\": 32", "\"memory_kib\": 4000000000");
    let opened = KeyFile::read(&path).unwrap().unlock(&path, &given("pass"));
    assert!(matches!(opened, Err(KeyFileError::KdfParameters)));
}

#[test]
fn finishing_a_rotation_replaces_the_control_key_and_keeps_the_retired_method() {
    let mut identity = identity();
    identity.finish_rotation();
    assert_eq!(
        identity.rank_keys(0)[0].public(),
        SecretKey::from_seed([5; 32]).public()
    );
    assert_eq!(identity.control.len(), 1);
    assert!(identity.method("#key-1").unwrap().retired);
    assert_eq!(identity.login_method().unwrap().fragment, "key-2");
    assert!(identity.pending.is_none());
    identity.finish_rotation();
    assert_eq!(identity.methods.len(), 2, "a second time changes nothing");
}

#[test]
fn aliases_are_file_names_and_nothing_else() {
    let home = Home::new("/nowhere");
    for alias in [
        "",
        ".",
        "..",
        ".alice",
        "-a",
        "a/b",
        "a b",
        "did:allod:x",
        "é",
    ] {
        let error = home.identity_path(alias).unwrap_err();
        assert!(matches!(error, KeyFileError::Alias { .. }), "{alias}");
    }
    assert!(home.identity_path(&"a".repeat(64)).is_ok());
    assert!(home.identity_path(&"a".repeat(65)).is_err());
    assert!(home.aliases().unwrap().is_empty());
}

#[test]
fn one_process_at_a_time_changes_an_identity() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path());
    let held = home.lock("alice").unwrap();
    assert!(matches!(
        home.lock("alice"),
        Err(KeyFileError::Locked { .. })
    ));
    assert!(home.lock("bob").is_ok());
    drop(held);
    assert!(home.lock("alice").is_ok());
}

#[test]
fn passphrases_come_from_private_files_and_new_ones_are_not_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pass");
    Home::write_private(&path, b"correct horse\nsecond line\n", false).unwrap();
    let source = PassphraseSource::File(path.clone());
    let passphrase = source.obtain(Purpose::New, "alice").unwrap();
    assert_eq!(passphrase.as_bytes(), b"correct horse");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let open = source.obtain(Purpose::Unlock, "alice");
    assert!(matches!(open, Err(KeyFileError::OpenToOthers { .. })));
    let empty = given("").obtain(Purpose::New, "alice");
    assert!(matches!(empty, Err(KeyFileError::EmptyPassphrase)));
}

#[test]
fn secrets_are_not_printed() {
    let text = format!(
        "{:?} {:?} {:?}",
        identity(),
        Passphrase::new("pass"),
        locked("word")
    );
    assert!(
        !text.contains(&hex::encode([1u8; 32])) && !text.contains("[4, 4"),
        "{text}"
    );
    assert!(
        !text.contains("\"pass\"") && !text.contains("\"word\""),
        "{text}"
    );
}

/// Goal: keys of every type are made, kept, read again and sign what the kernel verifies. Method:
/// one file of each type, in plain and encrypted.
#[test]
fn control_keys_of_every_type_survive_their_file_and_sign() {
    let folder = tempfile::tempdir().unwrap();
    for (number, key_type) in [KeyType::Ed25519, KeyType::P256, KeyType::Secp256k1]
        .into_iter()
        .enumerate()
    {
        let key = TypedSecret::generate(key_type).unwrap();
        for (name, protection) in [
            ("plain", Protection::UnsafePlain),
            ("locked", locked("correct horse")),
        ] {
            let path = folder.path().join(format!("{name}-{number}.json"));
            ControlKeyFile::create(&path, &key, &protection).unwrap();
            let file = ControlKeyFile::read(&path).unwrap();
            assert_eq!(file.key_type(), key_type);
            let opened = file.unlock(&path, &given("correct horse")).unwrap();
            let hash = H256([4; 32]);
            let chain = ChainId {
                genesis: H256([1; 32]),
                fork_id: ForkId(0),
            };
            let proof = opened.prove(&operation_preimage(&chain, &hash), &hash);
            let public = key.control_key();
            assert_eq!(public.check_registrable(), Ok(()));
            assert_eq!(public.verify_operation(&chain, &hash, &proof), Ok(()));
        }
    }
    let registrar = folder.path().join("plain-0.json");
    assert!(KeyFile::read(&registrar).is_ok(), "an Ed25519 file is one");
    let other = folder.path().join("plain-1.json");
    assert!(matches!(
        KeyFile::read(&other),
        Err(KeyFileError::Kind { .. })
    ));
}
