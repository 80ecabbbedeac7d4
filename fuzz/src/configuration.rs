//! Any environment gives a configuration or findings, and never a panic.

use keywright_server::config::{LoadInput, load};

/// Holds it against any input.
pub fn hold(pairs: Vec<(String, String)>) {
    let environment = pairs
        .into_iter()
        .take(8)
        .map(|(name, value)| (format!("KEYWRIGHT_{}", name.to_ascii_uppercase()), value))
        .collect();
    let input = LoadInput { environment, dev: true, ..LoadInput::default() };
    let loaded = load(&input);
    assert!(loaded.config.is_some() || loaded.errors().next().is_some());
}
