//! Runs a test in a process of its own, whose entropy is pinned.
//!
//! The engine draws entropy that no seam of ours reaches (`entropy.c` says where), so two runs of
//! one seed differ unless the kernel's randomness is replaced. That takes a preloaded library,
//! hence a process started for it, hence a C compiler: the one that `make system` installs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// Tells a process that its entropy is pinned.
const PINNED: &str = "ALLOD_SIM_PINNED";

/// Returns whether this process is one of those started here.
pub(crate) fn is_pinned() -> bool {
    std::env::var_os(PINNED).is_some()
}

/// Compiles the library, once for all processes of a build.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulation/entropy.c");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let made = folder.join(format!("entropy-{}.so", std::process::id()));
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]);
        compiler.arg(&made).arg(&source).arg("-ldl");
        let status = compiler
            .status()
            .expect("`make system` installs a C compiler");
        assert!(status.success(), "{} does not compile", source.display());
        // Others may be using the one that is there: it is replaced, not written over.
        let library = folder.join("entropy.so");
        std::fs::rename(&made, &library).expect("both are in one folder");
        library
    })
}

/// Runs the test of this name in a pinned process, with one more variable set.
fn command(test: &str, variable: Option<(&str, String)>) -> Command {
    let program = std::env::current_exe().expect("a test knows its program");
    let mut command = Command::new(program);
    command.args([test, "--exact", "--nocapture", "--test-threads", "1"]);
    command.env("LD_PRELOAD", library()).env(PINNED, "1");
    command.envs(variable);
    command
}

/// Runs the test `test` with its entropy pinned and returns what it printed.
pub(crate) fn output(test: &str, variable: (&str, String)) -> Output {
    command(test, Some(variable))
        .output()
        .expect("this program starts")
}

/// Runs the test `test`, which calls this, again with its entropy pinned, and `body` there.
pub(crate) fn pinned(test: &str, body: impl FnOnce()) {
    if is_pinned() {
        return body();
    }
    let status = command(test, None).stdin(Stdio::null()).status();
    assert!(status.expect("this program starts").success(), "see above");
}
