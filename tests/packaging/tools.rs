//! Programs that judge our files where they are installed: `make packaging-check` installs them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Returns the repository's root.
pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap().to_path_buf()
}

/// Reads a file given by its path relative to the root.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns what `program` says about `input`, and whether it is content; `None` if it is not
/// installed here. `ALLOD_<PROGRAM>` names its place.
pub(crate) fn judged(program: &str, arguments: &[&str], input: &str) -> Option<(bool, String)> {
    let variable = format!("ALLOD_{}", program.to_uppercase().replace('-', "_"));
    let place = std::env::var(variable).unwrap_or_else(|_| program.to_owned());
    let child = Command::new(&place)
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        let mut out = std::io::stderr().lock();
        // A closed stderr is no reason to fail.
        let _ = writeln!(
            out,
            "warning: {program} is not installed; only our own check ran"
        );
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    Some((
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    ))
}
