use allod_primitives::{Certificate, PublicKey, Signature, TimeMs, ValidatorSet};

use super::*;
use crate::application::{BlockLoad, Evidence, ProposedBlock};
use crate::config::keypair;
use crate::context::PartInit;

/// Judges by the first byte of a block: `b'm'` is malformed, `b'l'` comes too late for a first
/// proposal, anything else is valid. The hash is the first byte, repeated.
#[derive(Default)]
struct Judge {
    stored: Vec<(Height, H256)>,
    asked: Vec<ValidationContext>,
}

fn hash(n: u8) -> H256 {
    H256([n; 32])
}

impl Application for Judge {
    fn tip(&self) -> Height {
        Height(4)
    }

    fn tip_time(&self) -> TimeMs {
        TimeMs(0)
    }

    fn validator_set(&self, _height: Height) -> Option<ValidatorSet> {
        None
    }

    fn build(&mut self, _height: Height, _round: u32) -> Result<ProposedBlock, FatalError> {
        Err(FatalError::new("not asked to build"))
    }

    fn validate(
        &mut self,
        _height: Height,
        bytes: &[u8],
        context: ValidationContext,
    ) -> Result<H256, InvalidBlock> {
        self.asked.push(context);
        let reason = String::new();
        match (bytes[0], context) {
            (b'm', _) => Err(InvalidBlock::Malformed { reason }),
            (b'l', ValidationContext::FirstProposal) => Err(InvalidBlock::Refused {
                hash: hash(b'l'),
                reason,
            }),
            (n, _) => Ok(hash(n)),
        }
    }

    fn put_undecided(&mut self, height: Height, hash: H256, _: &[u8]) -> Result<(), FatalError> {
        self.stored.push((height, hash));
        Ok(())
    }

    fn undecided(&self, _height: Height) -> Vec<(H256, Vec<u8>)> {
        Vec::new()
    }

    fn commit(&mut self, _: H256, _: Certificate) -> Result<BlockLoad, FatalError> {
        Ok(BlockLoad::Empty)
    }

    fn extend_certificate(&mut self, _: Certificate) -> Result<(), FatalError> {
        Ok(())
    }

    fn decided(&self, _: Height) -> Option<(Vec<u8>, Certificate)> {
        None
    }

    fn history_min(&self) -> Height {
        Height(1)
    }

    fn report_evidence(&mut self, _: Evidence) {}
}

fn block(name: u8, claimed: u8, round: u32, pol_round: Option<u32>) -> Assembled {
    let init = PartInit {
        height: Height(5).into(),
        round,
        pol_round,
        block_hash: hash(claimed),
        block_bytes: 1,
        streamer: PublicKey([1; 32]),
        signature: Signature([0; 64]),
    };
    Assembled {
        init,
        bytes: vec![name],
    }
}

fn height_five() -> (Blocks, SeenProposals, Judge) {
    let proposals = SeenProposals::default();
    let mut blocks = Blocks::new(proposals.clone());
    let mut app = Judge::default();
    assert!(blocks.begin(Height(5), &mut app).is_empty());
    (blocks, proposals, app)
}

fn peer(n: u8) -> PeerId {
    let key = ed25519_dalek::SigningKey::from_bytes(&[n; 32]);
    PeerId::from_bytes(&keypair(&key).public().to_peer_id().to_bytes()).unwrap()
}

/// Goal: a forged body does not condemn an honest block. Method: stream garbage, then another
/// block, under the honest block's hash; then the honest block.
#[test]
fn forged_bytes_do_not_condemn_the_hash_they_claim() {
    let (mut blocks, _, mut app) = height_five();
    let forged = block(b'm', b'a', 0, None);
    assert_eq!(
        blocks.judge(&forged, true, &mut app).unwrap(),
        Verdict::Nothing
    );
    let swapped = block(b'b', b'a', 0, None);
    assert_eq!(
        blocks.judge(&swapped, true, &mut app).unwrap(),
        Verdict::Nothing
    );
    let honest = block(b'a', b'a', 0, None);
    assert_eq!(
        blocks.judge(&honest, true, &mut app).unwrap(),
        Verdict::Valid
    );
    assert_eq!(
        app.stored,
        [(Height(5), hash(b'a'))],
        "stored before it is voted for, once"
    );
}

/// Goal: strangers cannot fill the engine's places. Method: a validator out of turn streams a
/// block; the proposer streams two.
#[test]
fn only_the_proposers_first_block_goes_ahead_of_its_proposal() {
    let (mut blocks, proposals, mut app) = height_five();
    let early = block(b'a', b'a', 0, None);
    assert_eq!(
        blocks.judge(&early, false, &mut app).unwrap(),
        Verdict::Later
    );
    assert!(app.asked.is_empty(), "it costs no execution");

    let first = block(b'b', b'b', 0, None);
    assert_eq!(
        blocks.judge(&first, true, &mut app).unwrap(),
        Verdict::Valid
    );
    let second = block(b'c', b'c', 0, None);
    assert_eq!(
        blocks.judge(&second, true, &mut app).unwrap(),
        Verdict::Later
    );

    proposals.note(Height(5), hash(b'a'), false);
    assert_eq!(
        blocks.judge(&early, false, &mut app).unwrap(),
        Verdict::Valid
    );
}

/// Goal: only a proof of lock lifts the judgement by the clock. Method: a block that comes too
/// late, first with a claim, then with a signed proposal that names a lock.
#[test]
fn the_clock_counts_until_a_lock_is_proposed() {
    let (mut blocks, proposals, mut app) = height_five();
    let late = block(b'l', b'l', 0, None);
    assert_eq!(
        blocks.judge(&late, true, &mut app).unwrap(),
        Verdict::Invalid
    );
    assert_eq!(
        blocks.judge(&late, true, &mut app).unwrap(),
        Verdict::Invalid
    );
    assert_eq!(
        app.asked.len(),
        1,
        "the same question is not executed twice"
    );

    let claims_lock = block(b'l', b'l', 1, Some(0));
    assert_eq!(
        blocks.judge(&claims_lock, true, &mut app).unwrap(),
        Verdict::Later
    );
    proposals.note(Height(5), hash(b'l'), true);
    assert_eq!(
        blocks.judge(&claims_lock, true, &mut app).unwrap(),
        Verdict::Valid
    );
    assert_eq!(app.asked.last(), Some(&ValidationContext::Replay));
}

/// Goal: waiting blocks are bounded per publisher. Method: park ten of one, one of another.
#[test]
fn parked_blocks_are_bounded_per_publisher() {
    let (mut blocks, _, _) = height_five();
    for n in 0..10 {
        blocks.park(peer(1), block(n, n, 0, None));
    }
    blocks.park(peer(2), block(99, 99, 0, None));
    let parked: Vec<u8> = blocks
        .unpark()
        .iter()
        .map(|(_, block)| block.bytes[0])
        .collect();
    assert_eq!(parked, [8, 9, 99]);
    assert!(blocks.unpark().is_empty());
}
