//! `allod-node`: a node of the Allod identity ledger.

use std::process::ExitCode;

use allod_runtime::executive::Executive;

fn main() -> ExitCode {
    allod_chain::cli::main(Executive::default())
}
