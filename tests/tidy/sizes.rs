//! Long functions and files, as warnings: a reviewer decides, not a counter.

use crate::tree;

/// A function's lines, from its signature to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// A file's lines before its inline tests.
const FILE_LINES_MAX: usize = 600;

/// How the module documentation of a long file begins the sentence that defends its length.
const DEFENCE: &str = "//! Long on purpose:";

#[test]
fn long_functions_and_files_are_named() {
    let mut warnings = Vec::new();
    for path in tree::files_with("", &["rs"]) {
        let text = tree::read(&path);
        let lines = tree::production_lines(&text).len();
        if lines > FILE_LINES_MAX && !text.contains(DEFENCE) {
            warnings.push(format!(
                "{path}: {lines} lines; split it, or say `{DEFENCE} ...`"
            ));
        }
        for (line, name, lines) in long_functions(&text) {
            warnings.push(format!("{path}:{line}: `{name}` has {lines} lines"));
        }
    }
    tree::warn(&warnings);
}

/// Returns (line, name, number of lines) of each long function.
///
/// Relies on rustfmt: a body ends at the first line that closes at the signature's indentation.
fn long_functions(text: &str) -> Vec<(usize, String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let Some(name) = function_name(trimmed) else {
            continue;
        };
        let indent = line.len() - trimmed.len();
        let end = lines[index..].iter().position(|it| {
            let inner = it.trim_start();
            it.len() - inner.len() == indent && (inner.starts_with('}') || it.ends_with(';'))
        });
        let length = end.map_or(0, |end| end + 1);
        if length > FUNCTION_LINES_MAX {
            found.push((index + 1, name.to_owned(), length));
        }
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let words = ["pub", "const", "async", "unsafe", "extern", "\"C\""];
    let is_signature = before
        .split_whitespace()
        .all(|word| words.contains(&word) || word.starts_with("pub("));
    if !is_signature {
        return None;
    }
    after.split(['(', '<']).next()
}

#[test]
fn a_function_is_measured_from_signature_to_closing_brace() {
    let body = "    step();\n".repeat(FUNCTION_LINES_MAX - 1);
    let text =
        format!("fn short() {{\n}}\n\npub(crate) async fn long<T>(\n    a: T,\n) {{\n{body}}}\n");
    let found = long_functions(&text);
    assert_eq!(found, [(4, "long".to_owned(), FUNCTION_LINES_MAX + 3)]);
}
