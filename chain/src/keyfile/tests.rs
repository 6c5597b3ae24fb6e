use std::fs;

use super::*;

#[test]
fn keys_are_read_as_written_never_overwritten_and_refused_if_exposed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.key");
    let key = SigningKey::from_bytes(&[5; 32]);
    write(&path, &key).unwrap();
    assert_eq!(read(&path).unwrap().to_bytes(), key.to_bytes());
    assert!(matches!(write(&path, &key), Err(KeyFileError::File { .. })));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(
        read(&path),
        Err(KeyFileError::Exposed { mode: 0o644, .. })
    ));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, "12").unwrap();
    assert!(matches!(read(&path), Err(KeyFileError::Malformed { .. })));
}

#[test]
fn a_peer_identity_survives_its_bytes() {
    let key = SigningKey::from_bytes(&[6; 32]);
    let bytes = peer_id_bytes(&key);
    assert_eq!(peer_id(&bytes), Some(keypair(&key).public().to_peer_id()));
    assert_eq!(peer_id(&[1, 2, 3]), None);
}

const CHEAP: KdfCost = KdfCost {
    memory_kib: 64,
    iterations: 1,
    lanes: 1,
};

fn passphrase(text: &str) -> Passphrase {
    Passphrase::first_line(text.as_bytes()).unwrap()
}

/// Writes a file that holds `text` and only its owner may read.
fn private(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    crate::replace::create(&path, text.as_bytes()).unwrap();
    path
}

fn encrypted(folder: &Path) -> (PathBuf, SigningKey) {
    let (path, key) = (folder.join("sealed.key"), SigningKey::from_bytes(&[7; 32]));
    let how = Protection::Encrypted {
        passphrase: passphrase("correct horse"),
        cost: CHEAP,
    };
    create(&path, &key, &how).unwrap();
    (path, key)
}

/// Method: the file as it is, with another passphrase, without one, and with its parts changed.
#[test]
fn an_encrypted_file_opens_by_its_passphrase_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (path, key) = encrypted(dir.path());
    let right = PassphraseSource::File(private(dir.path(), "right", "correct horse\nmore"));
    let file = KeyFile::read(&path).unwrap();
    assert!(file.is_encrypted());
    assert_eq!(file.public(), key.verifying_key().to_bytes());
    assert_eq!(file.open(&right).unwrap().to_bytes(), key.to_bytes());
    assert!(
        !fs::read_to_string(&path)
            .unwrap()
            .contains(&hex::encode(key.to_bytes()))
    );

    let wrong = PassphraseSource::File(private(dir.path(), "wrong", "correct horses"));
    let closed = |found| {
        matches!(
            found,
            Err(KeyFileError::Sealed {
                source: SealError::Closed,
                ..
            })
        )
    };
    assert!(closed(file.open(&wrong)));
    assert!(matches!(
        read(&path),
        Err(KeyFileError::Passphrase(PassphraseError::Nowhere))
    ));

    let text = fs::read_to_string(&path).unwrap();
    let other = hex_text(&SigningKey::from_bytes(&[8; 32]).verifying_key().to_bytes());
    let changed = text.replace(&hex_text(&file.public()), &other);
    let path = private(dir.path(), "changed.key", &changed);
    assert!(closed(KeyFile::read(&path).unwrap().open(&right)));
}

/// Method: every parameter just outside its bounds; nothing may be derived, so that an absurd
/// amount of memory costs nothing. And forms that no version of ours wrote.
#[test]
fn a_hostile_file_is_refused_before_it_costs_anything() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = encrypted(dir.path());
    let text = fs::read_to_string(&path).unwrap();
    let right = PassphraseSource::File(private(dir.path(), "right", "correct horse"));
    let mut number = 0;
    let mut with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        number += 1;
        let path = private(
            dir.path(),
            &format!("{number}.key"),
            &text.replace(from, to),
        );
        KeyFile::read(&path).and_then(|file| file.open(&right))
    };
    for (from, to) in [
        ("\"memory_kib\": 64", "\"memory_kib\": 262145"),
        ("\"memory_kib\": 64", "\"memory_kib\": 4294967295"),
        ("\"memory_kib\": 64", "\"memory_kib\": 7"),
        ("\"iterations\": 1", "\"iterations\": 17"),
        ("\"iterations\": 1", "\"iterations\": 0"),
        ("\"lanes\": 1", "\"lanes\": 5"),
        ("\"lanes\": 1", "\"lanes\": 0"),
        ("\"argon2id\"", "\"argon2i\""),
    ] {
        let found = with(from, to);
        let expected = SealError::Parameters;
        assert!(
            matches!(found, Err(KeyFileError::Sealed { source, .. }) if source == expected),
            "{to}"
        );
    }
    for (from, to) in [
        ("\"version\": 1", "\"version\": 2"),
        ("\"ed25519\"", "\"identity\""),
        ("\"lanes\": 1", "\"lanes\": 1, \"more\": 1"),
        ("\"encrypted\"", "\"sealed\""),
    ] {
        assert!(
            matches!(with(from, to), Err(KeyFileError::Malformed { .. })),
            "{to}"
        );
    }
    let long = private(
        dir.path(),
        "long.key",
        &format!("{{{}", " ".repeat(1 << 17)),
    );
    assert!(matches!(
        KeyFile::read(&long),
        Err(KeyFileError::Malformed { .. })
    ));
}

