//! The kfleet binary: starts the runtime, hands over, turns the result into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    kfleet::cli::main()
}
