use std::collections::VecDeque;

use allod_primitives::{H256, PublicKey, Signature};
use arc_malachitebft_app_channel::app::types::core::{NilOrVal, Round};
use async_trait::async_trait;

use super::*;
use crate::context::{Address, BlockId};
use crate::guard::{GuardError, SignRecord};
use crate::seen::SharedSeen;
use crate::signer::{Seen, SignError, SignMessage, ValidatorSigner};
use crate::signing::GuardFailure;

const KEY: PublicKey = PublicKey([3; 32]);
const SIGNATURE: Signature = Signature([7; 64]);

/// A signer that answers what it is told to, and notes what it was asked. While it answers the
/// first time, the engine keeps another message.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    answers: VecDeque<Result<Signature, SignError>>,
    asked: Vec<SignMessage>,
    meanwhile: Option<(Late, LateMessage)>,
}

#[async_trait]
impl ValidatorSigner for Told {
    fn public_key(&self) -> PublicKey {
        KEY
    }

    async fn sign(&self, message: &SignMessage, _seen: &Seen) -> Result<Signature, SignError> {
        let mut script = self.0.lock().unwrap();
        script.asked.push(message.clone());
        if let Some((late, newer)) = script.meanwhile.take() {
            late.keep(newer);
        }
        script.answers.pop_front().unwrap()
    }
}

fn prevote(hash: Option<u8>) -> Vote {
    Vote {
        kind: VoteType::Prevote,
        height: crate::context::Height(4),
        round: Round::new(0),
        value: hash.map_or(NilOrVal::Nil, |it| NilOrVal::Val(BlockId(H256([it; 32])))),
        validator: Address(KEY),
    }
}

fn engine_signer(told: &Told) -> EngineSigner {
    EngineSigner {
        signer: Arc::new(told.clone()),
        seen: SharedSeen::default(),
        failure: GuardFailure::default(),
        late: Late::default(),
    }
}

fn answer(answers: impl IntoIterator<Item = Result<Signature, SignError>>) -> Told {
    let told = Told::default();
    told.0.lock().unwrap().answers.extend(answers);
    told
}

fn value_of(said: Option<SignedConsensusMsg<Ctx>>) -> NilOrVal<BlockId> {
    match said {
        Some(SignedConsensusMsg::Vote(vote)) => vote.message.value,
        other => panic!("{other:?}"),
    }
}

/// Goal: an answer about one message says nothing of another one in its place. Method: the first
/// is refused while the engine keeps a second; the second is still said.
#[tokio::test(start_paused = true)]
async fn a_message_that_took_the_place_of_a_refused_one_is_said() {
    let refused = SignError::Refused { reason: "a test" };
    let told = answer([Err(refused), Ok(SIGNATURE)]);
    let signer = engine_signer(&told);
    signer.late.keep(LateMessage::Vote(prevote(Some(1))));
    let newer = LateMessage::Vote(prevote(None));
    told.0.lock().unwrap().meanwhile = Some((signer.late.clone(), newer));
    let said = tokio::time::timeout(Duration::from_secs(60), next_signed(&signer));
    assert_eq!(value_of(said.await.unwrap()), NilOrVal::Nil);
    assert_eq!(told.0.lock().unwrap().asked.len(), 2);
}

/// Goal: a guard that cannot write ends consensus, whoever asked it. Method: it fails for a late
/// vote; the supervisor is told, and the vote is not given up as refused.
#[tokio::test(start_paused = true)]
async fn a_guard_that_fails_for_a_late_message_ends_consensus() {
    let failed = GuardError::Unavailable(std::io::Error::other("no disk"));
    let told = answer([Err(failed.into())]);
    let signer = engine_signer(&told);
    signer.late.keep(LateMessage::Vote(prevote(Some(1))));
    let minute = Duration::from_secs(60);
    let said = tokio::time::timeout(minute, next_signed(&signer));
    assert!(said.await.unwrap().is_none(), "it does not go on");
    let heard = tokio::time::timeout(minute, signer.failure.told()).await;
    assert!(heard.is_ok(), "the supervisor is told");
    assert!(matches!(
        signer.failure.take(),
        Some(GuardError::Unavailable(_))
    ));
    assert!(signer.late.first(Height(0)).is_some());
}

/// Goal: a late vote is said as any other: where another was signed before, that one again, which
/// others may need to leave the round.
#[tokio::test(start_paused = true)]
async fn a_late_vote_that_was_signed_otherwise_before_is_said_as_it_was() {
    let signed = SignRecord {
        height: Height(4),
        round: 0,
        kind: SignKind::Prevote,
        block_hash: Some(H256([9; 32])),
        pol_round: None,
    };
    let told = answer([Err(GuardError::Conflict { signed }.into()), Ok(SIGNATURE)]);
    let signer = engine_signer(&told);
    signer.late.keep(LateMessage::Vote(prevote(None)));
    let said = tokio::time::timeout(Duration::from_secs(60), next_signed(&signer));
    let value = value_of(said.await.unwrap());
    assert_eq!(value, NilOrVal::Val(BlockId(H256([9; 32]))));
    assert!(signer.late.first(Height(0)).is_none());
}
