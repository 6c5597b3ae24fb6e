//! `system_*`.

use allod_primitives::PublicKey;
use allod_rpc_api::hex_bytes::hash_from_hex;
use blake2::{Blake2b512, Digest};
use jsonrpsee::server::RegisterMethodError;
use serde_json::{Value, json};

use super::json::Arguments;
use crate::answer::{Answer, invalid_params};
use crate::methods::Module;
use crate::view::{NodeView, PeerInfo};

/// Substrate's address format without a network of its own.
const SS58_FORMAT: u16 = 42;
/// What an address's checksum is prefixed with.
const SS58_CONTEXT: &[u8] = b"SS58PRE";
/// Characters of an address.
const SS58_CHARS_MAX: usize = 64;
/// Peers `system_peers` lists.
const PEERS_MAX: usize = 512;

pub(super) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    module.register_method("system_chain", |_, view, _| view.chain_info().chain)?;
    module.register_method("system_chainType", |_, view, _| {
        view.chain_info().chain_type
    })?;
    module.register_method("system_name", |_, view, _| view.chain_info().node)?;
    module.register_method("system_version", |_, view, _| view.chain_info().version)?;
    module.register_method("system_properties", |_, _, _| properties())?;
    module.register_method("system_health", |_, view, _| health(&**view))?;
    module.register_method("system_syncState", |_, view, _| {
        let sync = view.sync_state();
        json!({
            "startingBlock": sync.starting.0,
            "currentBlock": sync.current.0,
            "highestBlock": sync.highest.0,
        })
    })?;
    module.register_method("system_peers", |_, view, _| {
        let peers = view.peers();
        let listed = peers.iter().take(PEERS_MAX).map(peer);
        listed.collect::<Vec<Value>>()
    })?;
    module.register_method("system_accountNextIndex", |params, view, _| {
        let text: String = Arguments::new(&params).next()?;
        let account = account(&text).ok_or_else(|| invalid_params("not an address"))?;
        Answer::Ok(view.next_nonce(&account))
    })?;
    module.register_alias("account_nextIndex", "system_accountNextIndex")
}

/// Returns what clients need to know to show accounts and amounts.
pub(super) fn properties() -> Value {
    json!({ "ss58Format": SS58_FORMAT, "tokenDecimals": 0, "tokenSymbol": "ID" })
}

fn health(view: &dyn NodeView) -> Value {
    let sync = view.sync_state();
    json!({
        "peers": view.peers().len(),
        "isSyncing": sync.syncing,
        "shouldHavePeers": sync.should_have_peers,
    })
}

fn peer(peer: &PeerInfo) -> Value {
    json!({
        "peerId": peer.peer_id,
        "roles": peer.role,
        "bestHash": peer.best_hash.unwrap_or_default().to_string(),
        "bestNumber": peer.best_height.0,
    })
}

/// Reads an account: an SS58 address of any network, or 32 bytes of hexadecimal.
fn account(text: &str) -> Option<PublicKey> {
    if let Ok(hash) = hash_from_hex(text) {
        return Some(PublicKey(hash.0));
    }
    if text.len() > SS58_CHARS_MAX {
        return None;
    }
    let bytes = bs58::decode(text).into_vec().ok()?;
    let prefix = match bytes.first()? {
        0..=63 => 1,
        64..=127 => 2,
        _ => return None,
    };
    let (body, checksum) = bytes.split_at_checked(prefix + 32)?;
    let digest = Blake2b512::new()
        .chain_update(SS58_CONTEXT)
        .chain_update(body)
        .finalize();
    if checksum != digest.get(..2)? {
        return None;
    }
    Some(PublicKey(body.get(prefix..)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: polkadot.js' keyring, seed 0x08 repeated, ed25519.
    #[test]
    fn an_address_is_read_with_its_checksum() {
        let text = "5CWQCuSamqs6wadWvYdjbcKKBXRqvTvJ7UbNWwMpWPwG19eu";
        let hex = "0x1398f62c6d1a457c51ba6a4b5f3dbd2f69fca93216218dc8997e416bd17d93ca";
        let expected = PublicKey(hash_from_hex(hex).unwrap().0);
        assert_eq!(account(text), Some(expected));
        assert_eq!(account(hex), Some(expected));
        assert_eq!(account(&text.replace("19eu", "19ev")), None);
        assert_eq!(account(""), None);
        assert_eq!(account("5"), None);
        assert_eq!(account(&"5".repeat(100)), None);
    }
}
