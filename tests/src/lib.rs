//! Cross-crate tests: real processes, simulation, faults, conformance.
//!
//! The library is what the tests and the benchmark share: a network of real processes
//! ([`devnet`]), people to register on it ([`people`]), load for its nodes ([`reads`]), and clients that believe
//! nobody ([`verified`]).

pub mod devnet;
pub mod people;
pub mod reads;
pub mod verified;
