//! `allod`.
fn main() {}
