//! Earlier versions of an identity, from a node, checked against the present one.

use allod_primitives::log::{LogEntry, LogHead};
use allod_primitives::{Did, TimeMs};
use allod_rpc_api::identity::ResolveResponse;
use allod_rpc_api::method;
use allod_rpc_api::versions::{self, VerifiedVersion, VersionAsked, VersionError};

use super::fetch::entry;
use crate::rpc::{Client, ClientError};

/// An earlier version, as a node answered and as its log proves it.
#[derive(Clone, Debug)]
pub struct Version {
    /// The node's whole answer.
    pub answer: ResolveResponse,
    /// What of it follows from the head of the log.
    pub verified: VerifiedVersion,
}

/// Checks that the present log of `did` commits to the earlier version that a node answered with
/// ([`Client::resolve_version`]), and asks for the entries that did not fit into the answer.
///
/// `head`: the log's, as the record has it in the block that the answer names. It is as good as
/// where it is from: the client that believes no node has it proven.
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
    head: LogHead,
) -> Result<Version, ClientError> {
    let wrong = |error: VersionError| ClientError::Answer {
        method: method::IDENTITY_RESOLVE,
        reason: error.to_string(),
    };
    let chain = answer.version.clone();
    let chain = chain.ok_or_else(|| wrong(VersionError::Form))?;
    let mut further: Vec<LogEntry> = Vec::new();
    let mut next = chain.next.unwrap_or(head.count);
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
    let now = TimeMs(answer.time);
    let verified = versions::verify(&answer.record.0, &chain, &further, &head, now, asked);
    Ok(Version {
        verified: verified.map_err(wrong)?,
        answer,
    })
}
