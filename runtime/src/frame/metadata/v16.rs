//! Version 16: names versions of extensions and APIs, and what is deprecated (nothing).

use std::collections::BTreeMap;

use frame_metadata::v16::{
    CustomMetadata, EnumDeprecationInfo, ExtrinsicMetadata, FunctionParamMetadata,
    ItemDeprecationInfo, PalletCallMetadata, PalletConstantMetadata, PalletErrorMetadata,
    PalletEventMetadata, PalletMetadata, PalletStorageMetadata, RuntimeApiMetadata,
    RuntimeApiMethodMetadata, RuntimeMetadataV16, StorageEntryMetadata,
    TransactionExtensionMetadata,
};
use parity_scale_codec::Compact;
use scale_info::meta_type;

use super::apis::{Api, apis};
use super::v15::outer_enums;
use super::{Address, EXTRINSIC_VERSION, Outline, entry_type, extensions, modifier, paths};
use crate::frame::registry::{Pallet, StorageEntry};
use crate::frame::wire::MultiSignature;

pub(super) fn metadata(outline: Outline) -> RuntimeMetadataV16 {
    let (apis, enums) = (apis(&outline), outer_enums(&outline));
    let extensions = extensions();
    let indices = (0u32..).zip(&extensions).map(|(index, _)| Compact(index));
    let extrinsic = ExtrinsicMetadata {
        versions: vec![EXTRINSIC_VERSION],
        address_ty: meta_type::<Address>(),
        call_ty: outline.calls,
        signature_ty: meta_type::<MultiSignature>(),
        transaction_extensions_by_version: BTreeMap::from([(0, indices.collect())]),
        transaction_extensions: extensions
            .into_iter()
            .map(|extension| TransactionExtensionMetadata {
                identifier: extension.name,
                ty: extension.explicit,
                implicit: extension.implicit,
            })
            .collect(),
    };
    let mut metadata = RuntimeMetadataV16::new(
        outline.pallets.into_iter().map(pallet).collect(),
        extrinsic,
        apis.into_iter().map(api).collect(),
        enums,
        CustomMetadata {
            map: BTreeMap::new(),
        },
    );
    paths::rewrite(&mut metadata.types);
    metadata
}

fn pallet(pallet: Pallet) -> PalletMetadata {
    let constants = pallet.constants.into_iter();
    PalletMetadata {
        name: pallet.name,
        storage: (!pallet.storage.is_empty()).then(|| PalletStorageMetadata {
            prefix: pallet.name,
            entries: pallet.storage.iter().map(entry).collect(),
        }),
        calls: pallet.calls.map(|ty| PalletCallMetadata {
            ty,
            deprecation_info: EnumDeprecationInfo::nothing_deprecated(),
        }),
        event: pallet.events.map(|ty| PalletEventMetadata {
            ty,
            deprecation_info: EnumDeprecationInfo::nothing_deprecated(),
        }),
        constants: constants
            .map(|constant| PalletConstantMetadata {
                name: constant.name,
                ty: constant.ty,
                value: constant.value,
                docs: vec![constant.docs],
                deprecation_info: ItemDeprecationInfo::NotDeprecated,
            })
            .collect(),
        error: pallet.errors.map(|ty| PalletErrorMetadata {
            ty,
            deprecation_info: EnumDeprecationInfo::nothing_deprecated(),
        }),
        associated_types: Vec::new(),
        view_functions: Vec::new(),
        index: pallet.index,
        docs: vec![pallet.docs],
        deprecation_info: ItemDeprecationInfo::NotDeprecated,
    }
}

fn entry(entry: &StorageEntry) -> StorageEntryMetadata {
    let (modifier, default) = modifier(entry);
    StorageEntryMetadata {
        name: entry.name,
        modifier,
        ty: entry_type(entry),
        default,
        docs: vec![entry.docs],
        deprecation_info: ItemDeprecationInfo::NotDeprecated,
    }
}

fn api(api: Api) -> RuntimeApiMetadata {
    let methods = api.methods.into_iter().map(|method| {
        let inputs = method.inputs.into_iter();
        RuntimeApiMethodMetadata {
            name: method.name,
            inputs: inputs
                .map(|(name, ty)| FunctionParamMetadata { name, ty })
                .collect(),
            output: method.output,
            docs: vec![method.docs],
            deprecation_info: ItemDeprecationInfo::NotDeprecated,
        }
    });
    RuntimeApiMetadata {
        name: api.name,
        methods: methods.collect(),
        docs: vec![api.docs],
        version: Compact(api.version),
        deprecation_info: ItemDeprecationInfo::NotDeprecated,
    }
}
