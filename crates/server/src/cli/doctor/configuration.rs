//! The configuration and the master key.

use super::finding::{Finding, Severity};
use crate::config::{self, Config, Loaded, check_files};

/// What the configuration itself has found wrong.
pub(super) fn look(loaded: &Loaded) -> Vec<Finding> {
    // The master key has a check of its own.
    let own = |finding: &&config::Finding| {
        !finding.key.starts_with("keys.") || finding.severity == config::Severity::Error
    };
    let files = check_files(loaded);
    let mut findings: Vec<Finding> = loaded.findings.iter().chain(&files).filter(own).map(told).collect();
    if findings.is_empty() {
        let source = match &loaded.file {
            Some(path) => format!("sound, with {}", path.display()),
            None => "sound, without a file".to_owned(),
        };
        findings.push(Finding::ok("configuration", source));
    }
    findings
}

fn told(finding: &config::Finding) -> Finding {
    let severity = match finding.severity {
        config::Severity::Warning => Severity::Warning,
        config::Severity::Error => Severity::Error,
    };
    let what = format!("{} ({}): {}", finding.key, finding.origin, finding.message);
    let advice = Some(finding.fix.clone()).filter(|fix| !fix.is_empty());
    Finding { check: "configuration", severity, what, advice }
}

/// The key under which secrets at rest are sealed.
pub(super) fn look_at_keys(config: &Config) -> Finding {
    const CHECK: &str = "master key";
    match config.keys.resolve() {
        Ok(Some(keys)) => match keys.reveal().len() {
            1 => Finding::ok(CHECK, "one key"),
            count => Finding::ok(CHECK, format!("{count} keys: the first seals, all open")),
        },
        Ok(None) => Finding::warning(
            CHECK,
            "none is set: only serve --dev starts without one",
            "set KEYWRIGHT_MASTER_KEY to the output of `openssl rand -base64 32`, and keep it safe: \
             what is sealed under it cannot be opened without it",
        ),
        Err(error) => Finding::error(
            CHECK,
            error.to_string(),
            "give 32 random bytes in base64, or repair the source of the key",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LoadInput, load};

    fn loaded(flags: &[(&str, &str)]) -> Loaded {
        let flags = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        load(&LoadInput { flags, ..LoadInput::default() })
    }

    #[test]
    fn a_mistake_in_the_configuration_is_an_error_with_its_remedy() {
        let findings = look(&loaded(&[("database.pool_size", "ten")]));
        let finding = findings.iter().find(|finding| finding.severity == Severity::Error).unwrap();
        assert!(finding.what.contains("database.pool_size") && finding.advice.is_some(), "{finding:?}");
    }

    #[test]
    fn a_missing_or_broken_master_key_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        std::fs::write(&file, "not a key").unwrap();
        let none = loaded(&[]).config.unwrap();
        assert_eq!(look_at_keys(&none).severity, Severity::Warning);
        let broken = loaded(&[("keys.master_key_file", file.to_str().unwrap())]).config.unwrap();
        assert_eq!(look_at_keys(&broken).severity, Severity::Error);
        std::fs::write(&file, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").unwrap();
        assert_eq!(look_at_keys(&broken).severity, Severity::Ok);
    }
}
