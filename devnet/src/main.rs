//! `allod-devnet`: launches, keeps and breaks a local network of real node processes.

use std::process::ExitCode;

fn main() -> ExitCode {
    allod_devnet::main()
}
