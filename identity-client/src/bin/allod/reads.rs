//! Reading the ledger: with proofs, unless the node is to be believed.
//!
//! Which network a client follows is never a token's or a node's to say where there is another
//! way: a checkpoint names it, the identity asked about, a local network's file, the home folder.

use std::path::PathBuf;

use allod_identity_client::light::{
    Anchor, Checkpoint, LightClient, LightConfig, Now, ReadError, STALENESS, Store,
    TRUSTING_PERIOD, TRUSTING_PERIOD_MAX,
};
use allod_identity_client::rpc::{Access, ClientError, Resolved};
use allod_primitives::{Did, Height, NetworkId};
use allod_rpc_api::ErrorCode;
use allod_rpc_api::access::AccessEvaluateRequest;
use allod_rpc_api::authority::{ProposalsResponse, RulesResponse};
use allod_rpc_api::identity::{HistoryEntry, HistoryResponse};
use allod_rpc_api::limits::HISTORY_COUNT_DEFAULT;
use allod_rpc_api::login::{VerifyJwsRequest, VerifyLoginRequest};
use allod_rpc_api::verify::{Decision, SignatureVerdict};
use tokio::sync::OnceCell;

use crate::failure::{Exit, Failure};
use crate::session::Session;

/// How answers are read.
#[derive(Debug)]
pub(crate) struct Reads {
    /// Whether a node's word is enough.
    pub trust_node: bool,
    pub checkpoint: Option<Checkpoint>,
    pub staleness: std::time::Duration,
    pub nodes: Vec<String>,
    pub timeout: std::time::Duration,
    pub access: Access,
    light: OnceCell<LightClient>,
}

impl Reads {
    pub(crate) fn new(global: &crate::args::Global, access: Access) -> Self {
        let staleness = global.max_staleness.map(|it| it.duration());
        Self {
            trust_node: global.trust_node,
            checkpoint: global.checkpoint,
            staleness: staleness.unwrap_or(STALENESS),
            nodes: global.node.clone(),
            timeout: global.timeout.duration(),
            access,
            light: OnceCell::new(),
        }
    }
}

impl Session {
    /// Asks for an identity, now or at a recent height.
    pub(crate) async fn resolve(
        &self,
        did: &Did,
        height: Option<u64>,
    ) -> Result<Resolved, Failure> {
        if self.reads.trust_node {
            return Ok(self.client.resolve(did, height).await?);
        }
        let light = self.light(Some(did.network())).await?;
        let found = match height {
            None => Box::pin(light.resolve(did, None)).await?,
            Some(height) => Box::pin(light.resolve_at(did, Height(height))).await?.0,
        };
        Ok(found.answer)
    }

