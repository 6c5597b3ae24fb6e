//! Who is connected, one change at a time; and whoever turns a deaf ear is called again.
//!
//! A node tells a peer which topics it listens to when their *first* connection opens, and never
//! again. If the peer was restarted while the node still believed in the old connection, as after
//! a power cut, the new connection is its second: the peer is told nothing, and sends nothing to
//! the node for as long as any connection lives. Two such of four validators would halt the chain
//! for good. So a peer that is connected and yet in none of our meshes, although these are small
//! enough to take everybody, is disconnected and called again.

use std::collections::{BTreeMap, BTreeSet};

use arc_malachitebft_app_channel::NetworkRequest;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, warn};

use crate::engine::check_pinned;
use crate::handle::{PeerChange, PeerError};
use crate::limits::{DEAF_LOOKS_MAX, MESH_PEERS_MIN, PEERS_LOOK_INTERVAL};

/// What the network is asked.
#[derive(Debug)]
pub(crate) enum PeerCommand {
    /// Admits or removes a peer.
    Change(PeerChange, String, oneshot::Sender<Result<(), PeerError>>),
    /// Lists who is connected.
    Connected(oneshot::Sender<Vec<String>>),
}

/// Serves `commands` in order, and looks after the connections, until the network is gone.
pub(crate) async fn serve(
    network: mpsc::Sender<NetworkRequest>,
    mut commands: mpsc::Receiver<PeerCommand>,
) {
    let mut looks = interval(PEERS_LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut deaf = Deaf::default();
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(PeerCommand::Change(change, address, reply)) => {
                    // A reply whose receiver is gone is nobody's loss, here and below.
                    let _ = reply.send(change_peer(&network, change, address).await);
                }
                Some(PeerCommand::Connected(reply)) => {
                    if let Some(peers) = connected(&network).await {
                        let _ = reply.send(peers);
                    }
                }
                None => return,
            },
            _ = looks.tick() => look(&network, &mut deaf).await,
        }
    }
}

async fn change_peer(
    network: &mpsc::Sender<NetworkRequest>,
    change: PeerChange,
    address: String,
) -> Result<(), PeerError> {
    let (Ok(()), Ok(parsed)) = (check_pinned(&address), address.parse()) else {
        return Err(PeerError::BadAddress { address });
    };
    let answer = match change {
        PeerChange::Admit => NetworkRequest::add_persistent_peer(network, parsed).await,
        PeerChange::Remove => NetworkRequest::remove_persistent_peer(network, parsed).await,
    };
    match answer {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(PeerError::Refused {
            reason: error.to_string(),
        }),
        Err(_) => Err(PeerError::NotRunning),
    }
}

/// Returns the peers connected now, sorted; nobody on a simulated network.
async fn connected(network: &mpsc::Sender<NetworkRequest>) -> Option<Vec<String>> {
    let dump = NetworkRequest::dump_state(network).await.ok()?;
    let peers = dump.into_iter().flat_map(|dump| dump.peers.into_keys());
    let mut peers: Vec<String> = peers.map(|peer| peer.to_base58()).collect();
    peers.sort_unstable();
    Some(peers)
}

/// Looks at the meshes, and calls the deaf again.
async fn look(network: &mpsc::Sender<NetworkRequest>, deaf: &mut Deaf) {
    let Ok(Some(dump)) = NetworkRequest::dump_state(network).await else {
        return;
    };
    // Explicit peers are in no mesh: they are sent everything.
    let meshed = dump.peers.iter().filter(|(_, peer)| !peer.is_explicit);
    let meshed: BTreeMap<String, BTreeSet<String>> = meshed
        .map(|(id, peer)| (id.to_base58(), peer.topics.iter().cloned().collect()))
        .collect();
    let topics = dump.local_node.subscribed_topics.into_iter().collect();
    for peer in deaf.look(&topics, &meshed) {
        let suffix = format!("/p2p/{peer}");
        let mut addresses = dump.persistent_peer_addrs.iter();
        // Who is not admitted by an address of ours has us among its own, and calls again itself.
        let Some(address) = addresses.find(|it| it.to_string().ends_with(&suffix)) else {
            continue;
        };
        warn!(peer, %address, "connected, but takes nothing from us; connecting again");
        let address = address.to_string();
        for change in [PeerChange::Remove, PeerChange::Admit] {
            if let Err(error) = change_peer(network, change, address.clone()).await {
                debug!(peer, ?change, %error, "cannot connect again");
            }
        }
    }
}

