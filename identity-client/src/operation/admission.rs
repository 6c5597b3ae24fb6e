//! Why the ledger should take in a new identity.

use allod_primitives::operation::{Admission, Voucher, voucher_preimage, work_bits};
use allod_primitives::{ChainId, DidId, TimeMs};

use crate::keys::SecretKey;

/// Returns a registrar's word for `did`, good until `expires`.
pub fn voucher(registrar: &SecretKey, chain: &ChainId, did: &DidId, expires: TimeMs) -> Admission {
    Admission::Voucher(Voucher {
        registrar: registrar.public(),
        expires,
        signature: registrar.sign(&voucher_preimage(chain, did, expires)),
    })
}

/// Looks for work of at least `bits` zero bits among `tries` nonces from `first`.
///
/// Returns `None` if there is none among them: the caller may go on from there, or give up. Cost:
/// 2^`bits` hashes on average.
pub fn find_work(
    chain: &ChainId,
    did: &DidId,
    bits: u8,
    first: u64,
    tries: u64,
) -> Option<Admission> {
    (first..first.saturating_add(tries))
        .find(|nonce| work_bits(chain, did, *nonce) >= u32::from(bits))
        .map(|nonce| Admission::Work { nonce })
}
