//! Catching up: blocks from peers that are ahead, and for peers that lag.

use allod_primitives::Height;
use arc_malachitebft_app_channel::app::engine::host::SyncedValueOutcome;
use arc_malachitebft_app_channel::app::types::ProposedValue;
use arc_malachitebft_app_channel::app::types::core::{Round, Validity};
use arc_malachitebft_app_channel::app::types::sync::RawDecidedValue;
use bytes::Bytes;
use tracing::{error, warn};

use crate::application::{FatalError, InvalidBlock, ValidationContext};
use crate::context::{Address, BlockId, Ctx, Height as EngineHeight};
use crate::driver::actor::Running;
use crate::driver::convert;
use crate::limits::{BLOCK_BYTES_MAX, SYNC_BATCH_MAX, SYNC_RESPONSE_BYTES_MAX};

impl Running {
    /// Judges a block that a peer served with a certificate, which the engine has verified.
    pub(super) fn synced_value(
        &mut self,
        height: EngineHeight,
        round: Round,
        proposer: Address,
        bytes: &Bytes,
    ) -> Result<SyncedValueOutcome<Ctx>, FatalError> {
        let next = self.driver.app.tip().next();
        if next.0 != height.0 {
            return Ok(SyncedValueOutcome::LocalTransientError);
        }
        if bytes.len() > BLOCK_BYTES_MAX {
            return Ok(SyncedValueOutcome::PeerFault);
        }
        let (hash, validity) = match self.driver.app.validate(
            next,
            bytes,
            ValidationContext::Replay,
        ) {
            Ok(hash) => {
                self.driver.app.put_undecided(next, hash, bytes)?;
                self.blocks.built(hash);
                self.synced = next;
                (hash, Validity::Valid)
            }
            Err(InvalidBlock::Refused { hash, reason }) => {
                error!(height = %next, %hash, %reason, "refused a block with a certificate: does this node run an old version?");
                (hash, Validity::Invalid)
            }
            Err(InvalidBlock::Malformed { reason }) => {
                warn!(height = %next, %reason, "a peer served a malformed block");
                return Ok(SyncedValueOutcome::PeerFault);
            }
        };
        let value = BlockId(hash);
        let valid_round = Round::Nil;
        let value = ProposedValue {
            height,
            round,
            valid_round,
            proposer,
            value,
            validity,
        };
        Ok(SyncedValueOutcome::Verdict(value))
    }

    /// Returns committed blocks from `first` on, as many as one response holds.
    pub(super) fn decided_values(&self, first: u64, last: u64) -> Vec<RawDecidedValue<Ctx>> {
        let mut values = Vec::new();
        let mut budget = SYNC_RESPONSE_BYTES_MAX;
        for height in (first..=last.min(self.driver.app.tip().0)).take(SYNC_BATCH_MAX) {
            let Some((bytes, certificate)) = self.driver.app.decided(Height(height)) else {
                break;
            };
            let Some(left) = budget.checked_sub(bytes.len()) else {
                break;
            };
            budget = left;
            let Some(set) = self.driver.app.validator_set(Height(height)) else {
                break;
            };
            let Some(certificate) = convert::extended(&certificate, &set) else {
                break;
            };
            values.push(RawDecidedValue::new(bytes.into(), certificate));
        }
        values
    }
}
