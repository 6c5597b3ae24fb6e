//! SS58: how Substrate's clients and methods write accounts.

use allod_primitives::PublicKey;
use blake2::{Blake2b512, Digest};

/// Substrate's generic network, which every chain's tools accept.
const PREFIX: u8 = 42;

/// Returns the address of `account`: base58 of prefix, key and two bytes of checksum.
///
/// Source: docs.polkadot.com, "SS58 address format".
pub fn ss58_address(account: &PublicKey) -> String {
    let body = [[PREFIX].as_slice(), &account.0].concat();
    let sum = Blake2b512::new()
        .chain_update(b"SS58PRE")
        .chain_update(&body)
        .finalize();
    bs58::encode([body.as_slice(), &sum[..2]].concat()).into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The well-known address of Substrate's development account Alice (sr25519 public key).
    #[test]
    fn an_address_is_substrates() {
        let key = "0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d";
        let key = PublicKey(crate::hex::decode_array(key).unwrap());
        let address = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
        assert_eq!(ss58_address(&key), address);
    }
}
