//! The library itself, asked in the same words as the copy.

pub(crate) use allod_primitives::light;

#[path = "ask.rs"]
#[allow(
    clippy::duplicate_mod,
    reason = "once for the library, once for the copy"
)]
pub(crate) mod ask;
