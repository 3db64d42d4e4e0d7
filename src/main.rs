//! The `skep` binary: operator, proxy and command line in one. All of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    skep::cli::main(std::env::args_os())
}