/// Peers that miss in a mesh with room for them, and in how many looks in a row.
#[derive(Debug, Default)]
struct Deaf(BTreeMap<String, u32>);

impl Deaf {
    /// Counts one look. `topics`: what this node listens to; `peers`: the topics in whose mesh
    /// each connected peer is. Returns those that were deaf for long enough; their count starts
    /// anew.
    fn look(
        &mut self,
        topics: &BTreeSet<String>,
        peers: &BTreeMap<String, BTreeSet<String>>,
    ) -> Vec<String> {
        let small = topics.iter().filter(|topic| {
            let members = peers.values().filter(|meshes| meshes.contains(*topic));
            members.count() < MESH_PEERS_MIN
        });
        let small: BTreeSet<&String> = small.collect();
        let misses = |meshes: &BTreeSet<String>| small.iter().any(|it| !meshes.contains(*it));
        let counted = peers.iter().filter(|(_, meshes)| misses(meshes));
        let counted = counted.map(|(peer, _)| {
            let looks = self.0.get(peer).copied().unwrap_or(0).saturating_add(1);
            (peer.clone(), looks)
        });
        let counted: BTreeMap<String, u32> = counted.collect();
        let (call, keep): (BTreeMap<_, _>, BTreeMap<_, _>) = counted
            .into_iter()
            .partition(|(_, looks)| *looks >= DEAF_LOOKS_MAX);
        self.0 = keep;
        call.into_keys().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(items: &[&str]) -> BTreeSet<String> {
        items.iter().map(|it| (*it).to_owned()).collect()
    }

    fn peers(items: &[(&str, &[&str])]) -> BTreeMap<String, BTreeSet<String>> {
        let peer = |(id, topics): &(&str, &[&str])| ((*id).to_owned(), set(topics));
        items.iter().map(peer).collect()
    }

    #[test]
    fn a_peer_in_no_mesh_is_called_after_some_looks_and_again_after_as_many() {
        let mut deaf = Deaf::default();
        let topics = set(&["a", "b"]);
        let now = peers(&[("hears", &["a", "b"]), ("half", &["a"]), ("deaf", &[])]);
        for _ in 0..2 {
            for _ in 1..DEAF_LOOKS_MAX {
                assert!(deaf.look(&topics, &now).is_empty());
            }
            assert_eq!(deaf.look(&topics, &now), ["deaf", "half"]);
        }
    }

    #[test]
    fn who_joins_in_time_is_left_alone() {
        let mut deaf = Deaf::default();
        let topics = set(&["a"]);
        for _ in 0..10 {
            for _ in 1..DEAF_LOOKS_MAX {
                assert!(deaf.look(&topics, &peers(&[("slow", &[])])).is_empty());
            }
            assert!(deaf.look(&topics, &peers(&[("slow", &["a"])])).is_empty());
        }
    }

    #[test]
    fn a_mesh_that_has_its_members_leaves_others_out_rightly() {
        let mut deaf = Deaf::default();
        let topics = set(&["a"]);
        let names: Vec<String> = (0..MESH_PEERS_MIN).map(|n| n.to_string()).collect();
        let mut full: Vec<(&str, &[&str])> = names.iter().map(|n| (&n[..], &["a"][..])).collect();
        full.push(("outside", &[]));
        for _ in 0..10 {
            assert!(deaf.look(&topics, &peers(&full)).is_empty());
        }
        full.remove(0);
        for _ in 1..DEAF_LOOKS_MAX {
            assert!(deaf.look(&topics, &peers(&full)).is_empty());
        }
        assert_eq!(deaf.look(&topics, &peers(&full)), ["outside"]);
    }
}
