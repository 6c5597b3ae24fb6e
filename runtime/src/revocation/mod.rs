//! Revoked tokens, by tag, until they would have expired anyway.

pub mod call;
pub mod error;
pub mod event;

pub use call::Call;
pub use error::Error;
pub use event::Event;
