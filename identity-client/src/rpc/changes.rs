//! What happens to identities, as it happens.

use allod_primitives::Did;
use allod_rpc_api::changes::{ChangeNotification, SubscribeChangesRequest, WatchedDid};
use allod_rpc_api::method;
use jsonrpsee::core::params::ArrayParams;

use super::{Client, ClientError, Messages};

/// The entries of some identities' logs, those asked for and missed first, then as they come.
#[derive(Debug)]
pub struct Changes {
    messages: Messages<ChangeNotification>,
    positions: Vec<WatchedDid>,
}

impl Client {
    /// `identity_subscribeChanges`: watches 1 to 64 identities. Each with the first entry to send,
    /// or `None` for what happens from now on.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn changes(&self, dids: &[(Did, Option<u64>)]) -> Result<Changes, ClientError> {
        let watched = dids.iter().map(|(did, from)| WatchedDid {
            did: did.to_string(),
            from: *from,
        });
        self.resume_changes(watched.collect()).await
    }

    /// As [`changes`](Self::changes), from the [positions](Changes::positions) of a stream that
    /// ended, at any node.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn resume_changes(&self, positions: Vec<WatchedDid>) -> Result<Changes, ClientError> {
        let method = method::IDENTITY_SUBSCRIBE_CHANGES;
        let dids = positions.clone();
        let mut params = ArrayParams::new();
        let inserted = params.insert(SubscribeChangesRequest { dids });
        inserted.map_err(|error| ClientError::Answer {
            method,
            reason: error.to_string(),
        })?;
        let unsubscribe = method::IDENTITY_UNSUBSCRIBE_CHANGES;
        let messages = self.subscribe(method, params, unsubscribe).await?;
        Ok(Changes {
            messages,
            positions,
        })
    }
}

impl Changes {
    /// Waits for the next entry; `None` once the connection has gone, or if the node sends more at
    /// once than is read: then [resume](Client::resume_changes).
    ///
    /// # Errors
    /// [`ClientError::Answer`] if the node sends something else.
    pub async fn next(&mut self) -> Result<Option<ChangeNotification>, ClientError> {
        let Some(next) = self.messages.next().await else {
            return Ok(None);
        };
        let next = next.map_err(|error| ClientError::Answer {
            method: method::IDENTITY_SUBSCRIBE_CHANGES,
            reason: error.to_string(),
        })?;
        let known = self.positions.iter_mut().find(|it| it.did == next.did);
        if let Some(position) = known {
            position.from = Some(next.entry.n.saturating_add(1));
        }
        Ok(Some(next))
    }

    /// Returns where to go on after what [`next`](Self::next) has returned so far.
    pub fn positions(&self) -> &[WatchedDid] {
        &self.positions
    }
}
