//! Cross-crate tests: real processes, simulation, faults, conformance.
