//! What a process says with its exit code. Documented for operators in docs/node.md.

use std::process;

/// Why the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// It was asked to.
    Stopped = 0,
    /// A command's answer is no, such as warnings where none were wanted.
    Negative = 1,
    /// Command line, configuration, chain specification or key files: nothing was started.
    Usage = 2,
    /// An address could not be listened on.
    Unavailable = 3,
    /// The database failed, is damaged, of another layout, or in use.
    Database = 10,
    /// The database belongs to another chain.
    GenesisMismatch = 11,
    /// The stored state does not have the root that the tip's header says, or a decided block is
    /// invalid here: restore a backup or synchronise anew, and report it.
    StateMismatch = 12,
    /// The engine's log contradicts itself, or the sign guard is missing, damaged or cannot be
    /// written: a person must look before the key signs again.
    Engine = 13,
    /// The next block needs a newer version of this program.
    UpgradeNeeded = 14,
    /// The consensus engine did not start, ended by itself or hangs.
    EngineStopped = 15,
    /// A bug of this program: please report the log.
    Bug = 70,
}

impl From<ExitCode> for process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
