//! What `config check` tells: findings, and how a value may be shown in them.

use std::fmt::{self, Write as _};

use serde::Serialize;

/// What stands in place of a secret.
pub const HIDDEN: &str = "***";

/// The longest part of a value that a finding repeats, in characters.
const SHOWN_CHARACTERS: usize = 80;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Starts all the same, but the operator should know.
    Warning,
    /// Nothing starts with this configuration.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One mistake, or one thing to know, about one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it weighs.
    pub severity: Severity,
    /// The key (`server.listen`), the unknown name as it was written, or empty for a whole file.
    pub key: String,
    /// Where the value came from: `default`, `keywright.toml:12`, `environment DATABASE_URL`, `--listen`.
    pub origin: String,
    /// The value, shortened, with secrets hidden; absent where there is none to show.
    pub value: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub fix: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.severity)?;
        if !self.key.is_empty() {
            f.write_str(&self.key)?;
            if let Some(value) = &self.value {
                write!(f, " = {value}")?;
            }
            f.write_char(' ')?;
        }
        write!(f, "({}): {}", self.origin, self.message)?;
        if self.fix.is_empty() { Ok(()) } else { write!(f, "; {}", self.fix) }
    }
}

/// One line of `config show`: the effective value of a key and where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShowRow {
    /// The key, `section.name`.
    pub key: String,
    /// The effective value, secrets masked; empty when it is not set.
    pub value: String,
    /// Where it came from, as in [`Finding::origin`].
    pub origin: String,
}

/// The text as it may be printed: shortened, without characters that steer a terminal or reorder
/// what is read, and without what a URL carries before its `@`.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::new();
    for (count, character) in without_userinfo(text).chars().enumerate() {
        if count == SHOWN_CHARACTERS {
            shown.push('…');
            break;
        }
        if character.is_control() || steers(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Invisible characters and those that turn the direction of reading.
const fn steers(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Whatever kind of key it is found under: `scheme://user:password@host` keeps scheme and host only.
fn without_userinfo(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}{HIDDEN}{}", &text[..scheme + 3], &text[at..]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_carries_before_its_host_is_never_printed() {
        assert_eq!(printable("https://ops:canary@host/x"), "https://***@host/x");
        assert_eq!(printable("https://ops:can@ary@host/x"), "https://***@host/x");
        assert_eq!(printable("ops@example.com"), "ops@example.com");
    }

    #[test]
    fn a_value_can_neither_steer_the_terminal_nor_flood_it() {
        assert_eq!(printable("a\u{1b}[2Jb\u{202e}c\nd"), "a\\u{1b}[2Jb\\u{202e}c\\u{a}d");
        assert_eq!(printable(&"x".repeat(500)).chars().count(), SHOWN_CHARACTERS + 1);
    }

    #[test]
    fn a_finding_reads_as_one_sentence() {
        let finding = Finding {
            severity: Severity::Error,
            key: "database.pool_size".to_owned(),
            origin: "environment DATABASE_POOL_SIZE".to_owned(),
            value: Some("ten".to_owned()),
            message: "is not a whole number".to_owned(),
            fix: "give a whole number from 1 to 10000".to_owned(),
        };
        assert_eq!(
            finding.to_string(),
            "error: database.pool_size = ten (environment DATABASE_POOL_SIZE): is not a whole number; \
             give a whole number from 1 to 10000"
        );
    }
}
