mod adversarial;
mod bounds;
mod model;
mod properties;
#[expect(clippy::disallowed_methods, reason = "reads and writes vector files")]
mod vectors;
