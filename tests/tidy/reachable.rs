//! A source file that no target declares is neither compiled nor tested, silently.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use cargo_metadata::MetadataCommand;

use crate::tree;

/// Method: follows `mod name;`, `#[path]` and `include!` from every target of every crate, and
/// compares with the files that exist.
#[test]
fn every_source_file_is_declared_somewhere() {
    let files: BTreeSet<String> = tree::files_with("", &["rs"]).into_iter().collect();
    let mut reached = BTreeMap::new();
    for target in target_roots() {
        follow(&target, true, &files, &mut reached);
    }
    let findings: Vec<String> = files
        .iter()
        .filter(|path| !reached.contains_key(*path))
        .cloned()
        .collect();
    tree::fail_on(
        &findings,
        "declare it with `mod`, or as a [[test]] in Cargo.toml, or delete it",
    );
}

fn target_roots() -> Vec<String> {
    let root = tree::root();
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("the workspace that built this test has metadata");
    let targets = metadata
        .packages
        .iter()
        .flat_map(|package| &package.targets);
    targets
        .map(|target| Path::new(target.src_path.as_str()))
        .map(|path| {
            path.strip_prefix(&root)
                .expect("our targets lie below the root")
        })
        .map(|path| path.to_string_lossy().into_owned())
        .collect()
}

/// Marks `path` and everything that it declares. `is_root`: the file is a crate root, whose modules
/// lie beside it whatever its name.
fn follow(
    path: &str,
    is_root: bool,
    files: &BTreeSet<String>,
    reached: &mut BTreeMap<String, bool>,
) {
    // A file may be the root of one target and a module of another: both readings count.
    if !files.contains(path) || reached.get(path).is_some_and(|before| *before || !is_root) {
        return;
    }
    reached.insert(path.to_owned(), is_root);
    let here = Path::new(path).parent().expect("a file has a folder");
    let stem = Path::new(path)
        .file_stem()
        .and_then(|it| it.to_str())
        .unwrap_or_default();
    let beside = is_root || stem == "mod";
    let below = if beside {
        here.to_path_buf()
    } else {
        here.join(stem)
    };

    let text = tree::read(path);
    for declared in declarations(&text) {
        let candidates = match declared {
            Declared::Module(name) => {
                vec![
                    below.join(format!("{name}.rs")),
                    below.join(&name).join("mod.rs"),
                ]
            }
            Declared::Path(relative) => vec![here.join(relative)],
        };
        for candidate in candidates {
            follow(&normalised(&candidate), false, files, reached);
        }
    }
}

#[derive(Debug, PartialEq)]
enum Declared {
    /// `outer/inner` for a module declared inside an inline one.
    Module(String),
    /// Relative to the declaring file's folder.
    Path(String),
}

/// Reads the module declarations of a file as rustfmt lays them out: one a line.
fn declarations(text: &str) -> Vec<Declared> {
    let mut found = Vec::new();
    let mut inline: Vec<(usize, String)> = Vec::new();
    let mut path_attribute = None;
    for line in text.lines() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        if trimmed == "}" && inline.last().is_some_and(|(it, _)| *it == indent) {
            inline.pop();
        } else if let Some(rest) = trimmed.strip_prefix("#[path = \"") {
            path_attribute = rest.split('"').next().map(str::to_owned);
        } else if let Some((_, rest)) = trimmed.split_once("include!(\"") {
            found.extend(
                rest.split('"')
                    .next()
                    .map(|it| Declared::Path(it.to_owned())),
            );
        } else if let Some(rest) = module(trimmed) {
            if let Some(name) = rest.strip_suffix(';') {
                let name = inline.iter().map(|(_, it)| it.as_str()).chain([name]);
                let name = name.collect::<Vec<_>>().join("/");
                found.push(
                    path_attribute
                        .take()
                        .map_or(Declared::Module(name), Declared::Path),
                );
            } else if let Some(name) = rest.strip_suffix(" {") {
                inline.push((indent, name.to_owned()));
            }
        }
    }
    found
}

/// Returns what follows `mod ` in a declaration of any visibility.
fn module(line: &str) -> Option<&str> {
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ").map_or(rest, |(_, it)| it),
        Some(rest) => rest.trim_start(),
        None => line,
    };
    line.strip_prefix("mod ")
}

/// Removes `.` and `..`, with `/` between parts.
fn normalised(path: &Path) -> String {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean.to_string_lossy().replace('\\', "/")
}

#[test]
fn declarations_of_every_form_are_found() {
    let text = "mod a;\npub mod b;\npub(crate) mod c;\n#[cfg(test)]\nmod d;\n\
                mod e {\n    mod f;\n}\n#[path = \"../g.rs\"]\nmod h;\ninclude!(\"i.rs\");\n\
                // mod j;\nmod_k();\n";
    let module = |name: &str| Declared::Module(name.to_owned());
    let path = |name: &str| Declared::Path(name.to_owned());
    let expected = ["a", "b", "c", "d", "e/f"]
        .map(module)
        .into_iter()
        .chain([path("../g.rs"), path("i.rs")]);
    assert_eq!(declarations(text), expected.collect::<Vec<_>>());
}
