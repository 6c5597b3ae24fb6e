//! A seeded message bus in place of libp2p: latency, loss, duplication, partitions.
//!
//! Every message is encoded and decoded as on the wire. Each pair of nodes is connected unless
//! a partition separates them when a message is sent or when it arrives. Gossip goes straight
//! to everybody; requests for synchronisation fail rather than vanish, as streams do.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use arc_malachitebft_app_channel::NetworkMsg;
use arc_malachitebft_app_channel::app::consensus::LivenessMsg;
use arc_malachitebft_app_channel::app::engine::network::{
    Msg, NetworkEvent, NetworkRef, Status, Subscriber,
};
use arc_malachitebft_app_channel::app::streaming::StreamMessage;
use arc_malachitebft_app_channel::app::types::codec::Codec;
use arc_malachitebft_app_channel::app::types::{PeerId, SignedConsensusMsg};
use arc_malachitebft_sync::{
    InboundRequestId, OutboundFailureReason, OutboundRequestId, Request, Response,
    Status as WireStatus,
};
use bytes::Bytes;
use ed25519_dalek::SigningKey;
use ractor::{Actor, ActorProcessingErr, ActorRef, SpawnErr, async_trait};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc;

use crate::codec::Scale;
use crate::config::{keypair, peer_id};
use crate::context::{Ctx, Part};

/// How links behave.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkModel {
    /// Time a message takes; drawn for each message, so messages overtake each other.
    pub latency: RangeInclusive<Duration>,
    /// Probability that a message is lost, 0 to 1.
    pub loss: f64,
    /// Probability that a message arrives twice, 0 to 1.
    pub duplication: f64,
    /// Probability that a message arrives damaged, 0 to 1: cut, lengthened or with bits flipped.
    /// Real links do not do that; dishonest peers do.
    pub corruption: f64,
}

impl Default for LinkModel {
    /// 1 to 5 ms, nothing lost, nothing doubled.
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(1)..=Duration::from_millis(5),
            loss: 0.0,
            duplication: 0.0,
            corruption: 0.0,
        }
    }
}

/// A simulated network; clones share it.
#[derive(Clone, Debug)]
pub struct SimNetwork(Arc<Mutex<Bus>>);

/// A node's place on a simulated network, for one boot.
#[derive(Debug)]
pub struct SimPeer {
    network: SimNetwork,
    id: PeerId,
}

type Listener = Box<dyn Subscriber<NetworkEvent<Ctx>>>;

struct Bus {
    rng: ChaCha8Rng,
    links: LinkModel,
    nodes: BTreeMap<PeerId, Node>,
    /// Which side of the partition a node is on; nodes not named are on side 0.
    sides: BTreeMap<PeerId, usize>,
    next_request: u64,
    sent: u64,
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus")
            .field("nodes", &self.nodes.len())
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Node {
    /// Counts boots; messages to an earlier boot are lost.
    boot: u64,
    /// Listeners of the running boot; empty while the node is down.
    listeners: Vec<Listener>,
    up: bool,
    /// Who waits for the answers this node owes.
    owed: BTreeMap<InboundRequestId, (PeerId, OutboundRequestId)>,
}

/// What travels.
#[derive(Clone)]
enum Cargo {
    Consensus(Bytes),
    Liveness(Bytes),
    Part(Bytes),
    Status(Bytes),
    Request(OutboundRequestId, Bytes),
    Response(OutboundRequestId, Bytes),
    Failure(OutboundRequestId),
}

impl SimNetwork {
    /// Returns a network without nodes whose every draw comes from `seed`.
    pub fn new(seed: u64, links: LinkModel) -> Self {
        Self(Arc::new(Mutex::new(Bus {
            rng: ChaCha8Rng::seed_from_u64(seed),
            links,
            nodes: BTreeMap::new(),
            sides: BTreeMap::new(),
            next_request: 0,
            sent: 0,
        })))
    }

    /// Returns the place of the node with this network key, for one boot.
    pub fn peer(&self, key: &SigningKey) -> SimPeer {
        SimPeer {
            network: self.clone(),
            id: id_of(key),
        }
    }

    /// Changes how links behave from now on.
    pub fn set_links(&self, links: LinkModel) {
        self.lock().links = links;
    }

    /// Separates the nodes with these network keys from all others; replaces earlier partitions.
    pub fn isolate<'a>(&self, keys: impl IntoIterator<Item = &'a SigningKey>) {
        self.partition([keys]);
    }

