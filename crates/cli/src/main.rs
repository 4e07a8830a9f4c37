//! The program `pvcheck`. All of it is in the library, so that `cargo xtask pvcheck` runs the same code.

use std::process::ExitCode;

fn main() -> ExitCode {
    pvcheck_cli::main(std::env::args_os())
}
