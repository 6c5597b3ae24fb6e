mod batches;
mod histories;
mod model;
mod proofs;
#[expect(clippy::disallowed_methods, reason = "reads vector files")]
mod vectors;
