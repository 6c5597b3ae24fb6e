use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use allod_consensus::{
    GuardError, GuardFile, OpenGuardError, Seen, SignError, SignGuard, SignKind, SignMessage,
    SignRecord, ValidatorSigner,
};
use allod_primitives::{ChainId, ForkId, H256, Height, PublicKey, Signature, TimeMs};
use async_trait::async_trait;
use ed25519_dalek::SigningKey;
use parity_scale_codec::Encode;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::protocol::{Answer, Ask, Request, Said, read_frame, write_frame};
use super::remote::{ConnectError, RemoteSigner};
use super::server::{Door, Server, ServerConfig, ServerError};
use crate::limits::SIGNER_FRAME_BYTES_MAX;

mod vectors;

pub(super) fn chain() -> ChainId {
    ChainId {
        genesis: H256([0xaa; 32]),
        fork_id: ForkId(0),
    }
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

fn config(dir: &Path, expected: GuardFile) -> ServerConfig {
    ServerConfig {
        chain: chain(),
        guard: dir.join("guard"),
        expected,
        listen: dir.join("signer.sock"),
        allowed: Vec::new(),
    }
}

/// A signer that listens in a directory of its own.
struct Running {
    dir: TempDir,
    task: JoinHandle<Result<(), ServerError>>,
}

impl Running {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let started = Server::start(&config(dir.path(), GuardFile::New), key());
        let task = serve(started.unwrap());
        Self { dir, task }
    }

    fn socket(&self) -> std::path::PathBuf {
        self.dir.path().join("signer.sock")
    }

    async fn stop(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    /// Starts the signer again, which was stopped.
    fn restart(&mut self, key: SigningKey) {
        let started = Server::start(&config(self.dir.path(), GuardFile::Existing), key);
        self.task = serve(started.unwrap());
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.socket()).await.unwrap()
    }
}

fn serve((server, failure): (Server, mpsc::Receiver<()>)) -> JoinHandle<Result<(), ServerError>> {
    tokio::spawn(async move { server.serve(failure).await })
}

fn request(ask: Ask) -> Request {
    Request::new(&chain(), &Seen::default(), ask)
}

async fn ask(stream: &mut UnixStream, ask: Ask) -> Said {
    write_frame(stream, &request(ask)).await.unwrap();
    Answer::decode(&read_frame(stream).await.unwrap()).unwrap()
}

fn vote(kind: u8, height: u64, round: u32, hash: Option<u8>) -> Ask {
    Ask::Vote {
        kind,
        height: Height(height),
        round,
        block_hash: hash.map(|byte| H256([byte; 32])),
    }
}

fn message(ask: Ask) -> SignMessage {
    ask.message().unwrap()
}

fn verifies(ask: Ask, signature: &Signature) -> bool {
    let public = PublicKey(key().verifying_key().to_bytes());
    let preimage = message(ask).preimage(&chain(), &public);
    public.verify(&preimage, signature).is_ok()
}

/// Waits in real time, but not for ever.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, what).await.unwrap()
}

/// Waits until `remote` has noticed that its signer is there, or gone.
async fn notices(remote: &RemoteSigner, is_there: bool) {
    let mut reachable = remote.watch();
    let seen = reachable.wait_for(|is| *is == is_there);
    soon(seen).await.unwrap();
}

#[tokio::test]
async fn a_signer_signs_what_it_is_asked_and_nothing_else() {
    let running = Running::start();
    let mut stream = running.connect().await;
    let public = PublicKey(key().verifying_key().to_bytes());
    assert_eq!(ask(&mut stream, Ask::Hello).await, Said::Key(public));
    let parts = Ask::Parts {
        height: Height(5),
        round: 0,
        pol_round: None,
        block_hash: H256([1; 32]),
        block_bytes: 9,
    };
    let proposal = Ask::Proposal {
        height: Height(5),
        round: 0,
        pol_round: None,
        block_hash: H256([1; 32]),
    };
    let peer = Ask::Peer {
        peer_id: vec![7; 38].try_into().unwrap(),
    };
    let votes = [vote(1, 5, 0, Some(1)), vote(2, 5, 0, None)];
    for asked in [parts, proposal, peer].into_iter().chain(votes) {
        let Said::Signature(signature) = ask(&mut stream, asked.clone()).await else {
            panic!("{asked:?}");
        };
        assert!(verifies(asked, &signature));
    }
    let refused = ask(&mut stream, vote(1, 5, 0, Some(2))).await;
    assert!(matches!(refused, Said::Conflict(record) if record.block_hash == Some(H256([1; 32]))));
    let refused = ask(&mut stream, vote(1, 4, 0, Some(2))).await;
    assert!(matches!(refused, Said::Stale(record) if record.kind == 2));
}

