//! `keywright scanner-rules`: what a scanner for secrets looks for.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::failure::Outcome;
use super::output::Output;

/// Print rules that find Keywright's secrets.
#[derive(Args, Debug)]
pub(crate) struct ScannerRules {
    /// For which scanner
    #[arg(long, value_enum, default_value = "gitleaks")]
    format: Format,
}

/// A scanner.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A configuration file of gitleaks
    Gitleaks,
    /// Custom patterns of GitHub's secret scanning
    Github,
}

/// A kind of secret, and what it looks like. After the prefix come lower-case hex digits alone.
struct Rule {
    id: &'static str,
    what: &'static str,
    prefix: &'static str,
    digits: usize,
}

const RULES: [Rule; 4] = [
    Rule { id: "keywright-service-token", what: "service token", prefix: "sk_", digits: 64 },
    // The last eight are CRC-32/ISO-HDLC over all before them: docs/personal-tokens.md says how to check it.
    Rule { id: "keywright-personal-token", what: "personal access token", prefix: "pat_", digits: 72 },
    Rule { id: "keywright-refresh-token", what: "refresh token", prefix: "rt_", digits: 64 },
    Rule { id: "keywright-mailed-token", what: "token of a link in a mail", prefix: "mt_", digits: 64 },
];

impl ScannerRules {
    /// Prints them.
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        output.line(
            match self.format {
                Format::Gitleaks => gitleaks(),
                Format::Github => github(),
            }
            .trim_end(),
        )
    }
}

/// TOML (gitleaks, Configuration).
fn gitleaks() -> String {
    let mut rules = "title = \"Keywright\"\n".to_owned();
    for Rule { id, what, prefix, digits } in RULES {
        // Writing to memory does not fail.
        let _ = write!(
            rules,
            "\n[[rules]]\nid = \"{id}\"\ndescription = \"Keywright {what}\"\n\
             regex = '''\\b({prefix}[0-9a-f]{{{digits}}})(?:[^0-9A-Za-z_]|$)'''\n\
             secretGroup = 1\nkeywords = [\"{prefix}\"]\n"
        );
    }
    rules
}

/// What stands in the fields of a custom pattern (GitHub, Defining custom patterns for secret scanning).
fn github() -> String {
    let pattern = |Rule { what, prefix, digits, .. }: Rule| {
        json!({
            "name": format!("Keywright {what}"),
            "secret_format": format!("{prefix}[0-9a-f]{{{digits}}}"),
            "before_secret": r"\A|[^0-9A-Za-z_]",
            "after_secret": r"\z|[^0-9A-Za-z_]",
        })
    };
    let patterns: Vec<_> = RULES.into_iter().map(pattern).collect();
    serde_json::to_string_pretty(&patterns).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use keywright_core::PlainToken;
    use zeroize::Zeroizing;

    #[test]
    fn each_rule_has_the_form_of_the_secret_that_it_finds() {
        let entropy = Zeroizing::new([0xa5; 32]);
        let secrets = [
            PlainToken::service(&entropy),
            PlainToken::personal(&entropy),
            PlainToken::refresh(&entropy),
            PlainToken::mailed(&entropy),
        ];
        for (secret, Rule { prefix, digits, .. }) in secrets.iter().zip(RULES) {
            let rest = secret.reveal().strip_prefix(prefix).unwrap();
            assert_eq!(rest.len(), digits, "{prefix}");
            assert!(rest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)), "{prefix}");
        }
    }

    #[test]
    fn rules_are_what_their_scanners_read() {
        let rules = gitleaks();
        assert_eq!(rules.matches("[[rules]]").count(), RULES.len());
        assert!(rules.contains("\nregex = '''\\b(pat_[0-9a-f]{72})(?:[^0-9A-Za-z_]|$)'''\n"), "{rules}");
        let patterns: serde_json::Value = serde_json::from_str(&github()).unwrap();
        assert_eq!(patterns[0]["secret_format"], "sk_[0-9a-f]{64}");
    }
}
