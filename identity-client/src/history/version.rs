//! Earlier versions of an identity, from a node, checked against the present one.

use allod_primitives::log::LogEntry;
use allod_primitives::{Did, TimeMs};
use allod_rpc_api::identity::ResolveResponse;
use allod_rpc_api::method;
use allod_rpc_api::versions::{self, VerifiedVersion, VersionAsked, VersionError};

use super::fetch::entry;
use crate::rpc::{Client, ClientError, Resolved};

/// An earlier version, as the present log proves it.
#[derive(Clone, Debug)]
pub struct Version {
    /// The answer worked out from what is proven: of what the node's own said beside that, nothing.
    pub answer: ResolveResponse,
    /// What follows from the head of the log.
    pub verified: VerifiedVersion,
}

/// Checks that the present log of `did` commits to the earlier version that a node answered with
/// ([`Client::resolve_version`]), and asks for the entries that did not fit into the answer.
///
/// `present`: the identity now, asked for after `answer` had come. It is as good as where it is from:
/// the client that believes no node has it proven. Head and time that count are its.
///
/// # Errors
/// [`ClientError`]; [`ClientError::Answer`] if what the node says does not follow from the head.
///
/// Source: spec/history.md §5.
pub async fn version(
    client: &Client,
    did: &Did,
    asked: &VersionAsked,
    answer: ResolveResponse,
    present: &Resolved,
) -> Result<Version, ClientError> {
    let wrong = |error: VersionError| ClientError::Answer {
        method: method::IDENTITY_RESOLVE,
        reason: error.to_string(),
    };
    let chain = answer.version.clone();
    let chain = chain.ok_or_else(|| wrong(VersionError::Form))?;
    let head = present.stored_log();
    let mut further: Vec<LogEntry> = Vec::new();
    // The log may have grown since the answer: what is missing to the present head comes here too.
    let mut next = chain.n.saturating_add(chain.entries.len() as u64);
    while next < head.count {
        let page = client.history(did, next, None).await?;
        let entries = page.entries.iter().filter(|it| it.n < head.count);
        let before = further.len();
        for it in entries {
            further.push(entry(it)?);
        }
        if further.len() == before {
            break;
        }
        next = next.saturating_add((further.len() - before) as u64);
    }
    let now = TimeMs(present.answer.time);
    let verified = versions::verify(&answer.record.0, &chain, &further, &head, now, asked);
    let verified = verified.map_err(wrong)?;
    let at = (present.answer.height, present.answer.block_hash.0, now);
    Ok(Version {
        answer: verified.answer(did, at),
        verified,
    })
}
