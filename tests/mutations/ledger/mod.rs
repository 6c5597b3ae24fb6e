//! Extrinsics against a populated ledger: every call, every body, every envelope.

pub(crate) mod bytes;
pub(crate) mod control;
pub(crate) mod defects;
pub(crate) mod draft;
pub(crate) mod envelope;
pub(crate) mod grants;
pub(crate) mod guarded;
pub(crate) mod inceptions;
pub(crate) mod judge;
mod misuse;
pub(crate) mod operations;
pub(crate) mod tokens;
pub(crate) mod world;
