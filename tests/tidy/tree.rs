//! The files of the repository, as the other checks see them.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Folders that hold nothing written by hand. Hidden ones are skipped too, and `bin/` at the root.
const SKIPPED: [&str; 2] = ["target", "node_modules"];

/// Cargo workspaces of their own, built and checked by their own rules.
const FOREIGN_WORKSPACES: [&str; 1] = ["tests/subxt"];

/// Returns the repository's root.
pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("the tests crate lies in the repository")
        .to_path_buf()
}

/// Returns every file below `folder`, as sorted paths relative to the root, with `/` between parts.
///
/// A folder that does not exist holds no files.
pub(crate) fn files(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    let root = root();
    let mut relative: Vec<String> = found
        .iter()
        .map(|path| {
            path.strip_prefix(&root)
                .expect("the walk starts below the root")
        })
        .map(|path| path.to_string_lossy().replace('\\', "/"))
        .collect();
    relative.sort();
    relative
}

/// As [`files`], those with one of the `extensions`, without foreign workspaces.
pub(crate) fn files_with(folder: &str, extensions: &[&str]) -> Vec<String> {
    let mut found = files(folder);
    found.retain(|path| {
        let extension = Path::new(path)
            .extension()
            .and_then(|it| it.to_str())
            .unwrap_or("");
        extensions.contains(&extension)
    });
    found.retain(|path| {
        !FOREIGN_WORKSPACES
            .iter()
            .any(|it| path.starts_with(&format!("{it}/")))
    });
    found
}

/// Reads a file given by its path relative to the root.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("reading {path}: {error}"))
}

/// Returns what runs in production: the lines before the inline tests, without declarations of
/// test modules.
pub(crate) fn production_lines(text: &str) -> Vec<&str> {
    let mut production = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let next = lines.peek().map_or("", |next| next.trim());
        if line.trim() != "#[cfg(test)]" {
            production.push(line);
        } else if next.starts_with("mod ") && next.ends_with('{') {
            break;
        } else if next.ends_with(';') {
            lines.next();
        }
    }
    production
}

/// Fails with one line for each finding and a last line that says what to do.
pub(crate) fn fail_on(findings: &[String], hint: &str) {
    let mut message = String::new();
    for finding in findings {
        writeln!(message, "  {finding}").expect("a string takes every write");
    }
    assert!(findings.is_empty(), "\n{message}hint: {hint}\n");
}

/// Writes warnings where a passing test's output is not swallowed.
pub(crate) fn warn(warnings: &[String]) {
    let mut out = std::io::stderr().lock();
    for warning in warnings {
        // A closed stderr is no reason to fail: these are warnings.
        let _ = writeln!(out, "tidy: warning: {warning}");
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let entry = entry.expect("a folder that opens can be listed");
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().expect("a listed entry has a type");
        if kind.is_dir() {
            let generated = SKIPPED.contains(&name.as_str()) || entry.path() == root().join("bin");
            if !name.starts_with('.') && !generated {
                walk(&entry.path(), found);
            }
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}

#[test]
fn only_tests_are_left_out_of_production() {
    let text = "a\n#[cfg(test)]\nmod tests;\nb\n#[cfg(test)]\nmod inline {\n    c\n}\n";
    assert_eq!(production_lines(text), ["a", "b"]);
}
