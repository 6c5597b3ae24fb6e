//! An OpenMetrics text taken apart, and what the conventions of Prometheus say against it.

use std::collections::{BTreeMap, BTreeSet};

/// One metric with all its samples.
#[derive(Debug, Default)]
pub(crate) struct Metric {
    pub(crate) kind: String,
    pub(crate) help: String,
    pub(crate) unit: String,
    /// Names of its samples, with suffixes such as `_total`.
    pub(crate) samples: BTreeSet<String>,
    /// Names with labels, to find what was said twice.
    series: Vec<String>,
}

/// A text taken apart.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    pub(crate) metrics: BTreeMap<String, Metric>,
    pub(crate) complaints: Vec<String>,
}

const SUFFIXES: [&str; 6] = ["_total", "_bucket", "_sum", "_count", "_created", "_info"];

impl Exposition {
    pub(crate) fn parse(text: &str) -> Self {
        let mut it = Self::default();
        let mut family = String::new();
        let Some(text) = text.strip_suffix("# EOF\n") else {
            it.complaints
                .push("the text does not end with `# EOF`".to_owned());
            return it;
        };
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                let mut parts = comment.splitn(3, ' ');
                let (what, name, rest) = (parts.next(), parts.next(), parts.next());
                family = name.unwrap_or_default().to_owned();
                it.describe(what.unwrap_or_default(), &family, rest.unwrap_or_default());
            } else {
                it.sample(&family, line);
            }
        }
        it.complain();
        it
    }

    fn describe(&mut self, what: &str, family: &str, rest: &str) {
        let metric = self.metrics.entry(family.to_owned()).or_default();
        let field = match what {
            "HELP" => &mut metric.help,
            "TYPE" => &mut metric.kind,
            "UNIT" => &mut metric.unit,
            _ => {
                return self
                    .complaints
                    .push(format!("{family}: a comment `{what}`"));
            }
        };
        if !field.is_empty() {
            self.complaints.push(format!("{family}: a second {what}"));
        }
        rest.clone_into(field);
    }

    fn sample(&mut self, family: &str, line: &str) {
        let Some((series, value)) = line.rsplit_once(' ') else {
            return self.complaints.push(format!("not a sample: {line}"));
        };
        if value.parse::<f64>().is_err() {
            self.complaints.push(format!("not a number: {line}"));
        }
        let name = series.split('{').next().unwrap_or_default();
        let suffix = name.strip_prefix(family);
        if suffix.is_none_or(|suffix| !suffix.is_empty() && !SUFFIXES.contains(&suffix)) {
            self.complaints
                .push(format!("{name} stands below {family}"));
        }
        let metric = self.metrics.entry(family.to_owned()).or_default();
        metric.samples.insert(name.to_owned());
        metric.series.push(series.to_owned());
    }

    fn complain(&mut self) {
        for (name, metric) in &self.metrics {
            let mut says = |what: &str| self.complaints.push(format!("{name}: {what}"));
            let unique: BTreeSet<&String> = metric.series.iter().collect();
            if unique.len() < metric.series.len() {
                says("a series twice");
            }
            if !["counter", "gauge", "histogram", "info"].contains(&metric.kind.as_str()) {
                says("no type");
            }
            if is_ours(name) {
                conventions(name, metric).into_iter().for_each(&mut says);
            }
        }
    }

    /// Returns the names of every sample.
    pub(crate) fn samples(&self) -> BTreeSet<String> {
        let all = self.metrics.values().flat_map(|metric| &metric.samples);
        all.cloned().collect()
    }
}

/// Whether the metric is the node's own: the engine's names are not ours to choose.
pub(crate) fn is_ours(name: &str) -> bool {
    name.starts_with("allod_") || name.starts_with("process_")
}

/// Returns what <https://prometheus.io/docs/practices/naming/> says against a metric.
fn conventions(name: &str, metric: &Metric) -> Vec<&'static str> {
    let mut against = Vec::new();
    let last = name.rsplit('_').next().unwrap_or_default();
    let other_units = [
        "milliseconds",
        "ms",
        "micros",
        "minutes",
        "hours",
        "days",
        "kib",
        "mib",
        "kb",
        "mb",
        "percent",
        "millis",
        "us",
        "ns",
        "bits",
    ];
    if name.split('_').any(|word| other_units.contains(&word)) {
        against.push("units are seconds, bytes and ratios");
    }
    let has_unit = ["seconds", "bytes"].contains(&last);
    if has_unit == metric.unit.is_empty() || (has_unit && metric.unit != last) {
        against.push("the unit is the last word of the name, and is told");
    }
    if last == "total" || last == "count" || last == "sum" {
        against.push("the suffix is the samples', not the metric's");
    }
    let totals = metric
        .samples
        .iter()
        .all(|sample| sample.ends_with("_total"));
    if (metric.kind == "counter") != totals && !metric.samples.is_empty() {
        against.push("counters, and nothing else, end with _total");
    }
    if metric.help.len() < 10 {
        against.push("no help");
    }
    if name
        .chars()
        .any(|c| !matches!(c, 'a'..='z' | '0'..='9' | '_'))
    {
        against.push("names are lower case");
    }
    against
}

/// Rewrites the text as Prometheus' older format, which `promtool check metrics` reads: there,
/// counters are called like their samples, and there are no units. `keep`: which metrics.
pub(crate) fn as_prometheus(text: &str, keep: impl Fn(&str) -> bool) -> String {
    let exposition = Exposition::parse(text);
    let mut lines = Vec::new();
    let mut family = String::new();
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        if words.next() != Some("#") {
            if keep(&family) {
                lines.push(line.to_owned());
            }
            continue;
        }
        let (what, name) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let rest = words.next().unwrap_or_default();
        name.clone_into(&mut family);
        let kind = exposition
            .metrics
            .get(name)
            .map(|metric| metric.kind.as_str());
        let suffix = if kind == Some("counter") {
            "_total"
        } else {
            ""
        };
        if ["HELP", "TYPE"].contains(&what) && keep(name) {
            lines.push(format!("# {what} {name}{suffix} {rest}"));
        }
    }
    lines.join("\n") + "\n"
}

#[test]
fn what_breaks_a_convention_is_found() {
    let complaints = |text: &str| Exposition::parse(text).complaints;
    let good = "# HELP allod_a_seconds Some help.\n# TYPE allod_a_seconds gauge\n\
                # UNIT allod_a_seconds seconds\nallod_a_seconds 1\n# EOF\n";
    assert!(complaints(good).is_empty(), "{:?}", complaints(good));
    let broken = [
        (good.replace("_seconds", "_milliseconds"), "units are"),
        (
            good.replace("# UNIT allod_a_seconds seconds\n", ""),
            "is told",
        ),
        (good.replace("gauge", "counter"), "end with _total"),
        (good.replace("gauge", "thing"), "no type"),
        (good.replace("Some help.", "No."), "no help"),
        (
            good.replace("seconds 1\n", "seconds 1\nallod_a_seconds 2\n"),
            "a series twice",
        ),
        (
            good.replace("seconds 1\n", "seconds 1\nallod_b 2\n"),
            "stands below",
        ),
        (good.replace("seconds 1\n", "seconds one\n"), "not a number"),
        (good.replace("# EOF\n", ""), "# EOF"),
        (
            good.replace("# UNIT", "# TYPE allod_a_seconds gauge\n# UNIT"),
            "a second TYPE",
        ),
    ];
    for (text, expected) in broken {
        let found = complaints(&text);
        assert!(
            found.iter().any(|it| it.contains(expected)),
            "{expected}: {found:?}\n{text}"
        );
    }
}
