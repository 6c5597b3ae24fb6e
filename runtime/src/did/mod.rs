//! Identities: inception, documents, rotation, deactivation, lanes, quotas, retired keys.

pub mod call;
pub mod error;
pub mod event;

pub use call::Call;
pub use error::Error;
pub use event::Event;
