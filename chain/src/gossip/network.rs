//! Gossip over libp2p: TCP, Noise, Yamux, one request-response protocol, an allow-list.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use allod_primitives::{ChainId, H256};
use ed25519_dalek::SigningKey;
use futures::StreamExt;
use libp2p::request_response::{self, Message, OutboundRequestId};
use libp2p::swarm::SwarmEvent;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId, Swarm};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::message::{Request, Response};
use super::peer::Peer;
use super::swarm::{Behaviour, BehaviourEvent, check_free, swarm};
use super::{AdmittedPeer, Exchange, Gossip};
use crate::limits::{
    GOSSIP_OFFER_AGE, GOSSIP_OFFER_MAX, GOSSIP_PROBE, GOSSIP_SPACING, GOSSIP_TICK,
};
use crate::seams::Entropy;

/// How gossip is set up.
#[derive(Clone)]
pub struct GossipConfig {
    /// The chain; part of the protocol's name, so that networks do not mix.
    pub chain: ChainId,
    /// The node's libp2p identity.
    pub key: SigningKey,
    /// Where to listen, a TCP multiaddr.
    pub listen: Multiaddr,
    /// Whom to talk to.
    pub peers: Vec<AdmittedPeer>,
}

impl fmt::Debug for GossipConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GossipConfig")
            .field("listen", &self.listen)
            .field("peers", &self.peers)
            .finish_non_exhaustive()
    }
}

/// The address to listen on cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot listen for transactions on {address}: {reason}")]
pub struct ListenError {
    /// The address.
    pub address: Multiaddr,
    /// The system's words.
    pub reason: String,
}

enum Command {
    Announce(Vec<Arc<[u8]>>),
    Admit(Vec<AdmittedPeer>),
}

/// Running gossip. Dropping it closes every connection.
#[derive(Debug)]
pub struct NetworkGossip {
    commands: mpsc::UnboundedSender<Command>,
    connected: Arc<Mutex<Vec<PeerId>>>,
    listening: Multiaddr,
    task: JoinHandle<()>,
}

impl Drop for NetworkGossip {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl NetworkGossip {
    /// Listens, and starts the task that does everything else.
    ///
    /// # Errors
    /// [`ListenError`] if the address is in use or not this machine's.
    pub async fn start(
        config: GossipConfig,
        exchange: Arc<dyn Exchange>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, ListenError> {
        let failed = |reason: String| ListenError {
            address: config.listen.clone(),
            reason,
        };
        check_free(&config.listen).map_err(|error| failed(error.to_string()))?;
        let mut swarm = swarm(&config.key, &config.chain).map_err(failed)?;
        let listener = swarm.listen_on(config.listen.clone());
        listener.map_err(|error| failed(error.to_string()))?;
        let listening = loop {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { address, .. } => break address,
                SwarmEvent::ListenerError { error, .. } => return Err(failed(error.to_string())),
                SwarmEvent::ListenerClosed { reason, .. } => {
                    let reason = reason.err().map(|error| error.to_string());
                    return Err(failed(reason.unwrap_or_else(|| "closed".into())));
                }
                _ => {}
            }
        };
        let (commands, receiver) = mpsc::unbounded_channel();
        let connected = Arc::new(Mutex::new(Vec::new()));
        let mut actor = Actor {
            swarm,
            exchange,
            entropy,
            peers: BTreeMap::new(),
            requests: HashMap::new(),
            connected: connected.clone(),
            next_flush: Instant::now(),
        };
        actor.admit(config.peers);
        Ok(Self {
            commands,
            connected,
            listening,
            task: tokio::spawn(actor.run(receiver)),
        })
    }

    /// Returns the address listened on, its port known.
    pub fn listening(&self) -> &Multiaddr {
        &self.listening
    }
}

impl Gossip for NetworkGossip {
    fn announce(&self, transactions: Vec<Arc<[u8]>>) {
        // Fails only when the node stops. The mempool's bounds bound what can be under way.
        let _ = self.commands.send(Command::Announce(transactions));
    }

    fn admit(&self, peers: Vec<AdmittedPeer>) {
        let _ = self.commands.send(Command::Admit(peers));
    }

