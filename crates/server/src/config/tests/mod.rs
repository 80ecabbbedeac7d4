//! Tests of the configuration as a whole.

mod files;
mod findings;
mod issuers;
mod names;
mod origins;
mod properties;
mod reference;
mod secrets;

use super::{Config, Finding, LoadInput, Loaded, Severity, load};

/// A master key that is as good as any.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Loads with nothing but these variables.
fn with_environment(variables: &[(&str, &str)]) -> Loaded {
    load(&LoadInput { environment: owned(variables), dev: true, ..LoadInput::default() })
}

/// Loads with nothing but this file, which the error messages call by the returned path.
fn with_file(text: &str) -> Loaded {
    with_file_and_environment(text, &[])
}

fn with_file_and_environment(text: impl AsRef<[u8]>, variables: &[(&str, &str)]) -> Loaded {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keywright.toml");
    std::fs::write(&path, text).unwrap();
    load(&LoadInput { file: Some(path), environment: owned(variables), dev: true, ..LoadInput::default() })
}

fn with_flags(flags: &[(&str, &str)]) -> Loaded {
    load(&LoadInput { flags: owned(flags), dev: true, ..LoadInput::default() })
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The configuration, which must be sound.
fn config(loaded: &Loaded) -> &Config {
    loaded.config.as_ref().unwrap_or_else(|| panic!("{:#?}", loaded.findings))
}

/// The one finding about this key.
fn finding<'a>(loaded: &'a Loaded, key: &str) -> &'a Finding {
    let found: Vec<_> = loaded.findings.iter().filter(|finding| finding.key == key).collect();
    assert_eq!(found.len(), 1, "{key}: {:#?}", loaded.findings);
    found[0]
}

/// The one error about this key; no configuration comes of it.
fn error<'a>(loaded: &'a Loaded, key: &str) -> &'a Finding {
    assert!(loaded.config.is_none());
    let found = finding(loaded, key);
    assert_eq!(found.severity, Severity::Error);
    found
}

fn row<'a>(loaded: &'a Loaded, key: &str) -> (&'a str, &'a str) {
    let row = loaded.rows.iter().find(|row| row.key == key).unwrap();
    (&row.value, &row.origin)
}
