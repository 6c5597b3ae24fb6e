//! Which version of the state machine this is.

use crate::frame::wire::RuntimeVersion;

/// Name of the state machine.
pub const SPEC_NAME: &str = "allod";
/// Version of the state transition and of the metadata: any change of either raises it.
pub const SPEC_VERSION: u32 = 1;
/// Version of the extrinsic format: signed into every extrinsic.
pub const TRANSACTION_VERSION: u32 = 1;

/// Runtime APIs answered by `state_call`: blake2b-64 of the name, name, version.
pub const APIS: [([u8; 8], &str, u32); 5] = [
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
];

/// Returns the runtime's versions and APIs, as Substrate's clients ask for them.
pub fn runtime_version() -> RuntimeVersion {
    RuntimeVersion {
        spec_name: SPEC_NAME.into(),
        impl_name: SPEC_NAME.into(),
        authoring_version: 1,
        spec_version: SPEC_VERSION,
        impl_version: 1,
        apis: APIS
            .iter()
            .map(|(id, _, version)| (*id, *version))
            .collect(),
        transaction_version: TRANSACTION_VERSION,
        system_version: 1,
    }
}