#[tokio::test]
async fn a_request_about_another_chain_or_a_committed_height_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (server, _failure) = Server::start(&config(dir.path(), GuardFile::New), key()).unwrap();
    let mut foreign = request(vote(1, 5, 0, None));
    foreign.fork_id = ForkId(1);
    assert_eq!(server.answer(foreign).await, Said::OtherChain);
    let mut late = request(vote(1, 5, 0, None));
    late.tip = Height(5);
    assert_eq!(server.answer(late).await, Said::Below { floor: Height(5) });
    let mut outdated = request(vote(1, 9, 0, None));
    (outdated.tip, outdated.signed) = (Height(8), Height(8));
    let known = Height(0);
    let signed = Height(8);
    assert_eq!(
        server.answer(outdated).await,
        Said::Outdated { signed, known }
    );
}

/// Goal: nothing but frames of the protocol is listened to, and a bad client costs the good one
/// nothing. Method: every way to be wrong, each on a connection of its own.
#[tokio::test]
async fn garbage_is_answered_once_and_cut_off() {
    let running = Running::start();
    let frame = |body: &[u8]| {
        let mut frame = (body.len() as u32).to_le_bytes().to_vec();
        frame.extend_from_slice(body);
        frame
    };
    let good = request(vote(1, 5, 0, Some(1))).encode();
    let mut version = good.clone();
    version[0] = 2;
    let mut kind = request(Ask::Hello).encode();
    *kind.last_mut().unwrap() = 5;
    let long = [good.clone(), vec![0]].concat();
    let peer = |bytes: usize| {
        let mut body = request(Ask::Hello).encode();
        body.pop();
        body.push(4);
        vec![9u8; bytes].encode_to(&mut body);
        frame(&body)
    };
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let random: Vec<u8> = (0..200).map(|_| rng.r#gen()).collect();
    let frames = [
        frame(&[]),
        frame(&vec![0; SIGNER_FRAME_BYTES_MAX + 1]),
        u32::MAX.to_le_bytes().to_vec(),
        frame(&version),
        frame(&kind),
        frame(&long),
        frame(&good[..good.len() - 1]),
        frame(&request(vote(0, 5, 0, None)).encode()),
        frame(&request(vote(3, 5, 0, None)).encode()),
        peer(0),
        peer(65),
        frame(&random),
    ];
    for bytes in frames {
        let mut stream = running.connect().await;
        // It may be cut off before all is written.
        let _ = stream.write_all(&bytes).await;
        let said = soon(read_frame(&mut stream)).await.unwrap();
        assert_eq!(Answer::decode(&said).unwrap(), Said::Malformed, "{bytes:?}");
        let mut rest = Vec::new();
        assert_eq!(soon(stream.read_to_end(&mut rest)).await.unwrap_or(0), 0);
    }
    // A client that goes away in the middle of a frame.
    let mut torn = running.connect().await;
    torn.write_all(&frame(&good)[..20]).await.unwrap();
    drop(torn);
    let mut stream = running.connect().await;
    let said = soon(async {
        loop {
            match ask(&mut stream, vote(1, 5, 0, Some(2))).await {
                Said::Busy => stream = running.connect().await,
                said => return said,
            }
        }
    });
    assert!(
        matches!(said.await, Said::Signature(_)),
        "nothing was signed above"
    );
}

/// Goal: a client that hangs gives way. Method: virtual time, one that asks nothing.
#[tokio::test(start_paused = true)]
async fn a_client_that_asks_nothing_is_cut_off() {
    let running = Running::start();
    let mut idle = running.connect().await;
    ask(&mut idle, Ask::Hello).await;
    let mut rest = Vec::new();
    assert_eq!(idle.read_to_end(&mut rest).await.unwrap(), 0);
}

/// Method: the own process, when its user may ask and when only another may.
#[tokio::test]
async fn processes_of_other_users_are_cut_off_without_a_word() {
    let own = UnixStream::pair().unwrap().0.peer_cred().unwrap().uid();
    for (user, may_ask) in [(own, true), (own + 1, false)] {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), GuardFile::New);
        let (mut server, failure) = Server::start(&config, key()).unwrap();
        server.allow_only(vec![user]);
        let task = serve((server, failure));
        let mut stream = UnixStream::connect(&config.listen).await.unwrap();
        // It may be cut off before this is written.
        let _ = write_frame(&mut stream, &request(Ask::Hello)).await;
        let answer = soon(read_frame(&mut stream)).await;
        assert_eq!(answer.is_ok(), may_ask, "{answer:?}");
        task.abort();
    }
}

