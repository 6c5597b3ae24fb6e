//! Where trust begins: what is kept, genesis, or a checkpoint.

use std::sync::Arc;
use std::time::Duration;

use allod_primitives::light::time::check_trust_age;
use allod_primitives::light::{CertifiedHeader, Checkpoint, HeaderMark, LightError, Trust};
use allod_primitives::{ForkId, Height, ValidatorSet};

use super::config::{Anchor, LightConfig};
use super::error::{Fault, ReadError};
use super::kept::Kept;
use super::node::Node;
use super::nodes::Nodes;
use super::store::{Store, belongs};
use super::wire;

/// What was kept, and the bytes it was kept as.
type Remembered = (Kept, Vec<u8>);

/// Returns the folder, and what lies there that can still be followed, with its bytes.
pub(super) fn load(config: &LightConfig) -> Result<(Option<Store>, Option<Remembered>), ReadError> {
    let Some(root) = &config.folder else {
        return Ok((None, None));
    };
    let network = config.anchor.network();
    let fork = match &config.anchor {
        Anchor::Checkpoint(checkpoint) => checkpoint.fork_id,
        // A restart of the network is entered by a checkpoint, and remembered.
        Anchor::Network(_) => {
            let chains = Store::chains(root)?.into_iter();
            let forks = chains.filter(|(it, _)| *it == network);
            forks.map(|(_, fork)| fork).max().unwrap_or(ForkId(0))
        }
    };
    let store = Store::new(root, network, fork);
    if let Some(evidence) = store.evidence()? {
        return Err(ReadError::Frozen {
            evidence: Box::new(evidence),
            path: Some(store.evidence_path()),
            unwritten: None,
        });
    }
    let kept = match store.load()? {
        None => None,
        Some(bytes) => {
            let kept = Kept::from_bytes(&bytes);
            let kept = kept.filter(|it| belongs(it.trust.chain(), network, fork));
            Some((kept.ok_or_else(|| store.undecodable())?, bytes))
        }
    };
    // What is too old to be followed gives way to a checkpoint, and to nothing else.
    let kept = kept.filter(|(kept, _)| {
        let expired = check_age(config, &kept.trust.newest()).is_err();
        !(expired && config.anchor.checkpoint().is_some())
    });
    Ok((Some(store), kept))
}

/// Asks the nodes for the anchor's block.
pub(super) async fn begin(config: &LightConfig, nodes: &Nodes) -> Result<Trust, ReadError> {
    let now = config.now.get();
    let mut faults = Vec::new();
    for index in nodes.order(now) {
        match ask(&config.anchor, nodes.get(index).as_ref()).await {
            Ok(trust) => return Ok(trust),
            Err(fault) => faults.push(nodes.put_aside(index, now, Arc::new(fault))),
        }
    }
    Err(ReadError::Unanswered { faults })
}

async fn ask(anchor: &Anchor, node: &dyn Node) -> Result<Trust, Fault> {
    match anchor {
        Anchor::Network(network) => {
            let (header, validators) = wire::genesis(node).await?;
            Ok(Trust::from_genesis(network, &header, &validators)?)
        }
        Anchor::Checkpoint(checkpoint) => {
            let (genesis, certified, validators) = wire::checkpoint(node, checkpoint).await?;
            let header = &certified.header;
            let trust = Trust::from_checkpoint(checkpoint, genesis, header, &validators)?;
            check_genesis(&trust, &certified, &validators)?;
            Ok(trust)
        }
    }
}

/// Checks the whole genesis hash that a node says: a checkpoint has 20 bytes of it, and votes sign
/// all. A genesis block itself has no certificate, and no votes before it.
///
/// Source: spec/proofs.md §2.
fn check_genesis(
    trust: &Trust,
    certified: &CertifiedHeader,
    validators: &ValidatorSet,
) -> Result<(), LightError> {
    let CertifiedHeader {
        header,
        certificate,
    } = certified;
    if header.number == Height(0) {
        return Ok(());
    }
    if certificate.height != header.number || certificate.block_hash != header.hash() {
        return Err(LightError::CheckpointMismatch);
    }
    Ok(certificate.verify(trust.chain(), validators)?)
}

/// Checks that validators may still be followed from `newest`.
pub(super) fn check_age(config: &LightConfig, newest: &HeaderMark) -> Result<(), ReadError> {
    let now = config.now.get();
    check_trust_age(newest, now, config.trusting_period_ms()).map_err(|_| ReadError::TrustExpired {
        newest: newest.time,
        age: Duration::from_millis(now.0.saturating_sub(newest.time.0)),
    })
}

/// Checks that who certified a block of the past may still be believed. That the client follows the
/// chain further says nothing about it: of a set that was replaced, the keys may be sold.
///
/// Source: spec/proofs.md §3, 27.
pub(super) fn check_block_age(config: &LightConfig, block: &HeaderMark) -> Result<(), ReadError> {
    let now = config.now.get();
    check_trust_age(block, now, config.trusting_period_ms()).map_err(|_| ReadError::BlockExpired {
        height: block.height,
        age: Duration::from_millis(now.0.saturating_sub(block.time.0)),
    })
}

impl Anchor {
    /// Returns the checkpoint, if it is one.
    pub(super) const fn checkpoint(&self) -> Option<Checkpoint> {
        match self {
            Self::Checkpoint(checkpoint) => Some(*checkpoint),
            Self::Network(_) => None,
        }
    }
}
