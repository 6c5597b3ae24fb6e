//! What a configuration comes to: every key's value, and where it is from.

use serde::Serialize;

use super::NodeConfig;
use super::check::Checked;
use super::table::KEYS;

/// One key as it is in effect.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effective {
    /// Its name with its tables.
    pub key: &'static str,
    /// Its value; null if it is absent.
    pub value: serde_json::Value,
    /// Line of the file that sets it; absent for a default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
}

impl Effective {
    /// Returns its value as TOML writes it, or `(none)`.
    pub fn text(&self) -> String {
        match &self.value {
            serde_json::Value::Null => "(none)".into(),
            // Texts, numbers, truth and lists of texts look alike in both.
            value => value.to_string(),
        }
    }
}

/// Returns every key of the table as `config` has it.
pub(super) fn effective(config: &NodeConfig, checked: &Checked) -> Vec<Effective> {
    let tree = serde_json::to_value(config).expect("a configuration is plain data");
    let values = KEYS.iter().map(|key| {
        let pointer = format!("/{}", key.name.replace('.', "/"));
        Effective {
            key: key.name,
            value: tree.pointer(&pointer).cloned().unwrap_or_default(),
            line: checked.lines.get(key.name).copied(),
        }
    });
    values.collect()
}
