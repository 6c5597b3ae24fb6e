//! W3C DID Resolution v1 over HTTP: GET and POST `/1.0/identifiers/<did or did url>`.
//!
//! On the port of the JSON-RPC, in front of it. [`layer`] reads a request and bounds its cost;
//! [`accept`], [`did_url`] and [`options`] say what is asked; [`resolve`] and [`dereference`] answer
//! from one finalized block; [`result`] writes that down in the form wanted.
//!
//! It is *not* a universal resolver: it knows identities of its own network, follows no service
//! endpoint, fetches nothing, and keeps no cache.
//!
//! Source: spec/did-resolution.md; W3C DID Resolution v1.0, Candidate Recommendation of
//! 2026-07-23.

mod accept;
mod dereference;
mod did_url;
mod jwk;
mod layer;
mod options;
mod problem;
mod proof;
mod question;
mod resolve;
mod result;
#[cfg(test)]
mod tests;
mod uri;

pub(crate) use layer::{Resolver, is_mine};
pub(crate) use result::transport;