#[tokio::test]
async fn a_second_node_is_told_that_the_signer_is_busy() {
    let running = Running::start();
    let mut first = running.connect().await;
    ask(&mut first, Ask::Hello).await;
    let mut second = running.connect().await;
    assert_eq!(ask(&mut second, Ask::Hello).await, Said::Busy);
    assert!(matches!(ask(&mut first, Ask::Hello).await, Said::Key(_)));
    drop(first);
    let third = soon(RemoteSigner::connect(&running.socket(), chain())).await;
    assert!(third.unwrap().is_reachable(), "the place is free again");
}

#[tokio::test]
async fn a_signer_needs_its_guard_alone_and_a_place_to_listen() {
    let dir = tempfile::tempdir().unwrap();
    let refused = Server::start(&config(dir.path(), GuardFile::Existing), key());
    let missing = matches!(
        refused,
        Err(ServerError::Guard(OpenGuardError::Missing { .. }))
    );
    assert!(missing);
    let first = Server::start(&config(dir.path(), GuardFile::New), key()).unwrap();
    let second = Server::start(&config(dir.path(), GuardFile::Existing), key());
    let in_use = matches!(
        second,
        Err(ServerError::Guard(OpenGuardError::InUse { .. }))
    );
    assert!(in_use);
    // Another guard, the same socket.
    let mut other = config(dir.path(), GuardFile::New);
    other.guard = dir.path().join("other");
    let second = Server::start(&other, key());
    assert!(matches!(second, Err(ServerError::InUse { .. })));
    drop(first);
    let again = config(dir.path(), GuardFile::Existing);
    let again = Server::start(&again, key()).unwrap();
    drop(again);
    std::fs::write(dir.path().join("signer.sock"), "mine").unwrap();
    let refused = Server::start(&config(dir.path(), GuardFile::Existing), key());
    assert!(matches!(refused, Err(ServerError::NotASocket { .. })));
}

/// Goal: a node notices that its signer is gone, says so, and takes it back. Method: stop and
/// start the signer; start it with another key.
#[tokio::test]
async fn a_node_reconnects_to_its_signer_and_to_no_other() {
    let mut running = Running::start();
    let remote = RemoteSigner::connect(&running.socket(), chain())
        .await
        .unwrap();
    let seen = Seen::default();
    let asked = vote(1, 5, 0, Some(1));
    let first = remote.sign(&message(asked.clone()), &seen).await.unwrap();
    assert!(verifies(asked.clone(), &first));

    running.stop().await;
    let gone = remote.sign(&message(asked.clone()), &seen).await;
    assert!(matches!(gone, Err(SignError::Unreachable)));
    notices(&remote, false).await;

    running.restart(key());
    notices(&remote, true).await;
    let again = remote.sign(&message(asked), &seen).await.unwrap();
    assert_eq!(again, first);
    let other = remote.sign(&message(vote(1, 5, 0, Some(2))), &seen).await;
    let Err(SignError::Guard(GuardError::Conflict { signed })) = other else {
        panic!("{other:?}");
    };
    assert_eq!(signed.block_hash, Some(H256([1; 32])));

    // Somebody else listens there.
    running.stop().await;
    let stranger = UnixListener::bind(running.socket()).unwrap();
    let gone = remote.sign(&message(vote(1, 6, 0, None)), &seen).await;
    assert!(matches!(gone, Err(SignError::Unreachable)));
    let public = PublicKey(SigningKey::from_bytes(&[2; 32]).verifying_key().to_bytes());
    // It greets again and again, and never takes this one.
    for _ in 0..3 {
        let (mut stream, _) = soon(stranger.accept()).await.unwrap();
        soon(read_frame(&mut stream)).await.unwrap();
        let answer = Answer::from(Said::Key(public));
        write_frame(&mut stream, &answer).await.unwrap();
        let mut rest = Vec::new();
        assert_eq!(soon(stream.read_to_end(&mut rest)).await.unwrap(), 0);
        assert!(!remote.is_reachable());
        let refused = remote.sign(&message(vote(1, 6, 0, None)), &seen).await;
        assert!(matches!(refused, Err(SignError::Unreachable)));
    }
}

#[tokio::test]
async fn a_node_does_not_start_with_a_signer_of_another_chain() {
    let running = Running::start();
    let other = ChainId {
        fork_id: ForkId(9),
        ..chain()
    };
    let refused = RemoteSigner::connect(&running.socket(), other).await;
    assert!(matches!(refused, Err(ConnectError::OtherChain { .. })));
}

