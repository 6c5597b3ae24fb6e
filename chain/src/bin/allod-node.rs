//! `allod-node`.
fn main() {}