    fn connected(&self) -> Vec<String> {
        let connected = self.connected.lock();
        let mut list: Vec<String> = connected.iter().map(|peer| peer.to_base58()).collect();
        list.sort();
        list
    }
}

struct Actor {
    swarm: Swarm<Behaviour>,
    exchange: Arc<dyn Exchange>,
    entropy: Arc<dyn Entropy>,
    peers: BTreeMap<PeerId, Peer>,
    requests: HashMap<OutboundRequestId, PeerId>,
    connected: Arc<Mutex<Vec<PeerId>>>,
    next_flush: Instant,
}

impl Actor {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut tick = tokio::time::interval(GOSSIP_TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let queued = self
                .peers
                .values()
                .any(|peer| peer.connections > 0 && peer.has_queued());
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_event(event),
                command = commands.recv() => match command {
                    Some(Command::Announce(transactions)) => self.announce(&transactions),
                    Some(Command::Admit(peers)) => self.admit(peers),
                    None => return,
                },
                () = tokio::time::sleep_until(self.next_flush), if queued => self.flush(),
                _ = tick.tick() => self.on_tick(),
            }
        }
    }

    fn announce(&mut self, transactions: &[Arc<[u8]>]) {
        for peer in self.peers.values_mut().filter(|peer| peer.connections > 0) {
            for transaction in transactions {
                let transaction = transaction.clone();
                match self.exchange.is_rescue(&transaction) {
                    true => peer.enqueue_rescue(transaction),
                    false => peer.enqueue(transaction),
                }
            }
        }
    }

    fn admit(&mut self, admitted: Vec<AdmittedPeer>) {
        let local = *self.swarm.local_peer_id();
        let admitted: BTreeMap<_, _> = admitted
            .into_iter()
            .filter(|peer| peer.peer_id != local)
            .map(|peer| (peer.peer_id, peer.address))
            .collect();
        let allow = &mut self.swarm.behaviour_mut().admitted;
        self.peers.retain(|peer_id, _| {
            let stays = admitted.contains_key(peer_id);
            if !stays {
                allow.disallow_peer(*peer_id);
            }
            stays
        });
        let now = Instant::now();
        for (peer_id, address) in admitted {
            allow.allow_peer(peer_id);
            let peer = self.peers.entry(peer_id);
            peer.or_insert_with(|| Peer::new(None, now)).address = address;
        }
        self.publish_connected();
        self.dial();
    }

    fn dial(&mut self) {
        let now = Instant::now();
        for (peer_id, peer) in &mut self.peers {
            let Some(address) = peer.dial(now) else {
                continue;
            };
            let options = DialOpts::peer_id(*peer_id)
                .addresses(vec![address])
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .build();
            if self.swarm.dial(options).is_err() {
                peer.dial_failed(now, 0);
            }
        }
    }

    /// Sends what is queued, then nothing for [`GOSSIP_SPACING`].
    fn flush(&mut self) {
        let exchange = &mut self.swarm.behaviour_mut().exchange;
        for (peer_id, peer) in &mut self.peers {
            while let Some(request) = peer.next_push() {
                let id = exchange.send_request(peer_id, request);
                self.requests.insert(id, *peer_id);
                peer.in_flight = peer.in_flight.saturating_add(1);
            }
        }
        self.next_flush = Instant::now() + GOSSIP_SPACING;
    }

    fn on_tick(&mut self) {
        self.dial();
        if self.peers.values().all(|peer| peer.connections == 0) {
            return;
        }
        let waiting = self.exchange.waiting(GOSSIP_OFFER_AGE, GOSSIP_OFFER_MAX);
        let now = Instant::now();
        let connected = self.peers.iter().filter(|(_, peer)| peer.connections > 0);
        let silent = |peer: &Peer| now.duration_since(peer.last_heard) >= GOSSIP_PROBE;
        let wanted = connected.filter(|(_, peer)| !waiting.is_empty() || silent(peer));
        let wanted: Vec<PeerId> = wanted.map(|(peer_id, _)| *peer_id).collect();
        for peer_id in wanted {
            self.offer(peer_id, waiting.clone());
        }
    }

    fn offer(&mut self, peer_id: PeerId, hashes: Vec<H256>) {
        let Some(peer) = self.peers.get_mut(&peer_id).filter(|peer| !peer.offered) else {
            return;
        };
        let Ok(hashes) = hashes.try_into() else {
            return;
        };
        peer.offered = true;
        peer.in_flight = peer.in_flight.saturating_add(1);
        let exchange = &mut self.swarm.behaviour_mut().exchange;
        let id = exchange.send_request(&peer_id, Request::Offer(hashes));
        self.requests.insert(id, peer_id);
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        let now = Instant::now();
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Exchange(event)) => self.on_exchange(event),
            SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                let first = self.peers.get_mut(&peer_id).map(|peer| peer.opened(now));
                self.publish_connected();
                if first == Some(true) {
                    tracing::info!(peer = %peer_id, "transaction gossip connected");
                    let waiting = self.exchange.waiting(Duration::ZERO, GOSSIP_OFFER_MAX);
                    if !waiting.is_empty() {
                        self.offer(peer_id, waiting);
                    }
                }
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                num_established,
                cause,
                ..
            } => {
                if let Some(peer) = self.peers.get_mut(&peer_id) {
                    peer.closed(num_established, now);
                    if num_established == 0 {
                        self.requests.retain(|_, of| *of != peer_id);
                        tracing::info!(peer = %peer_id, ?cause, "transaction gossip disconnected");
                    }
                }
                self.publish_connected();
            }
            SwarmEvent::OutgoingConnectionError {
                peer_id: Some(peer_id),
                error,
                ..
            } => {
                let mut jitter = [0];
                self.entropy.fill(&mut jitter);
                if let Some(peer) = self.peers.get_mut(&peer_id) {
                    peer.dial_failed(now, jitter[0]);
                }
                tracing::debug!(peer = %peer_id, %error, "cannot reach a peer for transactions");
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                tracing::debug!(%error, "refused a connection for transactions");
            }
            _ => {}
        }
    }

    fn on_exchange(&mut self, event: request_response::Event<Request, Response>) {
        match event {
            request_response::Event::Message { peer, message, .. } => match message {
                Message::Request {
                    request, channel, ..
                } => {
                    let response = self.answer(peer, request);
                    // Fails when the connection has gone: then nobody waits for it.
                    let exchange = &mut self.swarm.behaviour_mut().exchange;
                    let _ = exchange.send_response(channel, response);
                }
                Message::Response {
                    request_id,
                    response,
                } => self.on_response(peer, request_id, response),
            },
            request_response::Event::OutboundFailure {
                peer,
                request_id,
                error,
                ..
            } => {
                tracing::debug!(%peer, %error, "a gossip message went unanswered");
                self.answered(peer, request_id);
                // Whatever was in it heals by offers, on a connection that works.
                let _ = self.swarm.disconnect_peer_id(peer);
            }
            request_response::Event::InboundFailure { peer, error, .. } => {
                tracing::debug!(%peer, %error, "a gossip message could not be read or answered");
            }
            request_response::Event::ResponseSent { .. } => {}
        }
    }

    fn answer(&mut self, from: PeerId, request: Request) -> Response {
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.last_heard = Instant::now();
        }
        match request {
            Request::Push(batch) => {
                let batch = batch.into_vec().into_iter();
                let batch = batch.map(|bytes| Arc::from(bytes.into_vec()));
                self.exchange.receive(batch.collect());
                Response::Taken
            }
            Request::Offer(hashes) => {
                let lacking = self.exchange.lacking(&hashes);
                Response::Want(lacking.try_into().unwrap_or_default())
            }
        }
    }

    fn on_response(&mut self, from: PeerId, id: OutboundRequestId, response: Response) {
        self.answered(from, id);
        let Some(peer) = self.peers.get_mut(&from) else {
            return;
        };
        peer.last_heard = Instant::now();
        if let Response::Want(hashes) = response {
            peer.offered = false;
            let wanted = hashes.into_vec();
            let wanted = wanted.iter().filter_map(|hash| self.exchange.get(hash));
            for transaction in wanted {
                match self.exchange.is_rescue(&transaction) {
                    true => peer.enqueue_rescue(transaction),
                    false => peer.enqueue(transaction),
                }
            }
        }
    }

    fn answered(&mut self, from: PeerId, id: OutboundRequestId) {
        if self.requests.remove(&id).is_some()
            && let Some(peer) = self.peers.get_mut(&from)
        {
            peer.in_flight = peer.in_flight.saturating_sub(1);
        }
    }

    fn publish_connected(&self) {
        let connected = self.peers.iter().filter(|(_, peer)| peer.connections > 0);
        *self.connected.lock() = connected.map(|(peer_id, _)| *peer_id).collect();
    }
}
