//! The contract and its specification change together.
//!
//! `spec/HASHES` records what the code of the contract looked like when somebody last compared it with
//! the pages of `spec/`. A change of the code fails the test until that person says: I read the page,
//! and it is true (again). Regenerating the file says so:
//!
//! ```sh
//! ALLOD_BLESS=1 cargo test -p allod-tests --test tidy
//! ```
//!
//! Comments, blank lines and tests do not count as code. The pages are recorded too, so that the
//! commit shows which of them went along; editing a page alone fails nothing.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs;

use sha2::{Digest, Sha256};

use crate::tree;

const RECORD: &str = "spec/HASHES";

/// The folders whose code is the contract: what goes over the wire, into signatures, into the state.
const CONTRACT: [&str; 2] = ["rpc/api/src", "runtime/primitives/src"];

/// The command that says "I read the page, and it is true".
const BLESS: &str = "ALLOD_BLESS=1 cargo test -p allod-tests --test tidy";

#[test]
fn the_contract_changes_only_with_its_specification() {
    let pages = digests(&tree::files_with("spec", &["md"]), |text| text.to_owned());
    let code = digests(&contract_files(), code_only);

    if env::var_os("ALLOD_BLESS").is_some() {
        let record = tree::root().join(RECORD);
        fs::create_dir_all(record.parent().expect("a file has a folder"))
            .expect("a writable clone");
        fs::write(record, rendered(&code, &pages)).expect("spec/ is writable");
        return;
    }
    let recorded = fs::read_to_string(tree::root().join(RECORD)).unwrap_or_default();
    let recorded = parsed(&recorded);
    let mut findings = Vec::new();
    for (path, digest) in &code {
        match recorded.get(path) {
            None => findings.push(format!("{path} is new")),
            Some(before) if before != digest => findings.push(format!("{path} changed")),
            Some(_) => {}
        }
    }
    let in_contract = |path: &&String| CONTRACT.iter().any(|folder| path.starts_with(folder));
    for path in recorded
        .keys()
        .filter(in_contract)
        .filter(|path| !code.contains_key(*path))
    {
        findings.push(format!("{path} is gone"));
    }
    let hint = format!(
        "read the page in spec/ that covers it, correct the page, then run: {BLESS}\n      \
         and commit {RECORD} with the change; regenerating means: I read the page and it is true"
    );
    tree::fail_on(&findings, &hint);
}

/// The files of the contract, without those that only tests compile.
fn contract_files() -> Vec<String> {
    let folders = CONTRACT.iter();
    let mut files: Vec<String> = folders
        .flat_map(|folder| tree::files_with(folder, &["rs"]))
        .collect();
    let tests: Vec<String> = files
        .iter()
        .flat_map(|path| test_modules(path, &tree::read(path)))
        .collect();
    files.retain(|path| {
        let module = path.strip_suffix(".rs").unwrap_or(path);
        !tests
            .iter()
            .any(|test| module == test || module.starts_with(&format!("{test}/")))
    });
    files
}

/// Returns the path, without extension, of each module that `path` declares for tests alone.
fn test_modules(path: &str, text: &str) -> Vec<String> {
    let module = path.strip_suffix(".rs").unwrap_or(path);
    let (folder, stem) = module.rsplit_once('/').unwrap_or(("", module));
    let below = if ["lib", "main", "mod"].contains(&stem) {
        folder
    } else {
        module
    };
    let declarations = text.split("#[cfg(test)]\nmod ").skip(1);
    let names = declarations.filter_map(|it| it.lines().next()?.strip_suffix(';'));
    names.map(|name| format!("{below}/{name}")).collect()
}

fn digests(paths: &[String], normalise: impl Fn(&str) -> String) -> BTreeMap<String, String> {
    let digest = |path: &String| {
        let digest = Sha256::digest(normalise(&tree::read(path)).as_bytes());
        (path.clone(), hex::encode(&digest[..16]))
    };
    paths.iter().map(digest).collect()
}

/// Drops comments, blank lines, indentation and inline tests: what is left decides about bytes.
fn code_only(text: &str) -> String {
    let mut code = String::new();
    for line in tree::production_lines(text) {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with("//") {
            code.push_str(line);
            code.push('\n');
        }
    }
    code
}

fn rendered(code: &BTreeMap<String, String>, pages: &BTreeMap<String, String>) -> String {
    let mut text = format!(
        "# The contract's code beside the pages that specify it. Regenerating this file means: I read\n\
         # the page and it is true.\n#\n#   {BLESS}\n"
    );
    for (title, entries) in [("code", code), ("pages", pages)] {
        writeln!(text, "\n# {title}").expect("a string takes every write");
        for (path, digest) in entries {
            writeln!(text, "{digest}  {path}").expect("a string takes every write");
        }
    }
    text
}

fn parsed(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once("  "));
    pairs
        .map(|(digest, path)| (path.to_owned(), digest.to_owned()))
        .collect()
}

#[test]
fn the_record_survives_a_round_trip() {
    let entries = |name: &str| BTreeMap::from([(name.to_owned(), "00ff".to_owned())]);
    let text = rendered(&entries("rpc/api/src/lib.rs"), &entries("spec/state.md"));
    let read = parsed(&text);
    assert_eq!(read.len(), 2);
    assert_eq!(read.get("spec/state.md").map(String::as_str), Some("00ff"));
}

#[test]
fn comments_and_inline_tests_are_no_part_of_the_contract() {
    let code = "/// Doc.\nfn a() {\n    // Why.\n    b()\n}\n\n#[cfg(test)]\nmod tests {\n}\n";
    assert_eq!(code_only(code), "fn a() {\nb()\n}\n");
}

#[test]
fn modules_for_tests_are_no_part_of_the_contract() {
    let text = "mod a;\n#[cfg(test)]\nmod vectors;\n#[cfg(test)]\nmod inline {}\n";
    assert_eq!(test_modules("src/tree/mod.rs", text), ["src/tree/vectors"]);
    assert_eq!(test_modules("src/tree.rs", text), ["src/tree/vectors"]);
}
