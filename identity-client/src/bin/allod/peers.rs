//! Peer identities, as nodes show them (`12D3Koo…`) and as the ledger holds them.

use allod_identity_client::hex;
use allod_primitives::governance::PeerId;

use crate::failure::Failure;

/// What the identity of an Ed25519 key begins with: the multihash "identity", 36 bytes, of a key
/// of type 1 whose 32 bytes follow. Nodes have no other.
const ED25519: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// Reads a peer identity: base58 as `allod-node keys show` prints it, or `0x` and its bytes.
pub(crate) fn parse(text: &str) -> Result<PeerId, Failure> {
    let bytes = match text.strip_prefix("0x") {
        Some(_) => hex::decode(text).ok(),
        None => bs58::decode(text).into_vec().ok(),
    };
    let is_ed25519 = |bytes: &Vec<u8>| bytes.len() == 38 && bytes.starts_with(&ED25519);
    let peer = bytes.filter(is_ed25519).and_then(|it| it.try_into().ok());
    peer.ok_or_else(|| {
        Failure::usage(
            format!("{text} is no peer identity of a node"),
            "it looks like 12D3Koo…; `allod-node keys show network.key` prints it",
        )
    })
}

/// Returns a peer identity as nodes show it.
pub(crate) fn shown(peer: &[u8]) -> String {
    bs58::encode(peer).into_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test, a panic is the finding")]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_read_in_both_forms_and_mistyped_in_none() {
        let text = "12D3KooWGVWm79oZukm4wzd3aQfpZWxSEHerD6YhvureYP4EPKj3";
        let peer = parse(text).unwrap();
        assert_eq!(shown(&peer), text);
        assert_eq!(parse(&hex::encode(&*peer)).unwrap(), peer);
        for wrong in ["", "0x", "0x00", "12D3KooW", &text[1..], "l0OI"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
