//! What an operator should know about a node, found without changing anything: while it runs and
//! while it does not. Each finding says what it means and what to do; nothing is ever repaired.

mod data;
mod files;
mod members;
mod world;

use std::path::Path;

use allod_runtime::executive::Executive;
use serde::Serialize;

use crate::config::{Machine, NodeConfig};
use crate::ledger::Genesis;
use crate::spec::ChainSpec;

use members::Members;

pub use data::{Growth, forecast};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// The node works, and somebody should look.
    Warn,
    /// The node does not work, or should not.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, one word.
    pub check: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was found, and what it means.
    pub found: String,
    /// What to do about it; nothing if all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub todo: Option<String>,
}

/// What was found so far.
#[derive(Debug, Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, check: &'static str, found: impl Into<String>) {
        self.add(check, Level::Ok, found, None);
    }

    fn warn(&mut self, check: &'static str, found: impl Into<String>, todo: &str) {
        self.add(check, Level::Warn, found, Some(todo));
    }

    fn fail(&mut self, check: &'static str, found: impl Into<String>, todo: &str) {
        self.add(check, Level::Fail, found, Some(todo));
    }

    fn add(
        &mut self,
        check: &'static str,
        level: Level,
        found: impl Into<String>,
        todo: Option<&str>,
    ) {
        self.0.push(Finding {
            check,
            level,
            found: found.into(),
            todo: todo.map(str::to_owned),
        });
    }
}

/// Looks at everything that `config_file` leads to. `now_ms`: the system's time.
///
/// Cost: opens the database for reading, and a TCP connection to each validator, a second at most
/// each.
pub fn examine(config_file: &Path, executive: Executive, now_ms: u64) -> Vec<Finding> {
    let mut findings = Findings::default();
    let Some(config) = configuration(config_file, &mut findings) else {
        return findings.0;
    };
    files::keys(&config, &mut findings);
    let chain = chain(&config, executive, &mut findings);
    if let Some((spec, genesis)) = &chain {
        files::encrypted(&config, spec, &mut findings);
        let seen = data::database(&config, genesis, now_ms, &mut findings);
        let members = Members::of(spec, seen.as_ref());
        members::role(&config, &members, &mut findings);
        data::guard(&config, spec, genesis, seen.as_ref(), &mut findings);
        world::clock(spec, now_ms, &mut findings);
        world::peers(&config, &members, &mut findings);
    }
    data::disk(&config, &mut findings);
    world::descriptors(&config, &mut findings);
    world::ports(&config, &mut findings);
    findings.0
}

fn configuration(file: &Path, findings: &mut Findings) -> Option<NodeConfig> {
    let inspection = match NodeConfig::inspect(file, &Machine::this()) {
        Ok(inspection) => inspection,
        Err(error) => {
            let todo = "give the file by --config; `allod-node init` makes one";
            findings.fail("config", error.to_string(), todo);
            return None;
        }
    };
    for problem in &inspection.errors {
        let todo = problem.hint.as_deref().unwrap_or("correct the file");
        findings.fail("config", problem.message.clone(), todo);
    }
    for problem in &inspection.warnings {
        let todo = problem.hint.as_deref().unwrap_or("see docs/node.md");
        findings.warn("config", problem.message.clone(), todo);
    }
    if inspection.errors.is_empty() && inspection.warnings.is_empty() {
        findings.ok("config", format!("{} can be used", file.display()));
    }
    inspection.config
}

fn chain(
    config: &NodeConfig,
    executive: Executive,
    findings: &mut Findings,
) -> Option<(ChainSpec, Genesis)> {
    let todo = "get it from another operator, and compare the hash of its genesis";
    let spec = match ChainSpec::read(&config.chain_spec) {
        Ok(spec) => spec,
        Err(error) => {
            findings.fail("chain", error.to_string(), todo);
            return None;
        }
    };
    let genesis = spec.genesis().map_err(|error| error.to_string());
    let genesis = genesis
        .and_then(|config| Genesis::with(executive, &config).map_err(|error| error.to_string()));
    match genesis {
        Ok(genesis) => {
            let (name, hash) = (&spec.name, genesis.hash);
            findings.ok("chain", format!("{name}, genesis {hash}"));
            Some((spec, genesis))
        }
        Err(error) => {
            findings.fail("chain", error, todo);
            None
        }
    }
}

#[cfg(test)]
mod tests;
