//! What is kept survives, or is refused: never half a file, never a fresh start in silence.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use allod_identity_client::light::{ReadError, Store, StoreError};
use allod_primitives::{ForkId, Height};

use crate::fixture::node::FakeNode;
use crate::world::{Time, alice, chain, kept, lies, open, tick};

struct Kept {
    folder: tempfile::TempDir,
    time: Time,
    node: FakeNode,
}

impl Kept {
    /// A client has verified block 3 and ended.
    async fn new() -> Self {
        let kept = Self {
            folder: tempfile::tempdir().unwrap(),
            time: Time::new(),
            node: FakeNode::new("one", chain()),
        };
        let client = kept.open().await.unwrap();
        let did = alice(&kept.node.chain());
        client.resolve(&did, None).await.unwrap();
        client.flush().unwrap();
        kept
    }

    async fn open(&self) -> Result<allod_identity_client::light::LightClient, ReadError> {
        let config = kept(&self.node.chain(), &self.time, self.folder.path());
        open(config, &[&self.node]).await
    }

    fn store(&self) -> Store {
        let network = self.node.chain().network();
        Store::new(self.folder.path(), network, ForkId(0))
    }

    fn trust(&self) -> PathBuf {
        self.store().folder().join("trust")
    }

    async fn refused(&self) -> StoreError {
        match self.open().await {
            Err(ReadError::Store(error)) => error,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_client_goes_on_where_it_ended() {
    let kept = Kept::new().await;
    let asked = kept.node.calls("light_genesis");
    let client = kept.open().await.unwrap();
    assert_eq!(kept.node.calls("light_genesis"), asked);
    assert_eq!(client.status().newest.height, Height(3));
    // An answer is not older than one of the run before.
    kept.node.lie(lies(|it| it.behind = 1));
    let did = alice(&kept.node.chain());
    let back = client.resolve(&did, None).await.unwrap_err();
    assert_eq!(back.slug(), "light.head_back");
    let chains = Store::chains(kept.folder.path()).unwrap();
    assert_eq!(chains, [(kept.node.chain().network(), ForkId(0))]);
}

#[tokio::test]
async fn a_crash_between_writing_and_renaming_leaves_the_old_file() {
    let kept = Kept::new().await;
    let half = kept.store().folder().join(".trust.0123456789abcdef.new");
    fs::write(half, &fs::read(kept.trust()).unwrap()[..40]).unwrap();
    assert_eq!(kept.open().await.unwrap().status().newest.height, Height(3));
}

#[tokio::test]
async fn a_damaged_file_is_an_error_at_every_byte_and_no_fresh_start() {
    let kept = Kept::new().await;
    let whole = fs::read(kept.trust()).unwrap();
    for at in [1, 2, 40, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(kept.trust(), bytes).unwrap();
        let error = kept.refused().await;
        assert_eq!(error.slug(), "light.damaged", "byte {at}");
        assert!(error.hint().contains("light reset"));
        fs::write(kept.trust(), &whole[..at]).unwrap();
        assert_eq!(kept.refused().await.slug(), "light.damaged", "cut at {at}");
    }
    fs::write(kept.trust(), []).unwrap();
    assert_eq!(kept.refused().await.slug(), "light.damaged");
    let mut bytes = whole.clone();
    bytes[0] = 2;
    fs::write(kept.trust(), bytes).unwrap();
    assert_eq!(kept.refused().await.slug(), "light.version");
    fs::write(kept.trust(), &whole).unwrap();
    fs::set_permissions(kept.trust(), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(kept.refused().await.slug(), "light.open_to_others");
    kept.store().forget().unwrap();
    kept.open().await.unwrap();
}

#[tokio::test]
async fn evidence_that_cannot_be_read_stops_the_client_too() {
    let kept = Kept::new().await;
    let path = kept.store().evidence_path();
    fs::write(&path, "{").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(kept.refused().await.slug(), "light.damaged");
}

/// Goal: two processes of one user, writing in turns, lose nothing of what either has verified.
#[tokio::test]
async fn two_processes_share_what_they_verify() {
    let kept = Kept::new().await;
    let did = alice(&kept.node.chain());
    let (one, two) = (kept.open().await.unwrap(), kept.open().await.unwrap());
    tick(&kept.time, &kept.node);
    one.resolve(&did, None).await.unwrap();
    one.flush().unwrap();
    kept.time.pass(1000);
    let set = [2, 3, 4, 5];
    kept.node
        .grow(|chain| chain.change_set(kept.time.now(), &set));
    tick(&kept.time, &kept.node);
    two.resolve(&did, None).await.unwrap();
    assert_eq!(two.status().set.0, 1);
    two.flush().unwrap();
    one.resolve(&did, None).await.unwrap();
    one.flush().unwrap();
    let third = kept.open().await.unwrap().status();
    assert_eq!((third.newest.height, third.set.0), (Height(6), 1));
}

/// Goal: what a person has had forgotten stays so. Method: a client goes on while its folder is
/// reset, and while another begins anew in it.
#[tokio::test]
async fn a_running_client_does_not_undo_a_reset() {
    let kept = Kept::new().await;
    let did = alice(&kept.node.chain());
    let running = kept.open().await.unwrap();
    running.resolve(&did, None).await.unwrap();
    kept.store().forget().unwrap();
    tick(&kept.time, &kept.node);
    let refused = async || {
        let resolved = running.resolve(&did, None).await;
        match resolved.and_then(|_| running.flush()) {
            Err(ReadError::Store(error)) => error.slug(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused().await, "light.forgotten");
    assert!(!kept.trust().exists());
    let asked = kept.node.calls("light_genesis");
    let anew = kept.open().await.unwrap();
    assert_eq!(kept.node.calls("light_genesis"), asked + 1);
    anew.resolve(&did, None).await.unwrap();
    anew.flush().unwrap();
    let before = fs::read(kept.trust()).unwrap();
    tick(&kept.time, &kept.node);
    assert_eq!(refused().await, "light.forgotten");
    assert_eq!(fs::read(kept.trust()).unwrap(), before);
    anew.resolve(&did, None).await.unwrap();
    anew.flush().unwrap();
}

#[tokio::test]
async fn an_empty_folder_of_a_later_fork_is_of_no_fork() {
    let kept = Kept::new().await;
    let network = kept.node.chain().network();
    let empty = kept.folder.path().join(format!("{network}.1"));
    fs::create_dir(&empty).unwrap();
    fs::write(empty.join("lock"), "").unwrap();
    let client = kept.open().await.unwrap();
    assert_eq!(client.chain().fork_id, ForkId(0));
    assert_eq!(client.status().newest.height, Height(3));
    let chains = Store::chains(kept.folder.path()).unwrap();
    assert_eq!(chains, [(network, ForkId(0))]);
}

#[tokio::test]
async fn a_clock_that_went_back_does_not_hold_up_writing() {
    let kept = Kept::new().await;
    let did = alice(&kept.node.chain());
    let client = kept.open().await.unwrap();
    tick(&kept.time, &kept.node);
    client.resolve(&did, None).await.unwrap();
    kept.node
        .grow(|chain| chain.empty(allod_primitives::TimeMs(kept.time.now().0 + 1)));
    kept.time.go_back(5000);
    client.resolve(&did, None).await.unwrap();
    let again = kept.open().await.unwrap();
    assert_eq!(again.status().newest.height, Height(5));
}
