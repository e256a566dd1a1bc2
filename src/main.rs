//! The kfleet binary: starts the runtime, hands over, turns the result into an exit code.

use std::process::ExitCode;

/// Rendering makes and drops millions of small values; musl's own allocator, in the static builds, is the slowest there is.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    kfleet::cli::main()
}