    /// Splits the network: each group talks only within itself, and all nodes in no group form
    /// one more. Replaces earlier partitions.
    pub fn partition<'a, G>(&self, groups: impl IntoIterator<Item = G>)
    where
        G: IntoIterator<Item = &'a SigningKey>,
    {
        let numbered = (1..).zip(groups);
        self.lock().sides = numbered
            .flat_map(|(side, keys)| keys.into_iter().map(move |key| (id_of(key), side)))
            .collect();
    }

    /// Ends all partitions.
    pub fn heal(&self) {
        self.lock().sides.clear();
    }

    /// Returns how many messages have been sent so far, one per receiver.
    pub fn messages(&self) -> u64 {
        self.lock().sent
    }

    fn lock(&self) -> MutexGuard<'_, Bus> {
        self.0
            .lock()
            .expect("no code panics while it holds this lock")
    }

    /// Sends to all others that are up.
    fn broadcast(&self, from: PeerId, cargo: &Cargo) {
        let others: Vec<PeerId> = self.lock().nodes.keys().copied().collect();
        for to in others.into_iter().filter(|to| *to != from) {
            self.send(from, to, cargo.clone());
        }
    }

    /// Sends to one node: draws the message's fate and lets it arrive in its time.
    fn send(&self, from: PeerId, to: PeerId, cargo: Cargo) {
        let mut bus = self.lock();
        let Some(boot) = bus.nodes.get(&to).map(|node| node.boot) else {
            return;
        };
        bus.sent += 1;
        let (loss, duplication) = (bus.links.loss, bus.links.duplication);
        let lost = bus.rng.gen_bool(loss) || !bus.connected(from, to);
        let copies = if bus.rng.gen_bool(duplication) { 2 } else { 1 };
        if lost {
            // A stream breaks audibly at the asking end; everything else is simply gone.
            let (asker, id) = match cargo {
                Cargo::Request(id, _) => (from, id),
                Cargo::Response(id, _) => (to, id),
                _ => return,
            };
            let boot = bus.nodes.get(&asker).map_or(0, |node| node.boot);
            let answerer = if asker == from { to } else { from };
            let delay = bus.latency();
            drop(bus);
            return self.deliver(delay, answerer, asker, boot, Cargo::Failure(id));
        }
        let once = matches!(
            cargo,
            Cargo::Request(..) | Cargo::Response(..) | Cargo::Failure(_)
        );
        let delays: Vec<Duration> = (0..if once { 1 } else { copies })
            .map(|_| bus.latency())
            .collect();
        let corruption = bus.links.corruption;
        let cargo = if bus.rng.gen_bool(corruption) {
            damage(&mut bus.rng, cargo)
        } else {
            cargo
        };
        drop(bus);
        for delay in delays {
            self.deliver(delay, from, to, boot, cargo.clone());
        }
    }

    fn deliver(&self, delay: Duration, from: PeerId, to: PeerId, boot: u64, cargo: Cargo) {
        let network = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            network.arrive(from, to, boot, cargo);
        });
    }

    fn arrive(&self, from: PeerId, to: PeerId, boot: u64, cargo: Cargo) {
        let mut bus = self.lock();
        let connected = bus.connected(from, to) || matches!(cargo, Cargo::Failure(_));
        let inbound = InboundRequestId::new(bus.next_request);
        let Some(node) = bus.nodes.get_mut(&to) else {
            return;
        };
        if !connected || !node.up || node.boot != boot {
            return;
        }
        if let Cargo::Request(outbound, _) = &cargo {
            node.owed.insert(inbound.clone(), (from, outbound.clone()));
        }
        let Some(event) = unload(from, inbound, cargo) else {
            return;
        };
        node.listeners
            .iter()
            .for_each(|listener| listener.send(event.clone()));
        bus.next_request += 1;
    }

    /// Tells a node's listeners.
    fn tell(&self, node: PeerId, event: &NetworkEvent<Ctx>) {
        if let Some(node) = self.lock().nodes.get(&node) {
            node.listeners
                .iter()
                .for_each(|listener| listener.send(event.clone()));
        }
    }

    /// Takes a node down; a later boot is not affected.
    fn down(&self, id: PeerId, boot: u64) {
        let mut bus = self.lock();
        match bus.nodes.get_mut(&id) {
            Some(node) if node.boot == boot && node.up => {
                node.up = false;
                node.listeners.clear();
                node.owed.clear();
            }
            _ => return,
        }
        for (_, other) in bus.nodes.iter().filter(|(other, _)| **other != id) {
            let event = NetworkEvent::PeerDisconnected(id);
            other
                .listeners
                .iter()
                .for_each(|listener| listener.send(event.clone()));
        }
    }
}

