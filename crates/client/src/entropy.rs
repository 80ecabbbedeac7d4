//! The one place of this crate that draws randomness: the system's generator.

use std::fmt::Write as _;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place of entropy of a service that is not ours"
)]
fn fill(bytes: &mut [u8]) {
    // Without randomness nothing here may go on: keys that others can guess are worse than none.
    getrandom::fill(bytes).expect("the system's generator answers");
}

/// For one id.
pub(crate) fn of_id() -> keywright_core::id::IdEntropy {
    let mut bytes = [0; 10];
    fill(&mut bytes);
    bytes
}

/// For a request that brought no id: unique, no secret. Drawn once for the process, and counted from there: the
/// system's generator would be most of what a request costs that is decided on here.
pub(crate) fn request_id() -> String {
    static PREFIX: LazyLock<String> = LazyLock::new(|| id()[..12].to_owned());
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut text = String::with_capacity(32);
    text.push_str(&PREFIX);
    // Writing to a text cannot fail.
    let _ = write!(text, "-{number:x}");
    text
}

/// An `Idempotency-Key`: 32 hexadecimal digits.
pub(crate) fn id() -> String {
    let mut bytes = [0; 16];
    fill(&mut bytes);
    hex::encode(bytes)
}

/// Any number from 0 up to this one.
pub(crate) fn up_to(most: u64) -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    // The bias of a remainder is far below what a pause can tell.
    u64::from_le_bytes(bytes) % most.saturating_add(1).max(1)
}
