//! The `testbed` command; everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    testbed::cli::main()
}