impl Bus {
    fn connected(&self, a: PeerId, b: PeerId) -> bool {
        let side = |id| self.sides.get(&id).copied().unwrap_or(0);
        side(a) == side(b)
    }

    fn latency(&mut self) -> Duration {
        let range = self.links.latency.clone();
        self.rng.gen_range(range)
    }
}

fn id_of(key: &SigningKey) -> PeerId {
    let bytes = keypair(key).public().to_peer_id().to_bytes();
    PeerId::from_bytes(&bytes)
        .unwrap_or_else(|_| unreachable!("libp2p's identifier {} is an identifier", peer_id(key)))
}

/// Damages the bytes of a message.
fn damage(rng: &mut ChaCha8Rng, cargo: Cargo) -> Cargo {
    let mut spoil = |bytes: Bytes| -> Bytes {
        let mut bytes = bytes.to_vec();
        match (rng.gen_range(0..4), bytes.len()) {
            (0, length) => bytes.truncate(rng.gen_range(0..=length)),
            (1, _) => bytes.push(rng.r#gen()),
            (_, 0) => {}
            (_, length) => bytes[rng.gen_range(0..length)] ^= 1 << rng.gen_range(0..8),
        }
        bytes.into()
    };
    match cargo {
        Cargo::Consensus(bytes) => Cargo::Consensus(spoil(bytes)),
        Cargo::Liveness(bytes) => Cargo::Liveness(spoil(bytes)),
        Cargo::Part(bytes) => Cargo::Part(spoil(bytes)),
        Cargo::Status(bytes) => Cargo::Status(spoil(bytes)),
        Cargo::Request(id, bytes) => Cargo::Request(id, spoil(bytes)),
        Cargo::Response(id, bytes) => Cargo::Response(id, spoil(bytes)),
        Cargo::Failure(id) => Cargo::Failure(id),
    }
}

/// Turns a message into the event it is; one that does not decode is dropped, as on the wire.
fn unload(from: PeerId, inbound: InboundRequestId, cargo: Cargo) -> Option<NetworkEvent<Ctx>> {
    Some(match cargo {
        Cargo::Consensus(bytes) => match Codec::<SignedConsensusMsg<Ctx>>::decode(&Scale, bytes) {
            Ok(SignedConsensusMsg::Vote(vote)) => NetworkEvent::Vote(from, vote),
            Ok(SignedConsensusMsg::Proposal(proposal)) => NetworkEvent::Proposal(from, proposal),
            Err(_) => return None,
        },
        Cargo::Liveness(bytes) => match Codec::<LivenessMsg<Ctx>>::decode(&Scale, bytes) {
            Ok(LivenessMsg::Vote(vote)) => NetworkEvent::Vote(from, vote),
            Ok(LivenessMsg::PolkaCertificate(certificate)) => {
                NetworkEvent::PolkaCertificate(from, certificate)
            }
            Ok(LivenessMsg::SkipRoundCertificate(certificate)) => {
                NetworkEvent::RoundCertificate(from, certificate)
            }
            Err(_) => return None,
        },
        Cargo::Part(bytes) => {
            let part = Codec::<StreamMessage<Part>>::decode(&Scale, bytes).ok()?;
            NetworkEvent::ProposalPart(from, Some(from), part)
        }
        Cargo::Status(bytes) => {
            let status = Codec::<WireStatus<Ctx>>::decode(&Scale, bytes).ok()?;
            let status = Status::new(status.tip_height, status.history_min_height);
            NetworkEvent::Status(from, status)
        }
        Cargo::Request(_, bytes) => {
            let request = Codec::<Request<Ctx>>::decode(&Scale, bytes).ok()?;
            NetworkEvent::SyncRequest(inbound, from, request)
        }
        Cargo::Response(id, bytes) => {
            let response = Codec::<Response<Ctx>>::decode(&Scale, bytes).ok();
            NetworkEvent::SyncResponse(id, from, response)
        }
        Cargo::Failure(id) => {
            NetworkEvent::SyncRequestFailed(id, from, OutboundFailureReason::ConnectionClosed)
        }
    })
}

impl SimPeer {
    /// Boots the node's network actor.
    pub(crate) async fn attach(
        self,
    ) -> Result<(NetworkRef<Ctx>, mpsc::Sender<NetworkMsg<Ctx>>), SpawnErr> {
        let boot = {
            let mut bus = self.network.lock();
            let node = bus.nodes.entry(self.id).or_default();
            node.boot += 1;
            node.up = true;
            node.listeners.clear();
            node.owed.clear();
            node.boot
        };
        let place = Place {
            network: self.network,
            id: self.id,
            boot,
        };
        let (actor, _) = Actor::spawn(None, NetworkActor, place).await?;
        let (publish, mut published) = mpsc::channel::<NetworkMsg<Ctx>>(1);
        let forward = actor.clone();
        tokio::spawn(async move {
            while let Some(message) = published.recv().await {
                if forward.cast(message.into()).is_err() {
                    break;
                }
            }
        });
        Ok((actor, publish))
    }
}

struct NetworkActor;

/// A running node's place; dropping it, as a crash does, takes the node down.
struct Place {
    network: SimNetwork,
    id: PeerId,
    boot: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.network.down(self.id, self.boot);
    }
}

