//! Types that clients of Substrate look for by name and shape.
//!
//! Their indices and field names are Substrate's; their paths in the metadata are rewritten to
//! Substrate's by [`super::metadata`]. Some exist for the metadata alone: what they describe is
//! encoded elsewhere (extrinsics in `allod_primitives::extrinsic`).

#![allow(
    missing_docs,
    reason = "variants and fields mirror Substrate's, where they are documented"
)]

use parity_scale_codec::{Compact, Decode, Encode};
use scale_info::build::Fields;
use scale_info::{Path, Type, TypeInfo};
use std::marker::PhantomData;

use super::dispatch::DispatchError;

/// When in a block an event happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum Phase {
    /// While the extrinsic of this index was applied.
    ApplyExtrinsic(u32),
    /// After all extrinsics.
    Finalization,
    /// Before all extrinsics.
    Initialization,
}

/// An event as `System.Events` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct EventRecord<E, T> {
    /// When.
    pub phase: Phase,
    /// What.
    pub event: E,
    /// Always empty.
    pub topics: Vec<T>,
}

/// Substrate's measure of work; always zero here, work is bounded by items and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Weight {
    #[codec(compact)]
    pub ref_time: u64,
    #[codec(compact)]
    pub proof_size: u64,
}

/// What kind of extrinsic it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum DispatchClass {
    Normal,
    Operational,
    Mandatory,
}

/// Whether a fee was paid: there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum Pays {
    Yes,
    No,
}

/// What clients read beside the outcome of an extrinsic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct DispatchEventInfo {
    pub weight: Weight,
    pub class: DispatchClass,
    pub pays_fee: Pays,
}

impl DispatchEventInfo {
    /// Returns the info of an extrinsic of this class.
    pub fn of(class: DispatchClass) -> Self {
        Self {
            weight: Weight::default(),
            class,
            pays_fee: Pays::No,
        }
    }
}

/// Runtime versions and the runtime APIs a node answers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct RuntimeVersion {
    pub spec_name: String,
    pub impl_name: String,
    pub authoring_version: u32,
    pub spec_version: u32,
    pub impl_version: u32,
    /// Name hash (blake2b-64) and version of each API.
    pub apis: Vec<([u8; 8], u32)>,
    pub transaction_version: u32,
    pub system_version: u8,
}

/// An account: an Ed25519 public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct AccountId32(pub [u8; 32]);

/// An address; only `Id` is accepted.
#[derive(Clone, Debug, PartialEq, Eq, TypeInfo)]
pub enum MultiAddress<AccountId, AccountIndex> {
    Id(AccountId),
    Index(Compact<AccountIndex>),
    Raw(Vec<u8>),
    Address32([u8; 32]),
    Address20([u8; 20]),
}

/// A signature; only `Ed25519` is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum MultiSignature {
    Ed25519([u8; 64]),
    Sr25519([u8; 64]),
    Ecdsa([u8; 65]),
}

/// Shape of a mortality era: `Immortal`, then `Mortal1(u8)` to `Mortal255(u8)`.
#[derive(Clone, Copy, Debug)]
pub struct EraShape;

impl TypeInfo for EraShape {
    type Identity = Self;

    fn type_info() -> Type {
        let variants = scale_info::build::Variants::new().variant("Immortal", |v| v.index(0));
        let variants = (1..=255u8).fold(variants, |variants, index| {
            let name: &'static str = MORTAL.get(usize::from(index)).copied().unwrap_or_default();
            variants.variant(name, |v| {
                v.index(index)
                    .fields(Fields::unnamed().field(|f| f.ty::<u8>()))
            })
        });
        Type::builder()
            .path(Path::new("Era", "sp_runtime::generic::era"))
            .variant(variants)
    }
}

/// Shape of an extrinsic on the wire, for the metadata.
#[derive(Clone, Copy, Debug)]
pub struct UncheckedExtrinsic<Address, Call, Signature, Extra>(
    PhantomData<(Address, Call, Signature, Extra)>,
);

impl<Address, Call, Signature, Extra> TypeInfo
    for UncheckedExtrinsic<Address, Call, Signature, Extra>
