//! Forms of text, as regular expressions for the JSON schemas of `rpc_discover`.
//!
//! They say what text looks like; whether it is right is for the types that read it to say.

/// An identity of this method.
pub const DID: &str = "^did:allod:[a-z2-7]+:z[1-9A-HJ-NP-Za-km-z]+$";
/// An identity of this method, and a fragment.
pub const DID_URL: &str = "^did:allod:[a-z2-7]+:z[1-9A-HJ-NP-Za-km-z]+#.+$";
/// A key as Multikey.
pub const MULTIBASE: &str = "^z[1-9A-HJ-NP-Za-km-z]+$";
/// A version of an identity: entries of its log, and the log's head.
pub const VERSION_ID: &str = "^[0-9]+-[0-9a-f]{64}$";
/// UTC, whole seconds.
pub const TIME: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$";
/// A compact JWS.
pub const JWS: &str = "^[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$";
