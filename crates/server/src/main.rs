//! The binary `keywright`.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// Between grants that stay and rows that go the C library's leaves holes: half of what a million grants take
/// (docs/decisions/0029).
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    keywright_server::cli::run()
}
