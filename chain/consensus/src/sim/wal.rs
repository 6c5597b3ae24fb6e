//! A write-ahead log in memory that survives the crash of its node, but for what was not flushed.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use arc_malachitebft_app_channel::app::engine::wal::{Msg, WalRef, decode_entry, encode_entry};
use ractor::{Actor, ActorProcessingErr, ActorRef, SpawnErr, async_trait};

use crate::codec::Scale;
use crate::context::Ctx;

/// A node's log; clones share it.
#[derive(Clone, Debug, Default)]
pub struct SimWal(Arc<Mutex<Log>>);

#[derive(Debug, Default)]
struct Log {
    height: u64,
    entries: Vec<Vec<u8>>,
    /// How many entries a crash leaves.
    flushed: usize,
    /// Which boot of the node owns the log; actors of earlier boots may not touch it.
    boot: u64,
}

/// The actor that answers for the log during one boot.
struct WalActor {
    wal: SimWal,
    boot: u64,
}

impl SimWal {
    /// Returns an empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Loses the log, as a lost disk would.
    pub fn wipe(&self) {
        let mut log = self.lock();
        *log = Log {
            boot: log.boot,
            ..Log::default()
        };
    }

    /// Damages the first entry, as a failing disk would; returns whether there was one.
    pub fn damage(&self) -> bool {
        match self.lock().entries.first_mut() {
            Some(entry) => {
                entry.truncate(entry.len() / 2);
                true
            }
            None => false,
        }
    }

    /// Begins a boot: what was not flushed is gone, as after a crash.
    pub(crate) async fn open(self) -> Result<WalRef<Ctx>, SpawnErr> {
        let boot = {
            let mut log = self.lock();
            let flushed = log.flushed;
            log.entries.truncate(flushed);
            log.boot += 1;
            log.boot
        };
        Ok(Actor::spawn(None, WalActor { wal: self, boot }, ())
            .await?
            .0)
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0
            .lock()
            .expect("no code panics while it holds this lock")
    }
}

#[async_trait]
impl Actor for WalActor {
    type Msg = Msg<Ctx>;
    type State = ();
    type Arguments = ();

    async fn pre_start(
        &self,
        _myself: ActorRef<Msg<Ctx>>,
        _args: (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _myself: ActorRef<Msg<Ctx>>,
        message: Msg<Ctx>,
        _state: &mut (),
    ) -> Result<(), ActorProcessingErr> {
        let mut log = self.wal.lock();
        if log.boot != self.boot {
            return Ok(());
        }
        // A reply whose receiver is gone is nobody's loss.
        match message {
            Msg::StartedHeight(height, reply) => {
                let entries = if log.height == height.0 {
                    log.entries
                        .iter()
                        .map(|entry| decode_entry(&Scale, entry.as_slice()))
                        .collect()
                } else {
                    log.reset(height.0);
                    Vec::new()
                };
                let _ = reply.send(Ok(entries));
            }
            Msg::Reset(height, reply) => {
                log.reset(height.0);
                let _ = reply.send(Ok(()));
            }
            Msg::Append(height, entry, reply) => {
                let mut bytes = Vec::new();
                let result: io::Result<()> = if log.height == height.0 {
                    encode_entry(entry, &Scale, &mut bytes).map(|()| log.entries.push(bytes))
                } else {
                    Ok(())
                };
                let _ = reply.send(result.map_err(Into::into));
            }
            Msg::Flush(reply) => {
                log.flushed = log.entries.len();
                let _ = reply.send(Ok(()));
            }
            Msg::Dump => {}
        }
        Ok(())
    }
}

impl Log {
    fn reset(&mut self, height: u64) {
        self.height = height;
        self.entries.clear();
        self.flushed = 0;
    }
}
