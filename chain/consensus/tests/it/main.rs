//! Whole nodes against each other: on a simulated network in virtual time, and over TCP.

mod app;
mod faults;
mod net;
mod pacing;
mod progress;
mod tcp;
