//! Which version of the state machine executes which block.
//!
//! Source: spec/governance.md §6.

use allod_primitives::{Header, Height, TimeMs};

use super::check::{SignedVersions, View, block_env};
use crate::authority::storage::UPGRADE;
use crate::authority::{Event, UpgradeRequired, present_version, required_version};
use crate::frame::wire::RuntimeVersion;
use crate::frame::{Context, StateRead};
use crate::system::LastRuntimeUpgradeInfo;
use crate::system::storage::LAST_RUNTIME_UPGRADE;
use crate::version::{SPEC_NAME, TRANSACTION_VERSION, VERSIONS, Version};

/// Executes blocks by the versions of the state machine that a program knows. The functions
/// beside it in [`crate::executive`] know [`VERSIONS`].
#[derive(Clone, Copy, Debug)]
pub struct Executive {
    versions: &'static [Version],
}

impl Default for Executive {
    fn default() -> Self {
        Self::new(VERSIONS)
    }
}

impl Executive {
    /// Returns an executive that knows `versions`, ascending.
    pub const fn new(versions: &'static [Version]) -> Self {
        Self { versions }
    }

    /// Returns the version of this number, if this program knows it.
    pub fn version(&self, spec_version: u32) -> Option<&'static Version> {
        let mut versions = self.versions.iter();
        versions.find(|version| version.spec_version == spec_version)
    }

    /// Returns the version that must execute block `height` on top of `state`.
    ///
    /// # Errors
    /// [`UpgradeRequired`] names it if this program lacks it.
    pub fn due(
        &self,
        state: &(impl StateRead + ?Sized),
        height: Height,
    ) -> Result<&'static Version, UpgradeRequired> {
        let spec_version = required_version(state, height);
        self.version(spec_version).ok_or(UpgradeRequired {
            spec_version,
            height,
        })
    }

    /// Returns the version that transactions on top of a block are judged by, as Substrate's
    /// clients ask for it. `state`: after the block. `next`: number of the block after it.
    ///
    /// # Errors
    /// [`UpgradeRequired`] if this program lacks it.
    pub fn runtime_version(
        &self,
        state: &(impl StateRead + ?Sized),
        next: Height,
    ) -> Result<RuntimeVersion, UpgradeRequired> {
        self.due(state, next).map(Version::describe)
    }

    /// Returns the metadata of that version in version `format` (14, 15 or 16), without length
    /// prefix; `None` if there is no such format.
    ///
    /// # Errors
    /// As [`Self::runtime_version`].
    pub fn metadata(
        &self,
        state: &(impl StateRead + ?Sized),
        next: Height,
        format: u32,
    ) -> Result<Option<Vec<u8>>, UpgradeRequired> {
        let version = self.due(state, next)?;
        Ok((version.metadata)(&version.describe(), format))
    }

    /// Looks at the block after `parent` as [`View::new`] does.
    pub fn view<'a>(&self, state: &'a dyn StateRead, parent: &Header, time: TimeMs) -> View<'a> {
        let block = block_env(state, parent, time);
        let spec = required_version(state, block.height);
        // A version that is not known executes nothing here, so what it signs does not matter.
        let known = self.version(spec);
        let transaction = known.map_or(TRANSACTION_VERSION, |known| known.transaction_version);
        View::with(state, block, SignedVersions { spec, transaction })
    }

    /// Makes `version` the present one, if it is not: moves the state on by the migration of each
    /// version after the present one up to it.
    pub(super) fn activate(&self, context: &mut Context<'_>, version: &Version) {
        let present = present_version(&context.state);
        let spec_version = version.spec_version;
        if present == spec_version {
            return;
        }
        let last = LastRuntimeUpgradeInfo {
            spec_version,
            spec_name: SPEC_NAME.into(),
        };
        LAST_RUNTIME_UPGRADE.put(&mut context.state, &last);
        UPGRADE.kill(&mut context.state);
        for step in self.versions {
            if step.spec_version > present && step.spec_version <= spec_version {
                (step.migrate)(context);
            }
        }
        context.deposit(Event::UpgradeActivated { spec_version });
    }
}