#[test]
fn a_changed_passphrase_replaces_the_file_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (path, key) = encrypted(dir.path());
    let next = Protection::Encrypted {
        passphrase: passphrase("battery staple"),
        cost: CHEAP,
    };
    fs::write(dir.path().join("sealed.key.new"), "left by a crash").unwrap();
    replace(&path, &key, &next).unwrap();
    let source = PassphraseSource::File(private(dir.path(), "next", "battery staple\r\n"));
    let opened = KeyFile::read(&path).unwrap().open(&source).unwrap();
    assert_eq!(opened.to_bytes(), key.to_bytes());
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn passphrases_are_one_private_line() {
    for bad in ["", "\n", "\nsecond", &"x".repeat(PASSPHRASE_BYTES_MAX + 1)] {
        let found = Passphrase::first_line(bad.as_bytes());
        assert!(matches!(found, Err(PassphraseError::Unfit)), "{bad:?}");
    }
    assert!(Passphrase::first_line(&[0xff]).is_err());
    assert_eq!(passphrase("a b\r\nc").as_bytes(), b"a b");
    let dir = tempfile::tempdir().unwrap();
    let path = private(dir.path(), "p", "secret");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let found = PassphraseSource::File(path).unlock("it");
    assert!(matches!(
        found,
        Err(PassphraseError::Exposed { mode: 0o640, .. })
    ));
    assert!(PassphraseSource::Descriptor(9999).unlock("it").is_err());
    let outside = PassphraseSource::Credential("../etc/passwd".into()).unlock("it");
    assert!(matches!(outside, Err(PassphraseError::Nowhere)));
}

/// Goal: what was judged private is what is read. Method: a file that everybody may read takes the
/// private one's name again and again; it is refused, or the private one is read.
#[test]
fn a_passphrase_is_read_from_the_very_file_that_was_found_private() {
    let dir = tempfile::tempdir().unwrap();
    let name = dir.path().join("p");
    let (private_one, open_one) = (dir.path().join("private"), dir.path().join("open"));
    let fresh = dir.path().join("fresh");
    private(dir.path(), "private", "private");
    private(dir.path(), "open", "open");
    fs::set_permissions(&open_one, fs::Permissions::from_mode(0o644)).unwrap();
    fs::hard_link(&private_one, &name).unwrap();
    let ends = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ends.load(std::sync::atomic::Ordering::Relaxed) {
                for one in [&open_one, &private_one] {
                    fs::hard_link(one, &fresh).unwrap();
                    fs::rename(&fresh, &name).unwrap();
                }
            }
        });
        let source = PassphraseSource::File(name.clone());
        let read: Vec<_> = (0..20_000).map(|_| source.unlock("it")).collect();
        ends.store(true, std::sync::atomic::Ordering::Relaxed);
        for read in read {
            match read {
                Ok(read) => assert_eq!(read.as_bytes(), b"private"),
                Err(error) => assert!(matches!(error, PassphraseError::Exposed { .. })),
            }
        }
    });
}

/// Method: the vector is made here from fixed inputs, and compared. `ALLOD_BLESS=1` writes it.
#[test]
fn the_vector_of_a_key_file_is_what_the_code_makes_and_opens() {
    let key = SigningKey::from_bytes(&[0x11; 32]);
    let public = key.verifying_key().to_bytes();
    let secret = format!("\"{}\"", hex_text(&key.to_bytes()));
    let fixed = ([0x22; 16], [0x33; 24]);
    let cost = KdfCost::default();
    let words = "correct horse battery staple";
    let sealed = Sealed::seal_with(
        &passphrase(words),
        &context(&public),
        secret.as_bytes(),
        cost,
        fixed,
    );
    let envelope = Envelope {
        version: VERSION,
        kind: KIND.into(),
        public: hex_text(&public),
        encrypted: Some(sealed.unwrap()),
        secret_unsafe_plain: None,
    };
    let vector = serde_json::json!({
        "description": "a key file and the passphrase that opens it",
        "passphrase": words,
        "secret": hex_text(&key.to_bytes()),
        "file": envelope,
    });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors/valid/key-file.json");
    if std::env::var_os("ALLOD_BLESS").is_some() {
        fs::write(&path, format!("{vector:#}\n")).unwrap();
    }
    let found: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(found, vector);

    let dir = tempfile::tempdir().unwrap();
    let path = private(dir.path(), "vector.key", &found["file"].to_string());
    let source = PassphraseSource::File(private(dir.path(), "p", words));
    let opened = KeyFile::read(&path).unwrap().open(&source).unwrap();
    assert_eq!(opened.to_bytes(), key.to_bytes());
}
