//! End to end with real processes: the whole network through its front door.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod control;
mod crowd;
mod faults;
mod governance;
mod integration;
mod launcher;
mod light;
#[expect(unreachable_pub, reason = "shown in a page, for other programs")]
mod login_service;
mod operator;
mod operator_socket;
mod past;
mod proofs;
mod readme;
mod signer;
mod story;
mod support;
mod time;
mod trustees;
mod upgrade;
mod watch;
