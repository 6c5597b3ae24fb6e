//! A node as a later release might be: it knows a second version of the state machine. For
//! rehearsing an upgrade with nodes of both kinds.
//!
//! Version 2 does what version 1 does. Its migration gives every registrar one item a day more,
//! and writes down the height and how many registrars there were under an item of its own.

use std::process::ExitCode;

use allod_runtime::authority::storage::REGISTRARS;
use allod_runtime::executive::Executive;
use allod_runtime::frame::{Context, StateRead, Value};
use allod_runtime::version::{VERSIONS, Version};

/// The versions this program knows.
const WITH_NEXT: &[Version] = &[
    VERSIONS[0],
    Version {
        spec_version: 2,
        transaction_version: 1,
        metadata: allod_runtime::frame::metadata::encode,
        migrate,
    },
];

/// Height of the migration, and how many registrars it changed.
const MIGRATED: Value<(u64, u32)> = Value::new("Rehearsal", "Migrated");

fn migrate(context: &mut Context<'_>) {
    let prefix = REGISTRARS.prefix();
    let mut at = prefix.clone();
    let mut count = 0;
    while let Some(key) = context.state.next_key(&at) {
        let Some(account) = key.strip_prefix(prefix.as_slice()) else {
            break;
        };
        // Blake2_128Concat: 16 bytes of hash, then the account.
        let account = account.get(16..).and_then(|it| it.try_into().ok());
        let account = allod_primitives::PublicKey(account.expect("a registrar's key"));
        let registrar = REGISTRARS.get(&context.state, &account);
        let mut registrar = registrar.expect("listed a moment before");
        registrar.items_per_day += 1;
        REGISTRARS.put(&mut context.state, &account, &registrar);
        count += 1;
        at = key;
    }
    let height = context.block.height.0;
    MIGRATED.put(&mut context.state, &(height, count));
}

fn main() -> ExitCode {
    allod_chain::cli::main(Executive::new(WITH_NEXT))
}
