//! The slot that says when which version of the state machine takes over.

use allod_primitives::Height;

use super::storage::UPGRADE;
use super::types::ScheduledUpgrade;
use crate::frame::StateRead;
use crate::system::storage::LAST_RUNTIME_UPGRADE;
use crate::version::SPEC_VERSION;

/// This binary lacks the version that must execute the block: the node halts before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("block {height} needs version {spec_version} of the state machine")]
pub struct UpgradeRequired {
    /// The version needed.
    pub spec_version: u32,
    /// The block that needs it.
    pub height: Height,
}

/// Returns the scheduled version, if any.
pub fn scheduled_upgrade(state: &(impl StateRead + ?Sized)) -> Option<ScheduledUpgrade> {
    UPGRADE.get(state)
}

/// Returns the version of the state machine that wrote `state`, or writes it now.
pub fn present_version(state: &(impl StateRead + ?Sized)) -> u32 {
    LAST_RUNTIME_UPGRADE
        .get(state)
        .map_or(SPEC_VERSION, |last| last.spec_version)
}

/// Returns the version that must execute block `height` on top of `state`.
pub fn required_version(state: &(impl StateRead + ?Sized), height: Height) -> u32 {
    match scheduled_upgrade(state) {
        Some(slot) if height >= slot.height => slot.spec_version,
        _ => present_version(state),
    }
}
