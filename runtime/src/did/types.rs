//! What the pallet stores beyond the types of `allod-primitives`.

use allod_primitives::document::Fragment;
use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

/// Version byte of [`RetiredKey`].
pub const RETIRED_KEY_VERSION: u8 = 1;

/// Where a method key that was once in force is to be found.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct RetiredKey {
    /// [`RETIRED_KEY_VERSION`].
    pub version: u8,
    /// The fragment under which `Did.Retired` lists it.
    pub fragment: Fragment,
}
