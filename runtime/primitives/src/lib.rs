//! The verifier kernel: identifiers, wire types, headers, certificates and Merkle proofs.

pub mod merkle;
