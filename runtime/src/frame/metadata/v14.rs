//! Version 14.

use frame_metadata::v14::{
    ExtrinsicMetadata, PalletCallMetadata, PalletConstantMetadata, PalletErrorMetadata,
    PalletEventMetadata, PalletMetadata, PalletStorageMetadata, RuntimeMetadataV14,
    SignedExtensionMetadata, StorageEntryMetadata,
};
use scale_info::meta_type;

use super::{EXTRINSIC_VERSION, Outline, Runtime, entry_type, extensions, modifier, paths};
use crate::frame::registry::{Pallet, StorageEntry};

pub(super) fn metadata(outline: Outline) -> RuntimeMetadataV14 {
    let extensions = extensions()
        .into_iter()
        .map(|extension| SignedExtensionMetadata {
            identifier: extension.name,
            ty: extension.explicit,
            additional_signed: extension.implicit,
        });
    let extrinsic = ExtrinsicMetadata {
        ty: outline.extrinsic,
        version: EXTRINSIC_VERSION,
        signed_extensions: extensions.collect(),
    };
    let pallets = outline.pallets.into_iter().map(pallet).collect();
    let mut metadata = RuntimeMetadataV14::new(pallets, extrinsic, meta_type::<Runtime>());
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
    }
}

pub(super) fn entry(entry: &StorageEntry) -> StorageEntryMetadata {
    let (modifier, default) = modifier(entry);
    StorageEntryMetadata {
        name: entry.name,
        modifier,
        ty: entry_type(entry),
        default,
        docs: vec![entry.docs],
    }
}
