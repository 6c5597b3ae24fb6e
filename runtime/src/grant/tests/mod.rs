//! Tests of the calls, one file per call, over plain maps and with real keys.

mod anchor;
mod prune;
mod revoke;

use allod_primitives::H256;
use allod_primitives::grant::{GrantAction, GrantMessage, SignedGrantMessage};
use allod_primitives::operation::operation_preimage;
use ed25519_dalek::SigningKey;

use super::{Call, Error, Event};
use crate::RuntimeEvent;
use crate::did::tests::harness::{CHAIN, Ledger, START, public, registrar, sign};
use crate::frame::{Origin, TransactionError};

/// The anchoring of grant `gid` by `gk`, for ten days.
fn anchoring(gid: u8, gk: &SigningKey) -> GrantMessage {
    message(
        gid,
        GrantAction::Anchor {
            grant_key: public(gk),
            expiry_day: START.day() + 10,
        },
    )
}

fn message(gid: u8, action: GrantAction) -> GrantMessage {
    GrantMessage {
        version: 1,
        genesis: CHAIN.genesis,
        fork_id: CHAIN.fork_id,
        gid: H256([gid; 32]),
        action,
        valid_until: START.plus_ms(3_600_000),
    }
}

fn signed(message: &GrantMessage, gk: &SigningKey) -> SignedGrantMessage {
    SignedGrantMessage {
        message: *message,
        signature: sign(gk, &operation_preimage(&CHAIN, &message.hash())),
    }
}

/// Anchors in one batch and returns which items failed.
fn anchor(
    ledger: &mut Ledger,
    items: &[SignedGrantMessage],
) -> Result<Vec<(u32, Error)>, TransactionError> {
    let call = Call::anchor {
        items: items.to_vec().try_into().unwrap(),
    };
    let applied = ledger.apply(Origin::Signed(public(&registrar())), &call)?;
    assert_eq!(applied.result, Ok(()));
    let failed = applied.events.iter().filter_map(|event| match event {
        RuntimeEvent::Grant(Event::ItemFailed { index, error }) => Some((*index, *error)),
        _ => None,
    });
    Ok(failed.collect())
}
