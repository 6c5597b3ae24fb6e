//! Cross-crate tests: real processes, simulation, faults, conformance.
//!
//! The library is what the tests and the benchmark share: a network of real processes
//! ([`devnet`]) and people to register on it ([`people`]).

pub mod devnet;
pub mod people;
