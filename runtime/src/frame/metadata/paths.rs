//! Rewriting of type paths to the ones Substrate's clients look for.

use scale_info::PortableRegistry;

/// Gives every type its path for clients.
pub(super) fn rewrite(registry: &mut PortableRegistry) {
    for portable in &mut registry.types {
        let ty = &mut portable.ty;
        let segments: Vec<&str> = ty.path.segments.iter().map(String::as_str).collect();
        if let Some(path) = substrate_path(&segments) {
            ty.path.segments = path.split("::").map(str::to_owned).collect();
        }
    }
}

/// Returns the path for clients, if it is another.
fn substrate_path(segments: &[&str]) -> Option<String> {
    match segments {
        ["allod_primitives", "hash", "H256"] => Some("primitive_types::H256".into()),
        ["allod_runtime", "runtime", name] => Some(format!("allod_runtime::{name}")),
        ["allod_runtime", "frame", "metadata", name] => Some(format!("allod_runtime::{name}")),
        ["allod_runtime", "frame", "dispatch", name] => Some(format!("sp_runtime::{name}")),
        ["allod_runtime", "frame", "wire", name] => Some(wire_path(name)),
        ["allod_runtime", "system", "types", name] => Some(format!("frame_system::{name}")),
        ["allod_runtime", "system", "event", "Event"] => Some("frame_system::pallet::Event".into()),
        ["allod_runtime", pallet, "call" | "event" | "error", name] => {
            Some(format!("pallet_{pallet}::pallet::{name}"))
        }
        _ => None,
    }
}

fn wire_path(name: &str) -> String {
    let module = match name {
        "AccountId32" => "sp_core::crypto",
        "OpaqueMetadata" => "sp_core",
        "MultiAddress" => "sp_runtime::multiaddress",
        "MultiSignature" => "sp_runtime",
        "Phase" | "EventRecord" | "DispatchEventInfo" => "frame_system",
        "DispatchClass" | "Pays" => "frame_support::dispatch",
        "Weight" => "sp_weights::weight_v2",
        "RuntimeVersion" => "sp_version",
        "CheckSpecVersion" => "frame_system::extensions::check_spec_version",
        "CheckTxVersion" => "frame_system::extensions::check_tx_version",
        "CheckGenesis" => "frame_system::extensions::check_genesis",
        "CheckMortality" => "frame_system::extensions::check_mortality",
        "CheckNonce" => "frame_system::extensions::check_nonce",
        _ => "sp_runtime::transaction_validity",
    };
    format!("{module}::{name}")
}
