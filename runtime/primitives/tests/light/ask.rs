//! Puts a question to a verifier: to the library, or to the copy with removable checks. Compiled
//! once for each; `super::light` is the verifier.

use allod_primitives::did::NetworkId;
use allod_primitives::{H256, Header, Height, decode_strict};
use parity_scale_codec::Decode;

use super::light::{
    BlockChanges, CertifiedHeader, Checkpoint, Follower, LightError, ReadProof, StatePage,
    StatePages, Transition, Trust, VerifiedHeader, time,
};
use crate::cases::{Place, Question};

/// Decodes what the test itself has made.
fn made<T: Decode>(bytes: &[u8]) -> T {
    decode_strict(bytes).unwrap()
}

/// Decodes a part that a node sends by itself.
fn sent<T: Decode>(bytes: &[u8]) -> Result<T, LightError> {
    T::decode(&mut &bytes[..]).map_err(|_| LightError::Encoding { what: "part" })
}

fn trust(bytes: &[u8]) -> Trust {
    Trust::from_bytes(bytes).unwrap()
}

/// Answers whether the verifier believes it.
pub(crate) fn ask(question: &Question) -> Result<(), LightError> {
    match question {
        Question::Genesis {
            network,
            header,
            validators,
        } => {
            let network: NetworkId = network.parse().unwrap();
            let header: Header = made(header);
            Trust::from_genesis(&network, &header, &made(validators)).map(drop)
        }
        Question::Checkpoint {
            text,
            genesis,
            header,
            validators,
        } => {
            let checkpoint: Checkpoint = text.parse().unwrap();
            let header: Header = made(header);
            let genesis = H256(*genesis);
            Trust::from_checkpoint(&checkpoint, genesis, &header, &made(validators)).map(drop)
        }
        Question::Headers { trust: kept, list } => {
            let mut trust = trust(kept);
            let mut last = Ok(());
            for header in list {
                let header: CertifiedHeader = sent(header)?;
                last = trust.verify_header(&header).map(drop);
            }
            last
        }
        Question::Transition {
            trust: kept,
            transition,
        } => {
            let transition: Transition = sent(transition)?;
            trust(kept).advance(&transition).map(drop)
        }
        Question::Read {
            trust: kept,
            proof,
            reads,
        } => {
            let proof = ReadProof::from_bytes(proof)?;
            let read = trust(kept).verify_read(&proof)?;
            let view = read.view();
            for key in reads {
                // A question may take an error for a denial; the end tells nevertheless.
                let _ = view.get(key);
            }
            view.finish()
        }
        Question::Steps {
            trust: kept,
            follower,
            blocks,
        } => {
            let (mut trust, mut at) = (trust(kept), Follower::from_bytes(follower)?);
            blocks.iter().try_for_each(|block| {
                let block = BlockChanges::from_bytes(block)?;
                at.step(&mut trust, block).map(drop)
            })
        }
        Question::Pages {
            trust: kept,
            header,
            pages,
        } => {
            let header = trust(kept).verify_header(&made(header))?;
            let mut all = StatePages::new();
            for page in pages {
                all.add(StatePage::from_bytes(page)?)?;
            }
            all.finish(&header).map(drop)
        }
        Question::Place {
            trust: kept,
            header,
            place,
        } => {
            let mut trust = trust(kept);
            let header = trust.verify_header(&made(header))?;
            check_place(&trust, &header, place)
        }
    }
}

fn check_place(trust: &Trust, header: &VerifiedHeader, place: &Place) -> Result<(), LightError> {
    if let Some((now, period_ms)) = place.trusting_period {
        time::check_trust_age(&trust.newest(), now, period_ms)?;
    }
    if let Some(now) = place.now {
        time::check_head_ahead(header, now)?;
    }
    if let Some((now, staleness_ms)) = place.staleness {
        time::check_head_stale(header, now, staleness_ms)?;
    }
    if let Some(height) = place.at_least {
        time::check_head_too_low(header, Height(height))?;
    }
    if let Some(height) = place.at {
        time::check_head_other(header, Height(height))?;
    }
    if let Some(height) = place.answered {
        time::check_head_back(header, Height(height))?;
    }
    Ok(())
}
