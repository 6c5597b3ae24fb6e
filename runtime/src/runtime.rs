//! The pallets put together: outer enums, hooks and the list the metadata is made from.
//!
//! A new call, event or error needs no edit here: the pallet's enum is the registry. A new
//! pallet is one line in each list. Indices stay below 0x20, so that no payload begins like
//! ASCII text.

use parity_scale_codec::{Decode, Encode};
use scale_info::{TypeInfo, meta_type};

use crate::frame::wire::RuntimeVersion;
use crate::frame::{
    BlockEnv, Context, DispatchResult, Origin, Pallet, PalletCall, SignatureCheck, SignatureOracle,
    StateRead, TransactionError, Validity,
};
use crate::{authority, did, grant, revocation, system, timestamp};

macro_rules! outer_calls {
    ($($index:tt $pallet:ident $module:ident;)*) => {
        /// Every call, by pallet.
        #[allow(
            clippy::large_enum_variant,
            reason = "a call is decoded, run and dropped; none is kept in a list"
        )]
        #[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
        pub enum RuntimeCall {
            $(
                #[doc = concat!("Calls of `", stringify!($pallet), "`.")]
                #[codec(index = $index)]
                $pallet($module::Call),
            )*
        }

        impl PalletCall for RuntimeCall {
            fn validate(
                &self,
                origin: Origin,
                state: &dyn StateRead,
                block: &BlockEnv,
                oracle: &dyn SignatureOracle,
            ) -> Result<Validity, TransactionError> {
                match self {
                    $(Self::$pallet(call) => call.validate(origin, state, block, oracle),)*
                }
            }

            fn consume(&self, origin: Origin, context: &mut Context<'_>) {
                match self {
                    $(Self::$pallet(call) => call.consume(origin, context),)*
                }
            }

            fn dispatch(&self, origin: Origin, context: &mut Context<'_>) -> DispatchResult {
                match self {
                    $(Self::$pallet(call) => call.dispatch(origin, context),)*
                }
            }

            fn signature_checks(&self) -> Vec<SignatureCheck> {
                match self {
                    $(Self::$pallet(call) => call.signature_checks(),)*
                }
            }

            fn items(&self) -> u32 {
                match self {
                    $(Self::$pallet(call) => call.items(),)*
                }
            }

            fn signature_units(&self) -> u32 {
                match self {
                    $(Self::$pallet(call) => call.signature_units(),)*
                }
            }
        }
    };
}

macro_rules! outer_events {
    ($($index:tt $pallet:ident $module:ident;)*) => {
        /// Every event, by pallet.
        #[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
        pub enum RuntimeEvent {
            $(
                #[doc = concat!("Events of `", stringify!($pallet), "`.")]
                #[codec(index = $index)]
                $pallet($module::Event),
            )*
        }

        $(impl From<$module::Event> for RuntimeEvent {
            fn from(event: $module::Event) -> Self {
                Self::$pallet(event)
            }
        })*
    };
}

macro_rules! outer_errors {
    ($($index:tt $pallet:ident $module:ident;)*) => {
        /// Every dispatch error of a pallet, by pallet.
        #[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
        pub enum RuntimeError {
            $(
                #[doc = concat!("Errors of `", stringify!($pallet), "`.")]
                #[codec(index = $index)]
                $pallet($module::Error),
            )*
        }
    };
}

outer_calls! {
    1 Timestamp timestamp;
    2 Authority authority;
    3 Did did;
    4 Revocation revocation;
    5 Grant grant;
}

outer_events! {
    0 System system;
    2 Authority authority;
    3 Did did;
    4 Revocation revocation;
    5 Grant grant;
}

outer_errors! {
    2 Authority authority;
    3 Did did;
    4 Revocation revocation;
    5 Grant grant;
}

/// Pallet and item of the maps whose changed keys go into the header's changes root: records, not
/// the indices and counters beside them.
///
/// Source: spec/block.md §4.
pub(crate) const IDENTITY_ITEMS: [(&str, &str); 4] = [
    ("Did", "Records"),
    ("Did", "Retired"),
    ("Revocation", "Tags"),
    ("Grant", "Grants"),
];

/// Returns whether the changes root commits to changes of `key`.
pub fn is_identity_key(key: &[u8]) -> bool {
    let mut prefixes = IDENTITY_ITEMS.iter();
    prefixes.any(|(pallet, item)| key.starts_with(&allod_primitives::keys::item(pallet, item)))
}

/// What every pallet does before the extrinsics of a block, in the order of their indices.
pub(crate) fn on_initialize(context: &mut Context<'_>) {
    authority::on_initialize(context);
    did::on_initialize(context);
    revocation::on_initialize(context);
    grant::on_initialize(context);
}

/// Describes every pallet. `version`: of the state machine, a constant of `System`.
pub fn pallets(version: &RuntimeVersion) -> Vec<Pallet> {
    vec![
        Pallet {
            index: 0,
            name: "System",
            storage: system::storage::storage_metadata(),
            calls: None,
            events: Some(meta_type::<system::Event>()),
            errors: None,
            constants: system::storage::constants(version),
            docs: "Accounts' nonces, block numbers and hashes, events.",
        },
        Pallet {
            index: 1,
            name: "Timestamp",
            storage: timestamp::storage::storage_metadata(),
            calls: Some(meta_type::<timestamp::Call>()),
            events: None,
            errors: None,
            constants: timestamp::storage::constants(),
            docs: "The block's time.",
        },
        Pallet {
            index: authority::PALLET_INDEX,
            name: "Authority",
            storage: authority::storage::storage_metadata(),
            calls: Some(meta_type::<authority::Call>()),
            events: Some(meta_type::<authority::Event>()),
            errors: Some(meta_type::<authority::Error>()),
            constants: Vec::new(),
            docs: "Trustees, validators, registrars, observers.",
        },
        Pallet {
            index: did::PALLET_INDEX,
            name: "Did",
            storage: did::storage::storage_metadata(),
            calls: Some(meta_type::<did::Call>()),
            events: Some(meta_type::<did::Event>()),
            errors: Some(meta_type::<did::Error>()),
            constants: Vec::new(),
            docs: "Identities.",
        },
        Pallet {
            index: revocation::PALLET_INDEX,
            name: "Revocation",
            storage: revocation::storage::storage_metadata(),
            calls: Some(meta_type::<revocation::Call>()),
            events: Some(meta_type::<revocation::Event>()),
            errors: Some(meta_type::<revocation::Error>()),
            constants: Vec::new(),
            docs: "Revoked tokens.",
        },
        Pallet {
            index: grant::PALLET_INDEX,
            name: "Grant",
            storage: grant::storage::storage_metadata(),
            calls: Some(meta_type::<grant::Call>()),
            events: Some(meta_type::<grant::Event>()),
            errors: Some(meta_type::<grant::Error>()),
            constants: Vec::new(),
            docs: "Grants.",
        },
    ]
}

#[cfg(test)]
mod tests;