where
    Address: TypeInfo + 'static,
    Call: TypeInfo + 'static,
    Signature: TypeInfo + 'static,
    Extra: TypeInfo + 'static,
{
    type Identity = Self;

    fn type_info() -> Type {
        use scale_info::{TypeParameter, meta_type};
        let parameter = |name, ty| TypeParameter::new(name, Some(ty));
        Type::builder()
            .path(Path::new(
                "UncheckedExtrinsic",
                "sp_runtime::generic::unchecked_extrinsic",
            ))
            .type_params([
                parameter("Address", meta_type::<Address>()),
                parameter("Call", meta_type::<Call>()),
                parameter("Signature", meta_type::<Signature>()),
                parameter("Extra", meta_type::<Extra>()),
            ])
            .composite(Fields::unnamed().field(|f| f.ty::<Vec<u8>>()))
    }
}

/// Explicit data of the five extensions, in order.
pub type Extra = (
    CheckSpecVersion,
    CheckTxVersion,
    CheckGenesis,
    CheckMortality,
    CheckNonce,
);

/// Signs the spec version.
#[derive(Clone, Copy, Debug, Encode, Decode, TypeInfo)]
pub struct CheckSpecVersion;
/// Signs the transaction version.
#[derive(Clone, Copy, Debug, Encode, Decode, TypeInfo)]
pub struct CheckTxVersion;
/// Signs the genesis hash.
#[derive(Clone, Copy, Debug, Encode, Decode, TypeInfo)]
pub struct CheckGenesis;
/// Carries the era, signs the hash of its first block.
#[derive(Clone, Copy, Debug, TypeInfo)]
pub struct CheckMortality(pub EraShape);
/// Carries the nonce.
#[derive(Clone, Copy, Debug, Encode, Decode, TypeInfo)]
pub struct CheckNonce(#[codec(compact)] pub u32);

/// Outcome of an extrinsic, as `BlockBuilder_apply_extrinsic` returns it.
pub type ApplyExtrinsicResult = Result<Result<(), DispatchError>, TransactionValidityError>;

/// Why an extrinsic is refused, as Substrate's clients know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum TransactionValidityError {
    Invalid(InvalidTransaction),
    Unknown(UnknownTransaction),
}

/// Whether a transaction may enter a block.
pub type TransactionValidity = Result<ValidTransaction, TransactionValidityError>;

/// Metadata as bytes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct OpaqueMetadata(pub Vec<u8>);

/// Refused for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum InvalidTransaction {
    Call,
    Payment,
    Future,
    Stale,
    BadProof,
    AncientBirthBlock,
    ExhaustsResources,
    Custom(u8),
    BadMandatory,
    MandatoryValidation,
    BadSigner,
}

/// Could not be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum UnknownTransaction {
    CannotLookup,
    NoUnsignedValidator,
    Custom(u8),
}

/// Where a transaction came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum TransactionSource {
    InBlock,
    Local,
    External,
}

/// What a valid transaction provides and requires.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct ValidTransaction {
    pub priority: u64,
    pub requires: Vec<Vec<u8>>,
    pub provides: Vec<Vec<u8>>,
    pub longevity: u64,
    pub propagate: bool,
}

macro_rules! mortal_names {
    ($($n:literal)*) => { &["Immortal", $(concat!("Mortal", $n)),*] };
}

/// Names of the era's variants by index.
const MORTAL: &[&str] = mortal_names!(
    1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34
    35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64 65
    66 67 68 69 70 71 72 73 74 75 76 77 78 79 80 81 82 83 84 85 86 87 88 89 90 91 92 93 94 95 96
    97 98 99 100 101 102 103 104 105 106 107 108 109 110 111 112 113 114 115 116 117 118 119 120
    121 122 123 124 125 126 127 128 129 130 131 132 133 134 135 136 137 138 139 140 141 142 143
    144 145 146 147 148 149 150 151 152 153 154 155 156 157 158 159 160 161 162 163 164 165 166
    167 168 169 170 171 172 173 174 175 176 177 178 179 180 181 182 183 184 185 186 187 188 189
    190 191 192 193 194 195 196 197 198 199 200 201 202 203 204 205 206 207 208 209 210 211 212
    213 214 215 216 217 218 219 220 221 222 223 224 225 226 227 228 229 230 231 232 233 234 235
    236 237 238 239 240 241 242 243 244 245 246 247 248 249 250 251 252 253 254 255
);
