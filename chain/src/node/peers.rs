//! Whom the node talks to: what the state says, told to consensus and to gossip.

use std::collections::BTreeSet;
use std::sync::Arc;

use allod_consensus::PeerAdmission;
use allod_runtime::authority::Peer;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::watch;

use crate::gossip::{AdmittedPeer, Gossip, next_port};
use crate::keyfile;

/// Returns where the consensus of `peer` is dialled: its address with its identity. `None` if the
/// state has no address for it that can be dialled.
pub fn consensus_address(peer: &Peer) -> Option<String> {
    let (peer_id, address) = place(peer)?;
    Some(address.with(Protocol::P2p(peer_id)).to_string())
}

/// Returns the peers that transactions are shared with: all but `own`, each at the port after
/// its consensus port. One without a usable address is admitted but not dialled.
pub fn gossip_peers(peers: &[Peer], own: &PeerId) -> Vec<AdmittedPeer> {
    let admitted = peers.iter().filter_map(|peer| {
        let peer_id = keyfile::peer_id(&peer.peer_id)?;
        let address = place(peer).and_then(|(_, address)| next_port(&address));
        Some(AdmittedPeer { peer_id, address })
    });
    admitted.filter(|peer| peer.peer_id != *own).collect()
}

/// Returns identity and address, without the identity in it.
fn place(peer: &Peer) -> Option<(PeerId, Multiaddr)> {
    let peer_id = keyfile::peer_id(&peer.peer_id)?;
    let mut address: Multiaddr = peer.address.as_str().parse().ok()?;
    if let Some(Protocol::P2p(_)) = address.iter().last() {
        address.pop();
    }
    (!address.is_empty()).then_some((peer_id, address))
}

/// Returns the addresses that consensus talks to: all but that of `own`.
pub(super) fn consensus_addresses(peers: &[Peer], own: &PeerId) -> BTreeSet<String> {
    let others = peers
        .iter()
        .filter(|peer| keyfile::peer_id(&peer.peer_id).as_ref() != Some(own));
    others.filter_map(consensus_address).collect()
}

/// Follows the state's list of peers until the node stops.
pub(super) async fn follow(
    mut peers: watch::Receiver<Vec<Peer>>,
    mut admitted: BTreeSet<String>,
    own: PeerId,
    consensus: PeerAdmission,
    gossip: Arc<dyn Gossip>,
) {
    while peers.changed().await.is_ok() {
        let list = peers.borrow_and_update().clone();
        gossip.admit(gossip_peers(&list, &own));
        let wanted = consensus_addresses(&list, &own);
        for address in admitted.difference(&wanted) {
            let removed = consensus.remove(address).await;
            tracing::info!(%address, ?removed, "a peer is no longer admitted");
        }
        for address in wanted.difference(&admitted) {
            let added = consensus.admit(address).await;
            tracing::info!(%address, ?added, "a peer is admitted");
        }
        admitted = wanted;
    }
}