    /// As [`resolve`](Self::resolve), with `None` for an identity that is not there.
    pub(crate) async fn lookup(&self, did: &Did) -> Result<Option<Resolved>, Failure> {
        match self.resolve(did, None).await {
            Err(error) if error.code == Some(ErrorCode::DidNotFound.code()) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Asks for entries of an identity's log. With proofs, the whole log is read.
    pub(crate) async fn history(
        &self,
        did: &Did,
        from: u64,
        count: Option<u32>,
    ) -> Result<HistoryResponse, Failure> {
        if self.reads.trust_node {
            return Ok(self.client.history(did, from, count).await?);
        }
        let light = self.light(Some(did.network())).await?;
        let proven = Box::pin(light.history(did, None)).await?;
        let head = proven.answer.head;
        let skipped = usize::try_from(from).unwrap_or(usize::MAX);
        let wanted = count.unwrap_or(HISTORY_COUNT_DEFAULT) as usize;
        let entries = proven.answer.entries.into_iter().skip(skipped).take(wanted);
        let entries: Vec<HistoryEntry> = entries.collect();
        let next = entries.last().map(|it| it.n.saturating_add(1));
        Ok(HistoryResponse {
            entries,
            next: next.filter(|it| *it < head.count),
            log_count: head.count,
            log_head: head.head.into(),
            height: proven.height.0,
            block_hash: proven.block_hash.into(),
            time: proven.time.0,
        })
    }

    pub(crate) async fn verify_login(
        &self,
        request: &VerifyLoginRequest,
    ) -> Result<Decision, Failure> {
        if self.reads.trust_node {
            return Ok(self.client.verify_login(request).await?);
        }
        let light = self.light(None).await?;
        Ok(Box::pin(light.verify_login(request, None)).await?.answer)
    }

    pub(crate) async fn verify_jws(&self, request: &VerifyJwsRequest) -> Result<Decision, Failure> {
        if self.reads.trust_node {
            return Ok(self.client.verify_jws(request).await?);
        }
        let light = self.light(None).await?;
        Ok(Box::pin(light.verify_jws(request, None)).await?.answer)
    }

    pub(crate) async fn verify_jws_as_of(
        &self,
        request: &VerifyJwsRequest,
    ) -> Result<SignatureVerdict, Failure> {
        if self.reads.trust_node {
            return Ok(self.client.verify_jws_as_of(request).await?);
        }
        let light = self.light(None).await?;
        let asked = Box::pin(light.verify_jws_as_of(request, None));
        Ok(asked.await?.answer)
    }

    /// `owner`: whose the resource is, as the caller knows it.
    pub(crate) async fn access_evaluate(
        &self,
        owner: &Did,
        request: &AccessEvaluateRequest,
    ) -> Result<Decision, Failure> {
        if self.reads.trust_node {
            return Ok(self.client.access_evaluate(request).await?);
        }
        let light = self.light(Some(owner.network())).await?;
        Ok(Box::pin(light.access_evaluate(request, None)).await?.answer)
    }

    /// Says if several nodes are named, and none could be compared with.
    pub(crate) fn tell_comparison(&self) {
        let light = self.reads.light.get();
        let missed = light.and_then(|it| it.status().comparison?.missed);
        if let Some(missed) = missed {
            self.console.note(&format!(
                "not compared with another node: {}: {}; a second history would not be noticed",
                missed.node, missed.fault
            ));
        }
    }

    /// `height`: of a write that the answer must know.
    pub(crate) async fn proposals(
        &self,
        height: Option<u64>,
    ) -> Result<ProposalsResponse, Failure> {
        if self.reads.trust_node {
            return Ok(self.client.proposals().await?);
        }
        let light = self.light(None).await?;
        let asked = Box::pin(light.proposals(height.map(Height)));
        Ok(asked.await?.answer)
    }

    pub(crate) async fn rules(&self) -> Result<RulesResponse, Failure> {
        if self.reads.trust_node {
            return Ok(self.client.rules().await?);
        }
        let light = self.light(None).await?;
        Ok(Box::pin(light.rules(None)).await?.answer)
    }

    /// Returns the client that checks proofs, begun when it is first needed. `network`: that of
    /// the identity asked about.
    pub(crate) async fn light(&self, network: Option<NetworkId>) -> Result<&LightClient, Failure> {
        let open = || async {
            let config = self.light_config(network).await?;
            let opened = Box::pin(LightClient::open(config));
            let what = "checking who certifies blocks";
            Ok::<_, Failure>(self.console.during(what, opened).await?)
        };
        let light = Box::pin(self.reads.light.get_or_try_init(open)).await?;
        match network {
            Some(wanted) if wanted != light.network() => {
                let here = light.network();
                Err(ReadError::WrongNetwork { wanted, here }.into())
            }
            _ => Ok(light),
        }
    }

    pub(crate) async fn light_config(
        &self,
        network: Option<NetworkId>,
    ) -> Result<LightConfig, Failure> {
        let anchor = match self.reads.checkpoint {
            Some(checkpoint) => Anchor::Checkpoint(checkpoint),
            None => Anchor::Network(match network {
                Some(network) => network,
                None => self.own_network().await?,
            }),
        };
        Ok(LightConfig {
            timeout: self.reads.timeout,
            access: self.reads.access.clone(),
            folder: Some(self.light_folder()),
            staleness: self.reads.staleness,
            // Validators' keys of a local network are no secret at any time.
            trusting_period: match self.clock.genesis() {
                Some(_) => TRUSTING_PERIOD_MAX,
                None => TRUSTING_PERIOD,
            },
            now: Now::from(self.clock),
            ..LightConfig::new(self.reads.nodes.clone(), anchor)
        })
    }

    /// Returns where is kept what was verified.
    pub(crate) fn light_folder(&self) -> PathBuf {
        self.home.root().join("light")
    }

    /// Returns the network of somebody who asks about no identity of their own choice.
    async fn own_network(&self) -> Result<NetworkId, Failure> {
        if let Some(genesis) = self.clock.genesis() {
            return Ok(NetworkId::from_genesis(&genesis));
        }
        let mut networks = Vec::new();
        for alias in self.home.aliases()? {
            networks.extend(self.home.identity(&alias).map(|it| it.did().network()));
        }
        networks.sort();
        networks.dedup();
        if networks.is_empty() {
            let kept = Store::chains(&self.light_folder()).map_err(ReadError::from)?;
            networks.extend(kept.into_iter().map(|(network, _)| network));
            networks.dedup();
        }
        match networks.as_slice() {
            [one] => Ok(*one),
            [] => self.first_nodes_network().await,
            _ => Err(Failure::usage(
                "there are identities or traces of several networks here: which one?",
                "give --checkpoint, which names it, or another --home",
            )),
        }
    }

    /// Takes a node's word for which network this is: once, and says so.
    async fn first_nodes_network(&self) -> Result<NetworkId, Failure> {
        let context = self.client.context();
        let context = self.console.during("waiting for the node", context).await?;
        let network: NetworkId = context.network.parse().map_err(|_| ClientError::Answer {
            method: allod_rpc_api::method::IDENTITY_CONTEXT,
            reason: "network".into(),
        })?;
        self.console.note(&format!(
            "the node says that the network is {network}; from now on that is taken for granted"
        ));
        Ok(network)
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        let exit = match &error {
            ReadError::Config(_) => Exit::Usage,
            error if error.is_unavailable() => Exit::Unavailable,
            _ => Exit::Negative,
        };
        let code = match &error {
            ReadError::Refused(refused) => Some(refused.code.code()),
            ReadError::WrongNetwork { .. } => Some(ErrorCode::DidWrongNetwork.code()),
            _ => None,
        };
        Self {
            code,
            ..Self::new(exit, &error.slug(), error.to_string(), error.hint())
        }
    }
}
