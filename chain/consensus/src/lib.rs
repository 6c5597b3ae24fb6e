//! Byzantine agreement on blocks; the only crate that names Malachite.
