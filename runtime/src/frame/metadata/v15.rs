//! Version 15: adds runtime APIs and the outer enums.

use std::collections::BTreeMap;

use frame_metadata::v14::{
    PalletCallMetadata, PalletConstantMetadata, PalletErrorMetadata, PalletEventMetadata,
    PalletStorageMetadata,
};
use frame_metadata::v15::{
    CustomMetadata, ExtrinsicMetadata, OuterEnums, PalletMetadata, RuntimeApiMetadata,
    RuntimeApiMethodMetadata, RuntimeApiMethodParamMetadata, RuntimeMetadataV15,
    SignedExtensionMetadata,
};
use scale_info::meta_type;

use super::apis::{Api, apis};
use super::{Address, EXTRINSIC_VERSION, Outline, Runtime, extensions, paths, v14};
use crate::frame::registry::Pallet;
use crate::frame::wire::{Extra, MultiSignature};

pub(super) fn metadata(outline: Outline) -> RuntimeMetadataV15 {
    let (apis, enums) = (apis(&outline), outer_enums(&outline));
    let extensions = extensions()
        .into_iter()
        .map(|extension| SignedExtensionMetadata {
            identifier: extension.name,
            ty: extension.explicit,
            additional_signed: extension.implicit,
        });
    let extrinsic = ExtrinsicMetadata {
        version: EXTRINSIC_VERSION,
        address_ty: meta_type::<Address>(),
        call_ty: outline.calls,
        signature_ty: meta_type::<MultiSignature>(),
        extra_ty: meta_type::<Extra>(),
        signed_extensions: extensions.collect(),
    };
    let mut metadata = RuntimeMetadataV15::new(
        outline.pallets.into_iter().map(pallet).collect(),
        extrinsic,
        meta_type::<Runtime>(),
        apis.into_iter().map(api).collect(),
        enums,
        CustomMetadata {
            map: BTreeMap::new(),
        },
    );
    paths::rewrite(&mut metadata.types);
    metadata
}

pub(super) fn outer_enums(outline: &Outline) -> OuterEnums {
    OuterEnums {
        call_enum_ty: outline.calls,
        event_enum_ty: outline.events,
        error_enum_ty: outline.errors,
    }
}

fn pallet(pallet: Pallet) -> PalletMetadata {
    let constants = pallet.constants.into_iter();
    PalletMetadata {
        name: pallet.name,
        storage: (!pallet.storage.is_empty()).then(|| PalletStorageMetadata {
            prefix: pallet.name,
            entries: pallet.storage.iter().map(v14::entry).collect(),
        }),
        calls: pallet.calls.map(|ty| PalletCallMetadata { ty }),
        event: pallet.events.map(|ty| PalletEventMetadata { ty }),
        constants: constants
            .map(|constant| PalletConstantMetadata {
                name: constant.name,
                ty: constant.ty,
                value: constant.value,
                docs: vec![constant.docs],
            })
            .collect(),
        error: pallet.errors.map(|ty| PalletErrorMetadata { ty }),
        index: pallet.index,
        docs: vec![pallet.docs],
    }
}

fn api(api: Api) -> RuntimeApiMetadata {
    let methods = api.methods.into_iter().map(|method| {
        let inputs = method.inputs.into_iter();
        RuntimeApiMethodMetadata {
            name: method.name,
            inputs: inputs
                .map(|(name, ty)| RuntimeApiMethodParamMetadata { name, ty })
                .collect(),
            output: method.output,
            docs: vec![method.docs],
        }
    });
    RuntimeApiMetadata {
        name: api.name,
        methods: methods.collect(),
        docs: vec![api.docs],
    }
}
