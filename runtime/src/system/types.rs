//! The pallet's stored types; their shapes are Substrate's.

use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

/// What is known of an account. Never deleted, so that no nonce comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct AccountInfo {
    /// Nonce of the account's next extrinsic.
    pub nonce: u32,
    /// Substrate's; always 0.
    pub consumers: u32,
    /// Substrate's; always 0.
    pub providers: u32,
    /// Substrate's; always 0.
    pub sufficients: u32,
    /// Nothing.
    pub data: (),
}

/// Which version of the state machine wrote the state last.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct LastRuntimeUpgradeInfo {
    /// Its spec version.
    #[codec(compact)]
    pub spec_version: u32,
    /// Its name.
    pub spec_name: String,
}
