//! The JSON-RPC contract: methods, their types, the table of error codes, the access check.
//!
//! Clients and the server share these types, so neither can drift. Requests refuse unknown
//! fields; byte strings are lower-case hexadecimal with `0x`; times are milliseconds since 1970
//! (`...S` where a JWT counts in seconds); every size has a maximum in [`limits`].
//!
//! [`verify`] is the one function that answers "may this login, token or access pass?". The
//! node, the SDK and everything in front of an application call the same code over their own
//! [`verify::LedgerView`].
//!
//! [`answers`] works the other answers out in the same way.
//!
//! It is *not* a server (`allod-rpc`) and opens no connection.
//!
//! Source: spec/rpc.md, spec/login.md.

pub mod access;
pub mod answers;
pub mod authority;
pub mod changes;
pub mod context;
pub mod control;
pub mod document;
pub mod error;
pub mod grant;
pub mod hex_bytes;
pub mod identity;
pub mod light;
pub mod limits;
pub mod login;
pub mod method;
pub mod pattern;
pub mod read;
pub mod revocation;
pub mod submit;
pub mod verify;
pub mod versions;

pub use error::{ErrorCode, Failure, RpcError};
pub use hex_bytes::{HexBytes, HexHash};
