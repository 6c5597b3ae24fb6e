//! The description of every method, as an OpenRPC document: what `rpc_discover` answers.
//!
//! Schemas come from the types that requests are read by and answers are made of, summaries from
//! their doc comments, errors from the one table. What is written down a second time here (which
//! parameters Substrate's methods take, and the shape of their answers) is held against the
//! server by `rpc/tests/it/openrpc.rs`: a method that is registered and not described, or the
//! other way round, a parameter that the server does not read, or an answer that does not fit its
//! schema fails it.
//!
//! Source: spec/rpc.md §6; the OpenRPC Specification 1.3.2.

mod book;
mod legacy;
mod newer;
mod ours;
mod shapes;

use serde_json::Value;

use book::Book;

/// Examples of every method: requests of the tests to a node of theirs, and its answers.
const EXAMPLES: &str = include_str!("examples.json");

/// Version of the contract: major of what breaks a client, minor of what is added, patch of words.
///
/// Source: spec/rpc.md §6.
pub(crate) const CONTRACT_VERSION: &str = "1.0.0";

/// Returns the document of a node; `is_archive`: one that keeps every state.
pub fn document(is_archive: bool) -> Value {
    let mut book = Book::new(EXAMPLES);
    ours::describe(&mut book);
    legacy::describe(&mut book);
    newer::describe(&mut book, is_archive);
    book.finish(CONTRACT_VERSION)
}
