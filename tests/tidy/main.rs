//! Tidy: what the compiler does not check about this repository, checked as tests.
//!
//! Failures: arrows between crates, looks at the clock, undeclared source files, words that must not land, dead links,
//! a contract that changed without its spec page. Warnings, written past the test runner's capture:
//! long functions and long files.
//!
//! What is *not* here: formatting and lints (rustfmt, Clippy) and licences (`deny.toml`).

mod clocks;
mod layers;
mod links;
mod reachable;
mod sizes;
mod spec_hashes;
mod tree;
mod words;
