//! What a validator had to say while its signer was gone, said when the signer is back.
//!
//! To the engine a message is said once it was signed; it never asks again. If more than a third
//! were silent for a moment, their round would never end. A vote that comes late is no other vote
//! than one that the network delayed: the guard has seen to it that nothing else was signed in
//! its place. So it goes to the own engine, which counts it like anybody's, and to the network.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use allod_primitives::Height;
use arc_malachitebft_app_channel::app::consensus::LivenessMsg;
use arc_malachitebft_app_channel::app::engine::consensus::ConsensusMsg;
use arc_malachitebft_app_channel::app::engine::network::{Msg as NetworkMsg, NetworkEvent};
use arc_malachitebft_app_channel::app::types::core::{SignedMessage, VoteType};
use arc_malachitebft_app_channel::app::types::{PeerId, SignedConsensusMsg};
use ractor::{ActorCell, Message};
use tokio::sync::Notify;
use tracing::info;

use crate::context::{Ctx, Proposal, Vote};
use crate::guard::SignKind;
use crate::limits::LATE_MESSAGES_MAX;
use crate::signing::{Asked, EngineSigner, proposal_message};

/// Between two attempts to have a message signed.
const RETRY: Duration = Duration::from_millis(200);

/// A message that could not be signed when it was due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LateMessage {
    Vote(Vote),
    Proposal(Proposal),
}

/// Height, round and kind: the order in which a guard allows messages.
type Place = (u64, i64, SignKind);

/// The messages that wait; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Late(Arc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    messages: Mutex<BTreeMap<Place, LateMessage>>,
    kept: Notify,
}

impl LateMessage {
    fn place(&self) -> Place {
        match self {
            Self::Vote(vote) => {
                let kind = match vote.kind {
                    VoteType::Prevote => SignKind::Prevote,
                    VoteType::Precommit => SignKind::Precommit,
                };
                (vote.height.0, vote.round.as_i64(), kind)
            }
            Self::Proposal(it) => (it.height.0, it.round.as_i64(), SignKind::Proposal),
        }
    }
}

impl Late {
    /// Keeps a message for later; those of lower heights are of no use any more.
    pub(crate) fn keep(&self, message: LateMessage) {
        let place = message.place();
        self.with(|messages| {
            messages.retain(|(height, ..), _| *height >= place.0);
            messages.insert(place, message);
            while messages.len() > LATE_MESSAGES_MAX {
                messages.pop_first();
            }
        });
        self.0.kept.notify_one();
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut BTreeMap<Place, LateMessage>) -> T) -> T {
        let mut messages = self
            .0
            .messages
            .lock()
            .expect("no code panics holding this lock");
        use_it(&mut messages)
    }

    /// Returns the first message of a height above `tip`.
    fn first(&self, tip: Height) -> Option<LateMessage> {
        self.with(|messages| {
            messages.retain(|(height, ..), _| *height > tip.0);
            messages
                .first_key_value()
                .map(|(_, message)| message.clone())
        })
    }

    /// Lets go of `message`, and of no other that has taken its place while it was asked for.
    fn done(&self, message: &LateMessage) {
        self.with(|messages| {
            let place = message.place();
            if messages.get(&place) == Some(message) {
                messages.remove(&place);
            }
        });
    }
}

/// The engine's parts that late messages go to.
pub(crate) struct Listeners {
    /// The engine's supervisor, whose children they are.
    pub(crate) engine: ActorCell,
    /// This node's identity on the network.
    pub(crate) own: PeerId,
}

impl Listeners {
    /// Gives a signed message to the own engine, then to everybody else's.
    fn tell(&self, message: SignedConsensusMsg<Ctx>) {
        match message {
            SignedConsensusMsg::Vote(vote) => {
                self.send(ConsensusMsg::<Ctx>::NetworkEvent(NetworkEvent::Vote(
                    self.own,
                    vote.clone(),
                )));
                let vote = LivenessMsg::Vote(vote);
                self.send(NetworkMsg::<Ctx>::PublishLivenessMsg(vote));
            }
            SignedConsensusMsg::Proposal(proposal) => {
                self.send(ConsensusMsg::<Ctx>::NetworkEvent(NetworkEvent::Proposal(
                    self.own,
                    proposal.clone(),
                )));
                let proposal = SignedConsensusMsg::Proposal(proposal);
                self.send(NetworkMsg::<Ctx>::PublishConsensusMsg(proposal));
            }
        }
    }

    /// Sends to the child that takes messages of this type. One that is gone misses nothing.
    fn send<M: Message>(&self, message: M) {
        let children = self.engine.get_children();
        let child = children
            .iter()
            .find(|child| child.is_message_type_of::<M>() == Some(true));
        if let Some(child) = child {
            let _ = child.send_message(message);
        }
    }
}

/// Says what waits as soon as the signer signs it; ends if the guard fails, as all does then.
pub(crate) async fn speak(signer: EngineSigner, listeners: Listeners) {
    while let Some(message) = next_signed(&signer).await {
        listeners.tell(message);
    }
}

/// Waits for a message and for its signature; `None` if the guard failed.
async fn next_signed(signer: &EngineSigner) -> Option<SignedConsensusMsg<Ctx>> {
    let late = &signer.late;
    loop {
        let Some(message) = late.first(signer.seen.get().tip) else {
            late.0.kept.notified().await;
            continue;
        };
        tokio::time::sleep(RETRY).await;
        let (said, asked) = match &message {
            LateMessage::Vote(vote) => {
                let (vote, asked) = signer.ask_vote(vote.clone()).await.ok()?;
                (LateMessage::Vote(vote), asked)
            }
            LateMessage::Proposal(proposal) => {
                let asked = signer.ask(&proposal_message(proposal).ok()?).await.ok()?;
                (message.clone(), asked)
            }
        };
        let signature = match asked {
            Asked::Unreachable => continue,
            Asked::Signed(signature) => signature,
            // Overtaken by what was signed since: it stays unsaid.
            Asked::Conflict(_) | Asked::Refused => {
                late.done(&message);
                continue;
            }
        };
        late.done(&message);
        info!(place = ?said.place(), "said late");
        return Some(match said {
            LateMessage::Vote(vote) => {
                SignedConsensusMsg::Vote(SignedMessage::new(vote, signature))
            }
            LateMessage::Proposal(proposal) => {
                SignedConsensusMsg::Proposal(SignedMessage::new(proposal, signature))
            }
        });
    }
}

#[cfg(test)]
mod tests;
