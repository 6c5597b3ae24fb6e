//! Cross-crate tests: real processes, simulation, faults, conformance.
//!
//! The library is what the tests and the benchmark share: a network of real processes
//! ([`devnet`]), people to register on it ([`people`]), and load for its nodes ([`reads`]).

pub mod devnet;
pub mod people;
pub mod reads;
