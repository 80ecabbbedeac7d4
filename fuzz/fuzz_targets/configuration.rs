//! Any environment gives a configuration or findings, and never a panic.
#![no_main]

use keywright_server::config::{LoadInput, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|pairs: Vec<(String, String)>| {
    let environment = pairs
        .into_iter()
        .take(8)
        .map(|(name, value)| (format!("KEYWRIGHT_{}", name.to_ascii_uppercase()), value))
        .collect();
    let input = LoadInput { flags: Vec::new(), file: None, default_file: None, environment, dev: true };
    let loaded = load(&input);
    assert!(loaded.config.is_some() || loaded.errors().next().is_some());
});
