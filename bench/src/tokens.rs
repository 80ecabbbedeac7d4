//! Tokens of benchmarks: the n-th is made from n alone, so that a database can make the same by itself.

use keywright_core::TokenHash;

/// What the bytes of the n-th token are the SHA-256 of.
pub(crate) const SEED: &str = "keywright-bench-";

/// The n-th token. Anybody can make it: never to be put into a store that is used for anything else.
pub(crate) fn token(n: u32) -> String {
    use std::fmt::Write as _;
    let seed = TokenHash::of(format!("{SEED}{n}").as_bytes());
    let mut text = String::with_capacity(67);
    text.push_str("sk_");
    for byte in seed.as_bytes() {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Tokens `from..to`.
pub(crate) fn tokens(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(token).collect()
}
