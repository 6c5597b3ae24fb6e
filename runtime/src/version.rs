//! Which versions of the state machine there are.

use std::fmt;

use crate::frame::Context;
use crate::frame::wire::RuntimeVersion;

/// Name of the state machine.
pub const SPEC_NAME: &str = "allod";
/// Newest version of the state transition and of the metadata: any change of either raises it.
pub const SPEC_VERSION: u32 = 1;
/// Newest version of the extrinsic format: signed into every extrinsic.
pub const TRANSACTION_VERSION: u32 = 1;

/// One version of the state machine, as a program knows it.
///
/// What versions do differently asks the state which one runs:
/// [`crate::authority::present_version`].
#[derive(Clone, Copy)]
pub struct Version {
    /// Number of the state transition and of the metadata.
    pub spec_version: u32,
    /// Number of the extrinsic format.
    pub transaction_version: u32,
    /// Makes the metadata in version 14, 15 or 16, without length prefix.
    pub metadata: fn(&RuntimeVersion, u32) -> Option<Vec<u8>>,
    /// Turns the state of the version before into this one's, at the beginning of the block that
    /// activates it. Bounded by what one block can do, and cannot fail.
    pub migrate: fn(&mut Context<'_>),
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Version")
            .field("spec_version", &self.spec_version)
            .field("transaction_version", &self.transaction_version)
            .finish_non_exhaustive()
    }
}

impl Version {
    /// Returns versions and APIs, as Substrate's clients ask for them.
    pub fn describe(&self) -> RuntimeVersion {
        RuntimeVersion {
            spec_name: SPEC_NAME.into(),
            impl_name: SPEC_NAME.into(),
            authoring_version: 1,
            spec_version: self.spec_version,
            impl_version: 1,
            apis: APIS
                .iter()
                .map(|(id, _, version)| (*id, *version))
                .collect(),
            transaction_version: self.transaction_version,
            system_version: 1,
        }
    }
}

/// The versions there are, ascending. A program keeps every version since the oldest snapshot it
/// supports.
pub const VERSIONS: &[Version] = &[Version {
    spec_version: 1,
    transaction_version: 1,
    metadata: crate::frame::metadata::encode,
    migrate: |_| {},
}];

/// Runtime APIs answered by `state_call`: blake2b-64 of the name, name, version.
pub const APIS: [([u8; 8], &str, u32); 8] = [
    ([0xdf, 0x6a, 0xcb, 0x68, 0x99, 0x07, 0x60, 0x9b], "Core", 5),
    (
        [0x37, 0xe3, 0x97, 0xfc, 0x7c, 0x91, 0xf5, 0xe4],
        "Metadata",
        2,
    ),
    (
        [0x40, 0xfe, 0x3a, 0xd4, 0x01, 0xf8, 0x95, 0x9a],
        "BlockBuilder",
        6,
    ),
    (
        [0xd2, 0xbc, 0x98, 0x97, 0xee, 0xd0, 0x8f, 0x15],
        "TaggedTransactionQueue",
        3,
    ),
    (
        [0xbc, 0x9d, 0x89, 0x90, 0x4f, 0x5b, 0x92, 0x3f],
        "AccountNonceApi",
        1,
    ),
    (
        [0xf2, 0x8e, 0x80, 0x80, 0xb6, 0xe2, 0xdf, 0xd0],
        "IdentityApi",
        1,
    ),
    (
        [0x13, 0x4d, 0x00, 0x33, 0xbe, 0x9d, 0x1c, 0x6b],
        "RevocationApi",
        1,
    ),
    (
        [0xc8, 0xf9, 0xf1, 0x86, 0x85, 0xfe, 0x7e, 0xcd],
        "AccessApi",
        1,
    ),
];

/// Returns the newest version and its APIs, as Substrate's clients ask for them.
pub fn runtime_version() -> RuntimeVersion {
    let newest = VERSIONS.last().expect("there is a first version");
    newest.describe()
}
