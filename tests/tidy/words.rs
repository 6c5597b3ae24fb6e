//! Words that say "not finished", or that hide a race or a failing test.

use crate::tree;

/// Each word, split so that this file does not contain it, and what to do instead.
const BANNED: &[(&str, &str)] = &[
    (concat!("to", "do!("), "finish it, or return a typed error"),
    (
        concat!("unimpl", "emented!("),
        "finish it, or return a typed error",
    ),
    (concat!("#[ig", "nore"), "fix the test or delete it"),
    (
        concat!("#[should", "_panic"),
        "return a typed error and assert on it",
    ),
    (concat!("db", "g!("), "use tracing, or nothing"),
    (
        concat!("thread::", "sleep("),
        "wait for the event, with a deadline",
    ),
    (concat!("FIX", "ME"), "fix it, or file an issue"),
];

/// Files that may contain a banned word: path, word, reason. An entry that is not needed fails.
const EXEMPT: &[(&str, &str, &str)] = &[];

#[test]
fn nothing_unfinished_lands() {
    let mut findings = Vec::new();
    let mut used = vec![false; EXEMPT.len()];
    for path in tree::files_with("", &["rs", "toml", "sh", "js", "mjs", "ts", "py"]) {
        let text = tree::read(&path);
        for (number, line) in text.lines().enumerate() {
            for (word, instead) in BANNED.iter().filter(|(word, _)| line.contains(word)) {
                let exempt = EXEMPT.iter().position(|it| it.0 == path && it.1 == *word);
                match exempt {
                    Some(index) => used[index] = true,
                    None => findings.push(format!("{path}:{}: `{word}`: {instead}", number + 1)),
                }
            }
        }
    }
    for ((path, word, reason), _) in EXEMPT.iter().zip(&used).filter(|(_, used)| !**used) {
        findings.push(format!(
            "{path} no longer contains `{word}`, exempt because: {reason}"
        ));
    }
    tree::fail_on(
        &findings,
        "an exception needs a reason, in EXEMPT of tests/tidy/words.rs",
    );
}
