//! The SDK of the identity ledger: keys, operations, tokens, grants and queries.
//!
//! Whoever acts for an identity needs four things, one module each: [`keys`] keeps secrets in
//! files, [`operation`] builds and signs what the ledger accepts, [`jwt`] signs what other
//! services accept, [`grants`] hands out access without telling the ledger to whom. [`light`] reads
//! the ledger without believing the nodes that answer; [`rpc`] talks to nodes and believes them.
//! [`clock`] tells the time.
//!
//! It sees the chain through the RPC contract and the verifier kernel only: what it can do, any
//! stranger can. It fails closed: no answer and an unreachable node are never an "allow".
//!
//! ```
//! use allod_identity_client::keys::SecretKey;
//! use allod_identity_client::operation::{self, Terms};
//! use allod_primitives::operation::Payer;
//! use allod_primitives::{ChainId, ForkId, H256, TimeMs};
//!
//! let chain = ChainId { genesis: H256([7; 32]), fork_id: ForkId(0) };
//! let terms = Terms { chain, payer: Payer::Any, valid_until: TimeMs(60_000) };
//! let (control, login) = (SecretKey::from_seed([1; 32]), SecretKey::from_seed([2; 32]));
//! let inception = operation::inception(&control.public(), &login.public(), [3; 16])?;
//! let unsigned = operation::incept(&terms, inception);
//! let signed = operation::sign_operation(unsigned, &[&control])?;
//! assert!(signed.is_well_formed());
//! # Ok::<(), operation::BuildError>(())
//! ```

pub mod anchors;
pub mod clock;
pub mod control;
pub mod governance;
pub mod grants;
pub mod guardians;
pub mod hex;
pub mod history;
pub mod jwt;
pub mod keys;
pub mod letter;
pub mod light;
pub mod operation;
pub mod passkey;
pub mod rpc;
pub mod sheet;
#[cfg(test)]
mod testing;
