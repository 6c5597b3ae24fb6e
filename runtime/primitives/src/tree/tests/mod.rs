mod adversarial;
mod bounds;
mod model;
mod properties;
mod vectors;
