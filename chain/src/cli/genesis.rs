//! `allod-node genesis`: what a chain specification comes to.

use std::path::Path;

use allod_primitives::NetworkId;
use allod_runtime::executive::Executive;
use anyhow::Context;

use super::output::Failure;
use crate::ledger::Genesis;
use crate::node::ExitCode;
use crate::spec::ChainSpec;

pub(super) fn run(chain_spec: &Path, executive: Executive) -> Result<ExitCode, Failure> {
    show(chain_spec, executive)?;
    Ok(ExitCode::Stopped)
}

fn show(chain_spec: &Path, executive: Executive) -> anyhow::Result<()> {
    let spec = ChainSpec::read(chain_spec).context("reading the specification")?;
    let genesis = Genesis::with(executive, &spec.genesis()?).context("executing genesis")?;
    println!("genesis    {}", genesis.hash);
    println!("state root {}", genesis.header().state_root);
    println!(
        "network    {}",
        NetworkId::from_genesis(&genesis.chain.genesis)
    );
    Ok(())
}
