//! The pallet's errors.

use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

/// Errors of the `Did` pallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum Error {
    /// No such identity.
    #[codec(index = 0)]
    NotFound,
}