/// Goal: a signer that hangs costs a second, once. Method: virtual time; a listener that answers
/// the greeting and then nothing.
#[tokio::test(start_paused = true)]
async fn a_signer_that_hangs_is_given_up_after_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("signer.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let public = PublicKey(key().verifying_key().to_bytes());
    let hangs = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_frame(&mut stream).await.unwrap();
        let answer = Answer::from(Said::Key(public));
        write_frame(&mut stream, &answer).await.unwrap();
        // Accepts whoever comes, and says nothing.
        let mut held = vec![stream];
        loop {
            held.push(listener.accept().await.unwrap().0);
        }
    });
    let remote = RemoteSigner::connect(&path, chain()).await.unwrap();
    let message = message(vote(1, 5, 0, None));
    let begun = tokio::time::Instant::now();
    let seen = Seen::default();
    let first = remote.sign(&message, &seen).await;
    assert!(matches!(first, Err(SignError::Unreachable)));
    assert!(begun.elapsed() <= Duration::from_millis(1100));
    let begun = tokio::time::Instant::now();
    for _ in 0..100 {
        let next = remote.sign(&message, &seen).await;
        assert!(matches!(next, Err(SignError::Unreachable)));
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    hangs.abort();
}

/// A guard whose disk has failed.
struct Failing;

impl SignGuard for Failing {
    fn check_and_record(&self, _message: &SignRecord) -> Result<(), GuardError> {
        Err(GuardError::Unavailable(std::io::Error::other("no disk")))
    }
}

#[tokio::test]
async fn a_signer_whose_guard_fails_says_so_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), GuardFile::New);
    let started = Server::start_with(&config, key(), Arc::new(Failing)).unwrap();
    let server = serve(started);
    let remote = RemoteSigner::connect(&config.listen, chain())
        .await
        .unwrap();
    let message = message(vote(1, 5, 0, None));
    let silent = remote.sign(&message, &Seen::default()).await;
    assert!(matches!(silent, Err(SignError::Unreachable)));
    let ended = soon(server).await.unwrap();
    assert!(matches!(ended, Err(ServerError::GuardFailed)));
}

/// A guard whose disk answers when the test says so.
struct Slow(Mutex<std::sync::mpsc::Receiver<()>>);

impl SignGuard for Slow {
    fn check_and_record(&self, _message: &SignRecord) -> Result<(), GuardError> {
        let disk = self.0.lock().unwrap();
        let written = disk.recv_timeout(Duration::from_secs(10));
        written.map_err(|error| GuardError::Unavailable(std::io::Error::other(error)))
    }
}

/// Goal: while the disk is slow the signer answers others, and the one who waits not too early.
/// Method: a vote that waits for its record; a second node is told meanwhile that it is busy.
#[tokio::test]
async fn a_signer_that_waits_for_its_disk_still_turns_others_away() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), GuardFile::New);
    let (written, disk) = std::sync::mpsc::channel();
    let started = Server::start_with(&config, key(), Arc::new(Slow(Mutex::new(disk))));
    let _server = serve(started.unwrap());
    let mut first = UnixStream::connect(&config.listen).await.unwrap();
    ask(&mut first, Ask::Hello).await;
    let asked = request(vote(1, 5, 0, None));
    write_frame(&mut first, &asked).await.unwrap();
    let mut second = UnixStream::connect(&config.listen).await.unwrap();
    assert_eq!(soon(ask(&mut second, Ask::Hello)).await, Said::Busy);
    let silent = first.try_read(&mut [0; 8]);
    assert_eq!(silent.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    written.send(()).unwrap();
    let said = soon(read_frame(&mut first)).await.unwrap();
    assert!(matches!(Answer::decode(&said).unwrap(), Said::Signature(_)));
}

/// A door that does not open at first.
struct Stuck {
    failures: u32,
    client: Option<UnixStream>,
}

#[async_trait]
impl Door for Stuck {
    async fn next(&mut self) -> std::io::Result<UnixStream> {
        if let Some(left) = self.failures.checked_sub(1) {
            self.failures = left;
            let too_many_files = 24;
            return Err(std::io::Error::from_raw_os_error(too_many_files));
        }
        match self.client.take() {
            Some(stream) => Ok(stream),
            None => std::future::pending().await,
        }
    }
}

