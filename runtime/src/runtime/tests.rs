//! Runtimes of one pallet, put together by the macros that put the real one together.
//!
//! Goal: a call that is added to its pallet's enum is in the metadata, without an edit elsewhere,
//! and nothing else of the metadata changes.

use frame_metadata::{RuntimeMetadata, RuntimeMetadataPrefixed};
use parity_scale_codec::{Decode as _, Encode as _};
use scale_info::form::PortableForm;
use scale_info::{PortableRegistry, TypeDef};

use crate::executive::METADATA_VERSIONS;
use crate::frame::metadata::{Outline, describe};

/// A runtime of the pallet `Example`, whose enum of calls has the variants `$calls`.
macro_rules! test_runtime {
    ($name:ident { $($calls:tt)* }) => {
        #[expect(unreachable_pub, reason = "the outer enums of the real runtime are public")]
        mod $name {
            use parity_scale_codec::{Decode, Encode};
            use scale_info::{TypeInfo, meta_type};

            use crate::frame::{
                BlockEnv, Context, DispatchResult, Origin, Pallet, PalletCall, SignatureCheck,
                SignatureOracle, StateRead, TransactionError, Validity,
            };

            mod example {
                use super::*;

                /// Calls.
                #[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
                pub(crate) enum Call {
                    $($calls)*
                }

                impl PalletCall for Call {
                    fn validate(
                        &self,
                        _: Origin,
                        _: &dyn StateRead,
                        _: &BlockEnv,
                        _: &dyn SignatureOracle,
                    ) -> Result<Validity, TransactionError> {
                        Ok(Validity::default())
                    }

                    fn consume(&self, _: Origin, _: &mut Context<'_>) {}

                    fn dispatch(&self, _: Origin, _: &mut Context<'_>) -> DispatchResult {
                        Ok(())
                    }

                    fn signature_checks(&self) -> Vec<SignatureCheck> {
                        Vec::new()
                    }

                    fn items(&self) -> u32 {
                        1
                    }

                    fn signature_units(&self) -> u32 {
                        0
                    }
                }

                /// Events.
                #[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
                pub(crate) enum Event {
                    /// Something happened.
                    Happened(u32),
                }

                /// Errors.
                #[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
                pub(crate) enum Error {
                    /// Nothing did.
                    NothingHappened,
                }
            }

            outer_calls! { 7 Example example; }
            outer_events! { 7 Example example; }
            outer_errors! { 7 Example example; }

            pub(super) fn pallets() -> Vec<Pallet> {
                vec![Pallet {
                    index: 7,
                    name: "Example",
                    storage: Vec::new(),
                    calls: Some(meta_type::<example::Call>()),
                    events: Some(meta_type::<example::Event>()),
                    errors: Some(meta_type::<example::Error>()),
                    constants: Vec::new(),
                    docs: "An example.",
                }]
            }
        }
    };
}

test_runtime! { before {
    /// Does one thing.
    #[codec(index = 0)]
    One {
        /// How often.
        times: u32,
    },
}}

test_runtime! { after {
    /// Does one thing.
    #[codec(index = 0)]
    One {
        /// How often.
        times: u32,
    },
    /// Does another.
    #[codec(index = 1)]
    Two {
        /// How often.
        times: u32,
    },
}}

fn metadata_before(format: u32) -> Vec<u8> {
    use before::{RuntimeCall, RuntimeError, RuntimeEvent};
    let outline = Outline::of::<RuntimeCall, RuntimeEvent, RuntimeError>(before::pallets());
    describe(outline, format).expect("a format there is")
}

fn metadata_after(format: u32) -> Vec<u8> {
    use after::{RuntimeCall, RuntimeError, RuntimeEvent};
    let outline = Outline::of::<RuntimeCall, RuntimeEvent, RuntimeError>(after::pallets());
    describe(outline, format).expect("a format there is")
}

/// Changes the types of a metadata.
fn with_types(bytes: &[u8], change: impl FnOnce(&mut PortableRegistry)) -> Vec<u8> {
    let mut metadata = RuntimeMetadataPrefixed::decode(&mut &bytes[..]).expect("it decodes");
    change(match &mut metadata.1 {
        RuntimeMetadata::V14(it) => &mut it.types,
        RuntimeMetadata::V15(it) => &mut it.types,
        RuntimeMetadata::V16(it) => &mut it.types,
        _ => panic!("a version that is not made"),
    });
    metadata.encode()
}

type Variant = scale_info::Variant<PortableForm>;

/// Takes the call `name` out of the pallet's enum.
fn take_call(types: &mut PortableRegistry, name: &str) -> Option<Variant> {
    let found = types.types.iter_mut().find_map(|it| {
        let path = &it.ty.path.segments;
        let is_calls = path.ends_with(&["example".to_owned(), "Call".to_owned()]);
        match &mut it.ty.type_def {
            TypeDef::Variant(list) if is_calls => Some(list),
            _ => None,
        }
    });
    let list = found.expect("the pallet's calls");
    let at = list.variants.iter().position(|it| it.name == name)?;
    Some(list.variants.remove(at))
}

/// Calls the module of the second runtime by the name of the first's.
fn rename(types: &mut PortableRegistry) {
    let segments = types.types.iter_mut();
    let segments = segments.flat_map(|it| &mut it.ty.path.segments);
    for segment in segments.filter(|it| *it == "after") {
        "before".clone_into(segment);
    }
}

#[test]
fn a_call_more_is_in_the_metadata_and_changes_nothing_else() {
    for format in METADATA_VERSIONS {
        let (before, after) = (metadata_before(format), metadata_after(format));
        let mut taken = None;
        let without = with_types(&after, |types| {
            rename(types);
            taken = take_call(types, "Two");
        });
        let call = taken.unwrap_or_else(|| panic!("version {format} lacks the call"));
        assert_eq!(
            (call.index, call.docs.concat()),
            (1, "Does another.".to_owned())
        );
        let fields: Vec<_> = call.fields.iter().map(|it| it.name.clone()).collect();
        assert_eq!(fields, [Some("times".to_owned())]);
        assert_eq!(call.fields[0].docs, ["How often."]);
        assert_eq!(
            with_types(&before, |_| ()),
            before,
            "decoding loses something"
        );
        assert!(
            without == before,
            "version {format} differs by more than the call"
        );
    }
}

/// The call is not only described: the outer enum decodes it by its pallet's index and its own.
#[test]
fn a_call_more_decodes_at_its_index() {
    let bytes = [7, 1, 5, 0, 0, 0];
    assert!(before::RuntimeCall::decode(&mut &bytes[..]).is_err());
    let call = after::RuntimeCall::decode(&mut &bytes[..]).expect("it is a call there");
    assert_eq!(call.encode(), bytes);
}
