//! A server in front of a node, and the plainest of clients.

use std::net::SocketAddr;
use std::sync::Arc;

use allod_rpc::{RateClock, RpcServer, ServerConfig};
use jsonrpsee::ws_client::{WsClient, WsClientBuilder};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::node::Node;
use crate::openrpc::judge::Judge;
use crate::people::Person;

pub(crate) struct Harness {
    pub(crate) node: Arc<Node>,
    pub(crate) server: RpcServer,
    address: SocketAddr,
}

impl Harness {
    pub(crate) async fn start() -> Self {
        Self::with(ServerConfig::default()).await
    }

    pub(crate) async fn with(config: ServerConfig) -> Self {
        Self::with_clock(config, RateClock::default()).await
    }

    /// One whose addresses rest by `clock`.
    pub(crate) async fn with_clock(config: ServerConfig, clock: RateClock) -> Self {
        let node = Node::new();
        let config = ServerConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            ..config
        };
        let server = RpcServer::start_by(&config, node.clone(), clock);
        let server = server.await.unwrap();
        let address = server.address();
        Self {
            node,
            server,
            address,
        }
    }

    pub(crate) fn person(&self, seed: u8) -> Person {
        Person::new(self.node.genesis(), seed)
    }

    /// Creates an identity and waits until it is final.
    pub(crate) async fn incept(&self, person: &Person) {
        let outcome = self.submit(json!([person.incept_item()])).await;
        assert_eq!(outcome[0]["status"], "finalized", "{outcome}");
    }

    /// Submits items, waits for finality, and returns the outcomes.
    pub(crate) async fn submit(&self, items: Value) -> Value {
        let request = json!({"items": items, "wait": "finalized"});
        self.call("identity_submit", request).await.unwrap()["items"].clone()
    }

    /// Calls a method; the error is the JSON-RPC error object.
    pub(crate) async fn call(&self, method: &str, params: Value) -> Result<Value, Value> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let (status, body) = self.post(&request.to_string()).await;
        assert_eq!(status, 200, "{body}");
        let mut body: Value = serde_json::from_str(&body).unwrap();
        let answer = match body.get_mut("error") {
            Some(error) => Err(error.take()),
            None => Ok(body["result"].take()),
        };
        let fault = Judge::new().fault_of_call(method, &request["params"], &answer);
        assert_eq!(fault, None, "the document of rpc_discover says otherwise");
        answer
    }

    /// Calls a method that must fail, and returns code and slug (or data).
    pub(crate) async fn refused(&self, method: &str, params: Value) -> (i64, String) {
        let error = self.call(method, params).await.unwrap_err();
        let slug = error["data"]["slug"].as_str().or(error["data"].as_str());
        let code = error["code"].as_i64().unwrap();
        (code, slug.unwrap_or_default().to_owned())
    }

    pub(crate) async fn post(&self, body: &str) -> (u16, String) {
        let headers = "content-type: application/json\r\n";
        self.http("POST", "/", headers, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        self.http("GET", path, "", "").await
    }

    /// One request over a connection of its own; returns the status and all that follows.
    pub(crate) async fn http(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> (u16, String) {
        let (head, body) = self.http_whole(method, path, headers, body).await;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body)
    }

    /// As [`Self::http`], with the whole head.
    pub(crate) async fn http_whole(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> (String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        // A server that refuses early closes before it has read everything.
        let _refused_early = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _reset = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let body = match head.to_ascii_lowercase().contains("chunked") {
            true => unchunked(body),
            false => body.to_owned(),
        };
        (head.to_owned(), body)
    }

    pub(crate) async fn websocket(&self) -> WsClient {
        let url = format!("ws://{}", self.address);
        WsClientBuilder::default().build(url).await.unwrap()
    }
}

fn unchunked(mut body: &str) -> String {
    let mut out = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        out.push_str(&rest[..length]);
        body = &rest[(length + 2).min(rest.len())..];
    }
    out
}

/// Asks for an upgrade and returns the head of the answer.
pub(crate) async fn upgrade(address: SocketAddr, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}
