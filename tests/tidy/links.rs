//! Relative links in the documents lead somewhere.

use std::path::Path;

use crate::tree;

#[test]
fn no_document_has_a_dead_link() {
    let mut findings = Vec::new();
    for path in tree::files_with("", &["md"]) {
        let here = tree::root().join(&path);
        let here = here.parent().expect("a file has a folder");
        for (line, target) in links(&tree::read(&path)) {
            if !leads_somewhere(here, &target) {
                findings.push(format!("{path}:{line}: {target}"));
            }
        }
    }
    tree::fail_on(&findings, "correct the link, relative to its document");
}

/// Other sites are not asked: a test needs no network.
fn leads_somewhere(here: &Path, target: &str) -> bool {
    let file = target.split('#').next().unwrap_or_default();
    file.is_empty()
        || target.contains("://")
        || target.starts_with("mailto:")
        || here.join(file).exists()
}

/// Returns the (line, target) of each inline link outside code.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_fence = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        }
        if in_fence {
            continue;
        }
        // Every second part is between backticks.
        for part in line.split('`').step_by(2) {
            for after in part.split("](").skip(1) {
                if let Some((target, _)) = after.split_once(')') {
                    found.push((index + 1, target.to_owned()));
                }
            }
        }
    }
    found
}

#[test]
fn links_in_code_are_not_links() {
    let text = "[a](b.md) `[c](d.md)` [e](f.md#g)\n```\n[h](i.md)\n```\n[`j`](k.md)\n";
    let expected = [(1, "b.md"), (1, "f.md#g"), (5, "k.md")];
    assert_eq!(
        links(text),
        expected.map(|(line, target)| (line, target.to_owned()))
    );
}
