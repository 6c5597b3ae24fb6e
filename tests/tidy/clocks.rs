//! Only the two seams look at the system's clock (ADR 0007): whatever else did would stay behind
//! when a development network travels in time, and could not be simulated.

use crate::tree;

/// What reads the wall clock.
const READS: [&str; 3] = [
    "SystemTime::now",
    "OffsetDateTime::now",
    "SystemTime::elapsed",
];

/// The seam of nodes, and that of clients.
const SEAMS: [&str; 2] = ["chain/src/seams.rs", "identity-client/src/clock.rs"];

/// Returns the numbers of the lines that look at the wall clock in production.
fn looks(text: &str) -> Vec<usize> {
    let lines = tree::production_lines(text).into_iter().enumerate();
    lines
        .filter(|(_, line)| READS.iter().any(|read| line.contains(read)))
        .map(|(index, _)| index + 1)
        .collect()
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.split('/').any(|part| part == "tests")
}

#[test]
fn only_the_seams_look_at_the_systems_clock() {
    let mut findings = Vec::new();
    let mut used = Vec::new();
    for path in tree::files_with("", &["rs"]) {
        if is_test(&path) {
            continue;
        }
        let lines = looks(&tree::read(&path));
        if SEAMS.contains(&path.as_str()) {
            used.extend(lines.first().map(|_| path));
        } else {
            findings.extend(lines.iter().map(|line| format!("{path}:{line}")));
        }
    }
    assert_eq!(used, SEAMS, "both seams are found where they were");
    tree::fail_on(
        &findings,
        "take the time from allod_chain::seams::Clock in nodes, allod_identity_client::clock in clients",
    );
}

#[test]
fn a_look_at_the_clock_is_found() {
    let text = "fn a() {\n    let now = std::time::SystemTime::now();\n}\n";
    assert_eq!(looks(text), [2]);
    assert!(looks("let now = Instant::now();").is_empty());
}
