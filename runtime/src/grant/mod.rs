//! Grants, by hiding identifier: anchored, revoked, forgotten after their day.

pub mod call;
pub mod error;
pub mod event;

pub use call::Call;
pub use error::Error;
pub use event::Event;
