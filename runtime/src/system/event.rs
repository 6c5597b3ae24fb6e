//! The pallet's events; their shapes are Substrate's.

use parity_scale_codec::{Decode, Encode};
use scale_info::TypeInfo;

use crate::frame::DispatchError;
use crate::frame::wire::DispatchEventInfo;

/// Events of the `System` pallet: always the last event of their extrinsic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum Event {
    /// An extrinsic did what it says.
    #[codec(index = 0)]
    ExtrinsicSuccess {
        /// Class; no weight, no fee.
        dispatch_info: DispatchEventInfo,
    },
    /// An extrinsic was dispatched and failed; its changes are rolled back, what it paid is not.
    #[codec(index = 1)]
    ExtrinsicFailed {
        /// Why.
        dispatch_error: DispatchError,
        /// Class; no weight, no fee.
        dispatch_info: DispatchEventInfo,
    },
}
