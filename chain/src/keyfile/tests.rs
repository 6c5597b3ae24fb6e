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
