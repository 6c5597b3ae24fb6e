//! Tests of the calls, one file per call, over plain maps and with real keys.

mod batch;
mod prune;
mod revoke;

use allod_primitives::operation::Payer;
use allod_primitives::token::{SignedTokenOperation, TokenId, TokenOperation};
use ed25519_dalek::SigningKey;

use crate::did::tests::harness::{CHAIN, Ledger, Person, signatures};

/// A ledger and someone on it.
fn ledger_with_person() -> (Ledger, Person) {
    let mut ledger = Ledger::new();
    let mut person = Person::new(1);
    ledger.create(&mut person);
    (ledger, person)
}

/// The revocation of the token with this jti, which expires in an hour.
fn operation(ledger: &Ledger, person: &Person, jti: &str) -> TokenOperation {
    TokenOperation {
        version: 1,
        genesis: CHAIN.genesis,
        fork_id: CHAIN.fork_id,
        did: person.did,
        payer: Payer::Any,
        valid_until: ledger.block.time.plus_ms(60_000),
        token: TokenId::from_jti(jti),
        exp: ledger.block.time.seconds() + 3600,
    }
}

fn signed(operation: &TokenOperation, keys: &[&SigningKey]) -> SignedTokenOperation {
    SignedTokenOperation {
        operation: *operation,
        signatures: signatures(&operation.hash(), keys),
    }
}
