//! `allod-devnet`.
fn main() {}
