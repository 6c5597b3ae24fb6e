//! Messages of a WebSocket that are no calls: they are paid for, too, and a client that sends
//! nothing else is cut off.
//!
//! What is no JSON-RPC is answered below us, before anything of ours sees it. But every message is
//! given the extensions of the handshake's request, by a clone of them. So a mark among these knows
//! of every message that came, and of those that nobody paid for when they are done with.
//!
//! How often jsonrpsee clones is no promise of its own: Cargo.toml names one version of it, and the
//! test `jsonrpsee_clones_the_extensions_once_for_a_websocket_and_once_for_each_message` notices
//! another habit.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use allod_rpc_api::limits::GARBAGE_MESSAGES_MAX;

use crate::connection::{Connection, Cut};

/// Pays for a message that is no call; false if that cannot be paid.
pub(crate) type Pay = Box<dyn Fn() -> bool + Send + Sync>;

/// One end of a WebSocket that sends messages.
struct Sender {
    pay: Pay,
    connection: Arc<Connection>,
    /// Messages since the last call.
    garbage: AtomicU32,
}

/// A message that has come.
#[derive(Debug)]
struct Message {
    sender: Arc<Sender>,
    is_call: AtomicBool,
}

/// What stands among the extensions.
#[derive(Debug)]
pub(crate) struct Mark(Of);

/// Whose extensions.
#[derive(Debug)]
enum Of {
    /// The handshake's request.
    Handshake(Arc<Sender>),
    /// The WebSocket, which keeps a clone of these.
    WebSocket(Arc<Sender>),
    /// A message, whose calls have clones of these.
    Message(Arc<Message>),
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("garbage", &self.garbage)
            .finish_non_exhaustive()
    }
}

impl Mark {
    /// Makes the mark of a handshake's request.
    pub(crate) fn new(connection: Arc<Connection>, pay: Pay) -> Self {
        Self(Of::Handshake(Arc::new(Sender {
            pay,
            connection,
            garbage: AtomicU32::new(0),
        })))
    }

    /// Says that the message with these extensions is a call, which is paid for as one.
    pub(crate) fn is_call(extensions: &http::Extensions) {
        if let Some(Self(Of::Message(message))) = extensions.get() {
            message.is_call.store(true, Ordering::Relaxed);
            message.sender.garbage.store(0, Ordering::Relaxed);
        }
    }
}

impl Clone for Mark {
    fn clone(&self) -> Self {
        Self(match &self.0 {
            Of::Handshake(sender) => Of::WebSocket(sender.clone()),
            Of::WebSocket(sender) => Of::Message(Arc::new(Message {
                sender: sender.clone(),
                is_call: AtomicBool::new(false),
            })),
            Of::Message(message) => Of::Message(message.clone()),
        })
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        if self.is_call.load(Ordering::Relaxed) {
            return;
        }
        let sender = &self.sender;
        let before = sender.garbage.fetch_add(1, Ordering::Relaxed);
        if !(sender.pay)() || before.saturating_add(1) >= GARBAGE_MESSAGES_MAX {
            sender.connection.cut(Cut::Garbage);
        }
    }
}
