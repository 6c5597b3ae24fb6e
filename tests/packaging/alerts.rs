//! Dashboard, alerts and runbook speak of metrics that exist, and of each other.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::exposition::{Exposition, is_ours};
use crate::metrics::live_metrics;
use crate::tools::{judged, read};

const ALERTS: &str = "packaging/prometheus/alerts.yml";
const DASHBOARD: &str = "packaging/grafana/allod.json";
const RUNBOOK: &str = "docs/runbook.md";

/// Returns the metrics of ours that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = words.filter(|word| is_ours(word));
    ours.map(str::to_owned).collect()
}

/// Returns every expression of the dashboard.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str() {
                    Some(text) if key == "expr" || key == "query" => found.push(text.to_owned()),
                    _ => expressions(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

/// Returns what follows `key` in the lines of a text of YAML.
fn fields<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let lines = text.lines().map(str::trim_start);
    lines
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
        .collect()
}

/// The anchor that a heading has.
fn anchor(heading: &str) -> String {
    heading.to_lowercase().replace(' ', "-")
}

/// Goal: no panel stays empty and no alert silent because a metric has another name. Method: every
/// name in them is a sample of a live node.
#[tokio::test]
async fn every_metric_of_dashboard_and_alerts_exists() {
    let live = Exposition::parse(live_metrics().await).samples();
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let mut asked = Vec::new();
    expressions(&dashboard, &mut asked);
    assert!(asked.len() > 30, "{asked:?}");
    // Comments of the rules name files, not metrics.
    let rules = read(ALERTS);
    let rules = rules
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    asked.extend(rules.map(str::to_owned));
    let mut missing = named(&asked.join("\n"));
    missing.retain(|name| !live.contains(name));
    assert!(missing.is_empty(), "no live node has {missing:?}");
}

#[test]
fn every_alert_has_an_entry_of_the_runbook_and_every_entry_an_alert() {
    let (rules, runbook) = (read(ALERTS), read(RUNBOOK));
    let alerts = fields(&rules, "- alert");
    assert!(alerts.len() >= 15);
    let entries = runbook.split("\n## ").skip(1);
    let entries: Vec<(&str, &str)> = entries.filter_map(|it| it.split_once('\n')).collect();
    let titles = entries.iter().map(|(title, _)| *title);
    let titles: Vec<&str> = titles.filter(|title| title.starts_with("Allod")).collect();
    assert_eq!(titles, alerts, "in the same order");
    let links = alerts
        .iter()
        .map(|alert| format!("{RUNBOOK}#{}", anchor(alert)));
    let found: Vec<String> = fields(&rules, "runbook_url")
        .into_iter()
        .map(str::to_owned)
        .collect();
    assert_eq!(found, links.collect::<Vec<_>>());
    for (title, body) in entries
        .iter()
        .filter(|(title, _)| title.starts_with("Allod"))
    {
        for part in ["*Means*: ", "*Tell*: ", "*Do*: "] {
            assert!(body.contains(part), "{title} does not say {part}");
        }
    }
    for field in ["severity", "summary", "expr"] {
        let count = rules.matches(&format!("{field}: ")).count();
        assert!(
            count >= alerts.len(),
            "{field}: {count} of {}",
            alerts.len()
        );
    }
}

#[test]
fn links_within_the_runbook_lead_somewhere() {
    let runbook = read(RUNBOOK);
    let headings = runbook.lines().filter_map(|line| line.strip_prefix("## "));
    let anchors: BTreeSet<String> = headings.map(anchor).collect();
    for link in runbook.split("](#").skip(1) {
        let link = link.split(')').next().unwrap();
        assert!(anchors.contains(link), "#{link}");
    }
}

/// Goal: rules that parse, fire on what they are for and on nothing else. Method:
/// `packaging/prometheus/tests.yml`, by `promtool` where there is one; it names every alert.
#[test]
fn the_rules_fire_when_they_should() {
    let tests = read("packaging/prometheus/tests.yml");
    for alert in fields(&read(ALERTS), "- alert") {
        assert!(
            tests.contains(&format!("alertname: {alert} ")),
            "{alert} is never silent"
        );
        assert!(
            tests.contains(&format!("alertname=\"{alert}\"")),
            "{alert} never fires"
        );
    }
    for (command, file) in [("check", "alerts.yml"), ("test", "tests.yml")] {
        let path = format!("packaging/prometheus/{file}");
        if let Some((content, said)) = judged("promtool", &[command, "rules", &path], "") {
            assert!(content, "{said}");
        }
    }
}