impl Place {
    /// Adds a listener and introduces the node and its neighbours to each other.
    fn subscribe(&self, listener: Listener) {
        let listen = "/memory/1".parse().expect("a literal multiaddr");
        listener.send(NetworkEvent::Listening(listen));
        let others: Vec<PeerId> = {
            let mut bus = self.network.lock();
            let up = bus
                .nodes
                .iter()
                .filter(|(id, node)| node.up && **id != self.id);
            let others: Vec<PeerId> = up.map(|(id, _)| *id).collect();
            others
                .iter()
                .for_each(|other| listener.send(NetworkEvent::PeerConnected(*other)));
            if let Some(node) = bus.nodes.get_mut(&self.id) {
                node.listeners.push(listener);
            }
            others
        };
        for other in others {
            self.network
                .tell(other, &NetworkEvent::PeerConnected(self.id));
        }
    }

    fn publish<T>(&self, message: &T, pack: impl FnOnce(Bytes) -> Cargo)
    where
        Scale: Codec<T>,
    {
        // What does not encode (a withheld signature) is not sent.
        if let Ok(bytes) = Scale.encode(message) {
            self.network.broadcast(self.id, &pack(bytes));
        }
    }

    fn ask(&self, to: PeerId, request: &Request<Ctx>) -> OutboundRequestId {
        let id = {
            let mut bus = self.network.lock();
            bus.next_request += 1;
            OutboundRequestId::new(bus.next_request)
        };
        if let Ok(bytes) = Codec::encode(&Scale, request) {
            self.network
                .send(self.id, to, Cargo::Request(id.clone(), bytes));
        }
        id
    }

    fn answer(&self, inbound: &InboundRequestId, response: &Response<Ctx>) {
        let owed = {
            let mut bus = self.network.lock();
            bus.nodes
                .get_mut(&self.id)
                .and_then(|node| node.owed.remove(inbound))
        };
        let Some((to, outbound)) = owed else { return };
        if let Ok(bytes) = Codec::encode(&Scale, response) {
            self.network
                .send(self.id, to, Cargo::Response(outbound, bytes));
        }
    }
}

#[async_trait]
impl Actor for NetworkActor {
    type Msg = Msg<Ctx>;
    type State = Place;
    type Arguments = Place;

    async fn pre_start(
        &self,
        _myself: ActorRef<Msg<Ctx>>,
        place: Place,
    ) -> Result<Place, ActorProcessingErr> {
        Ok(place)
    }

    async fn handle(
        &self,
        _myself: ActorRef<Msg<Ctx>>,
        message: Msg<Ctx>,
        place: &mut Place,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Msg::Subscribe(listener) => place.subscribe(listener),
            Msg::PublishConsensusMsg(message) => place.publish(&message, Cargo::Consensus),
            Msg::PublishLivenessMsg(message) => place.publish(&message, Cargo::Liveness),
            Msg::PublishProposalPart(part) => place.publish(&part, Cargo::Part),
            Msg::BroadcastStatus(status) => {
                let status = WireStatus {
                    peer_id: place.id,
                    tip_height: status.tip_height,
                    history_min_height: status.history_min_height,
                };
                place.publish(&status, Cargo::Status);
            }
            Msg::OutgoingRequest(to, request, reply) => {
                let _ = reply.send(place.ask(to, &request));
            }
            Msg::OutgoingResponse(inbound, response) => place.answer(&inbound, &response),
            Msg::CancelInboundRequest(inbound) => {
                if let Some(node) = place.network.lock().nodes.get_mut(&place.id) {
                    node.owed.remove(&inbound);
                }
            }
            Msg::DumpState(reply) => {
                let _ = reply.send(None);
            }
            Msg::UpdatePersistentPeers(_, reply) => {
                // Everybody is admitted on a simulated network.
                let _ = reply.send(Ok(()));
            }
            Msg::CancelRequest(_)
            | Msg::UpdateValidatorSet(_)
            | Msg::ValidatorProofVerified { .. }
            | Msg::NewEvent(_) => {}
        }
        Ok(())
    }
}