/// Goal: a moment without file descriptors does not end a signer, and does not make it spin.
/// Method: virtual time; `accept` fails three times, then a client comes.
#[tokio::test(start_paused = true)]
async fn a_signer_that_cannot_accept_pauses_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), GuardFile::New);
    let (server, failure) = Server::start(&config, key()).unwrap();
    let (mut near, far) = UnixStream::pair().unwrap();
    let mut door = Stuck {
        failures: 3,
        client: Some(far),
    };
    let begun = tokio::time::Instant::now();
    tokio::select! {
        ended = server.serve_those(&mut door, failure) => panic!("{ended:?}"),
        said = ask(&mut near, Ask::Hello) => assert!(matches!(said, Said::Key(_))),
    }
    assert!(begun.elapsed() >= 3 * crate::limits::SIGNER_ACCEPT_PAUSE);
}

/// A guard that permits everything: the safeguard whose absence must be noticed.
struct Removed;

impl SignGuard for Removed {
    fn check_and_record(&self, _message: &SignRecord) -> Result<(), GuardError> {
        Ok(())
    }
}

/// Asks for whatever a node might, in any order, with restarts of the signer between, and returns
/// the places for which there are two signatures. `guarded`: as it should be.
async fn places_signed_twice(seed: u64, guarded: bool) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let start = |expected| {
        let config = config(dir.path(), expected);
        let started = match guarded {
            true => Server::start(&config, key()),
            false => Server::start_with(&config, key(), Arc::new(Removed)),
        };
        started.unwrap().0
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut server = start(GuardFile::New);
    let mut signed: BTreeMap<(u64, u32, SignKind), Vec<Signature>> = BTreeMap::new();
    let mut height = 1;
    for _ in 0..400 {
        if rng.gen_bool(0.05) {
            drop(server);
            server = start(GuardFile::Existing);
        }
        height += u64::from(rng.gen_bool(0.05));
        let at = Height(height + 1 - rng.gen_range(0..=1));
        let (round, block) = (rng.gen_range(0..3), H256([rng.gen_range(0..3); 32]));
        let pol_round = rng.gen_bool(0.3).then(|| rng.gen_range(0..2));
        let asked = match rng.gen_range(0..3) {
            0 => Ask::Proposal {
                height: at,
                round,
                pol_round,
                block_hash: block,
            },
            kind => Ask::Vote {
                kind,
                height: at,
                round,
                block_hash: rng.gen_bool(0.7).then_some(block),
            },
        };
        let SignMessage::Record(record) = message(asked.clone()) else {
            unreachable!("votes and proposals are records");
        };
        let mut request = request(asked);
        request.tip = Height(rng.gen_range(0..=at.0));
        if let Said::Signature(signature) = server.answer(request).await {
            let place = (record.height.0, record.round, record.kind);
            let signatures = signed.entry(place).or_default();
            if !signatures.contains(&signature) {
                signatures.push(signature);
            }
        }
    }
    assert!(signed.len() > 10, "seed {seed} signs something");
    signed.values().filter(|it| it.len() > 1).count()
}

#[tokio::test]
async fn no_order_of_requests_and_restarts_yields_two_signatures_for_one_place() {
    for seed in 0..8 {
        assert_eq!(places_signed_twice(seed, true).await, 0, "seed {seed}");
    }
}

/// Goal: the test above sees what it is for.
#[tokio::test]
async fn removing_the_guard_yields_two_signatures_for_one_place() {
    for seed in 0..3 {
        assert!(places_signed_twice(seed, false).await > 0, "seed {seed}");
    }
}

/// Goal: a signer whose guard was lost is silent until the chain is later. Method: what a node
/// tells while it catches up, then a block of after the loss.
#[tokio::test]
async fn a_signer_that_lost_its_guard_is_silent_until_the_chain_is_past_it() {
    let dir = tempfile::tempdir().unwrap();
    let now = TimeMs(1_790_000_000_000);
    let config = config(dir.path(), GuardFile::Lost { now });
    let (server, _failure) = Server::start(&config, key()).unwrap();
    let asked = |tip: u64, tip_time: u64, signed: u64| {
        let seen = Seen {
            tip: Height(tip),
            tip_time: TimeMs(tip_time),
            signed: Height(signed),
        };
        server.answer(Request::new(&chain(), &seen, vote(1, tip + 1, 0, None)))
    };
    assert_eq!(asked(3, 7, 3).await, Said::Lost { since: now });
    assert_eq!(
        asked(90, now.0 + 60_000, 90).await,
        Said::Lost { since: now }
    );
    assert!(matches!(
        asked(99, now.0 + 60_001, 90).await,
        Said::Signature(_)
    ));
    assert_eq!(
        asked(98, now.0, 90).await,
        Said::Below { floor: Height(99) }
    );
}
