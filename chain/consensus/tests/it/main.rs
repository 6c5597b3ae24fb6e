//! Whole nodes against each other: on a simulated network in virtual time, and over TCP.

#![expect(
    clippy::unwrap_used,
    reason = "a test's failure is a panic; scenarios share functions that are no tests themselves"
)]

mod app;
mod faults;
mod net;
mod pacing;
mod progress;
mod proxy;
mod signer;
mod tcp;
