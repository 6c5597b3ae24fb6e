//! Where trust begins: at genesis, or at a checkpoint.

use crate::certificate::ValidatorSet;
use crate::did::NetworkId;
use crate::hash::H256;
use crate::header::Header;
use crate::types::{ChainId, ForkId, Height};

use super::{Checkpoint, LightError, Trust};

/// Both take the word of somebody who is no node: a network's name, a checkpoint.
///
/// Source: spec/proofs.md §2 and §3.
impl Trust {
    /// Trusts the genesis block of `network`, whose name is the beginning of its hash. Fork 0.
    ///
    /// # Errors
    /// [`LightError::GenesisMalformed`], [`LightError::WrongGenesis`],
    /// [`LightError::SetMismatch`].
    pub fn from_genesis(
        network: &NetworkId,
        header: &Header,
        validators: &ValidatorSet,
    ) -> Result<Self, LightError> {
        let (height, digest) = (header.number, &header.digest);
        ensure!(height == Height(0), LightError::GenesisMalformed);
        ensure!(digest.set_id == 0, LightError::GenesisMalformed);
        ensure!(digest.set_since == Height(0), LightError::GenesisMalformed);
        ensure!(
            header.parent_hash == H256::ZERO,
            LightError::GenesisMalformed
        );
        let genesis = header.hash();
        let (network, actual) = (*network, NetworkId::from_genesis(&genesis));
        ensure!(actual == network, LightError::WrongGenesis { network });
        let hash = validators.hash();
        ensure!(
            digest.validator_set == hash,
            LightError::SetMismatch { height }
        );
        ensure!(
            digest.next_validator_set == hash,
            LightError::SetMismatch { height }
        );
        let chain = ChainId {
            genesis,
            fork_id: ForkId(0),
        };
        Ok(Self::starting_at(chain, header, validators))
    }

    /// Trusts the block that a checkpoint names.
    ///
    /// `genesis`: hash of the origin's genesis block, of which the checkpoint has the first 20
    /// bytes. `header`, `validators`: the block's, as a node says.
    ///
    /// # Errors
    /// [`LightError::WrongGenesis`], [`LightError::CheckpointMismatch`],
    /// [`LightError::CheckpointHeight`], [`LightError::SetMismatch`].
    pub fn from_checkpoint(
        checkpoint: &Checkpoint,
        genesis: H256,
        header: &Header,
        validators: &ValidatorSet,
    ) -> Result<Self, LightError> {
        let (network, height) = (checkpoint.network, header.number);
        ensure!(
            NetworkId::from_genesis(&genesis) == network,
            LightError::WrongGenesis { network }
        );
        ensure!(
            header.hash() == checkpoint.hash,
            LightError::CheckpointMismatch
        );
        ensure!(
            height == checkpoint.height,
            LightError::CheckpointHeight {
                expected: checkpoint.height,
                actual: height,
            }
        );
        ensure!(
            header.digest.validator_set == validators.hash(),
            LightError::SetMismatch { height }
        );
        let chain = ChainId {
            genesis,
            fork_id: checkpoint.fork_id,
        };
        Ok(Self::starting_at(chain, header, validators))
    }
}
