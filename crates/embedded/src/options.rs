//! How an embedded node is set up.

use std::fmt;
use std::path::PathBuf;

use keywright_server::config::{LoadInput, Loaded, load};

/// How an embedded node is set up: by the settings of `keywright serve` (`docs/configuration.md`). Those about its HTTP
/// server and its log say nothing here; all nodes of a store want the same ones otherwise.
#[derive(Clone)]
pub struct EmbeddedOptions {
    input: LoadInput,
    pub(crate) name: String,
    pub(crate) migrates: bool,
}

impl fmt::Debug for EmbeddedOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secrets.
        let settings: Vec<_> = self.input.program.iter().map(|(setting, _)| setting).collect();
        f.debug_struct("EmbeddedOptions")
            .field("name", &self.name)
            .field("settings", &settings)
            .finish_non_exhaustive()
    }
}

impl EmbeddedOptions {
    /// As `keywright serve` is set up: by `keywright.toml`, or the file that `KEYWRIGHT_CONFIG` names, and the
    /// environment.
    pub fn from_environment() -> Self {
        Self::of(LoadInput::of_process(Vec::new(), None, false))
    }

    /// By what is said here alone; the rest has its defaults.
    pub fn new() -> Self {
        Self::of(LoadInput::default())
    }

    fn of(input: LoadInput) -> Self {
        Self { input, name: format!("in process {}", std::process::id()), migrates: false }
    }

    /// Reads this file.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.input.file = Some(path.into());
        self
    }

    /// Sets a setting, such as `database.url`, above file and environment. The last one counts.
    #[must_use]
    pub fn set(mut self, setting: &str, value: impl Into<String>) -> Self {
        self.input.program.push((setting.to_owned(), value.into()));
        self
    }

    /// The name under which the node is listed, beside the addresses of others; unless this is said, it tells the process.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Makes the schema, or brings it up to this version, before anything else; `keywright migrate` otherwise does.
    #[must_use]
    pub fn migrate(self) -> Self {
        Self { migrates: true, ..self }
    }

    pub(crate) fn load(&self) -> Loaded {
        load(&self.input)
    }
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_print_no_value() {
        let options = EmbeddedOptions::new().set("database.url", "postgres://app:canary@db/kw").named("shop");
        let text = format!("{options:?}");
        assert!(text.contains("database.url") && text.contains("shop"), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }

    #[test]
    fn the_last_value_of_a_setting_counts() {
        let options = EmbeddedOptions::new()
            .set("database.url", "postgres://app:p@db/kw")
            .set("database.url", "sqlite://kw.db")
            .set("keys.master_key", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
        let config = options.load().config.unwrap();
        assert!(config.database.url.sqlite_path().is_some());
    }
}
