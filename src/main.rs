//! The `sidegate` command.

use std::process::ExitCode;

/// glibc's allocator keeps what many short requests freed; mimalloc gives it back and is quicker.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sidegate::cli::run(std::env::args_os())
}
