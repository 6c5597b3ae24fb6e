//! A node as the light client sees it: something that answers, truly or not.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jsonrpsee::core::params::ArrayParams;
use serde_json::Value;

use crate::rpc::{Access, Client, ClientConfig, ClientError, Messages};

/// Something that answers questions. What it says is believed only as far as it is proven.
#[async_trait]
pub trait Node: fmt::Debug + Send + Sync {
    /// Returns what people know it by, such as its URL.
    fn name(&self) -> &str;

    /// Asks one question. `params`: the contract's one object, or a list of parameters, or null.
    ///
    /// # Errors
    /// [`ClientError`].
    async fn request(&self, method: &'static str, params: Value) -> Result<Value, ClientError>;

    /// Subscribes, and returns what comes. `params` as above.
    ///
    /// # Errors
    /// [`ClientError`].
    async fn subscribe(
        &self,
        method: &'static str,
        params: Value,
        unsubscribe: &'static str,
    ) -> Result<Box<dyn Notifications>, ClientError>;
}

/// What a subscription brings.
#[async_trait]
pub trait Notifications: fmt::Debug + Send {
    /// Waits for the next; `None` once the connection has gone.
    ///
    /// # Errors
    /// [`ClientError::Answer`] for what is not JSON.
    async fn next(&mut self) -> Result<Option<Value>, ClientError>;
}

/// A node behind an endpoint.
#[derive(Clone, Debug)]
pub struct RemoteNode {
    url: String,
    client: Client,
}

impl RemoteNode {
    /// Prepares to talk to the node at `url`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::Endpoint`] if that is no URL of a node.
    pub fn new(url: &str, timeout: Duration, access: Access) -> Result<Self, ClientError> {
        let client = Client::new(&ClientConfig {
            endpoints: vec![url.to_owned()],
            timeout,
            access,
        })?;
        let url = url.to_owned();
        Ok(Self { url, client })
    }
}

#[async_trait]
impl Node for RemoteNode {
    fn name(&self) -> &str {
        &self.url
    }

    async fn request(&self, method: &'static str, params: Value) -> Result<Value, ClientError> {
        let params = positional(method, &params)?;
        self.client.call(method, params, Duration::ZERO).await
    }

    async fn subscribe(
        &self,
        method: &'static str,
        params: Value,
        unsubscribe: &'static str,
    ) -> Result<Box<dyn Notifications>, ClientError> {
        let params = positional(method, &params)?;
        let messages = self.client.subscribe(method, params, unsubscribe).await?;
        Ok(Box::new(RemoteNotifications { method, messages }))
    }
}

#[derive(Debug)]
struct RemoteNotifications {
    method: &'static str,
    messages: Messages<Value>,
}

#[async_trait]
impl Notifications for RemoteNotifications {
    async fn next(&mut self) -> Result<Option<Value>, ClientError> {
        let next = self.messages.next().await;
        next.transpose().map_err(|error| ClientError::Answer {
            method: self.method,
            reason: error.to_string(),
        })
    }
}

fn positional(method: &'static str, given: &Value) -> Result<ArrayParams, ClientError> {
    let list = match given {
        Value::Null => &[],
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut params = ArrayParams::new();
    for value in list {
        let inserted = params.insert(value);
        inserted.map_err(|error| ClientError::Answer {
            method,
            reason: error.to_string(),
        })?;
    }
    Ok(params)
}
