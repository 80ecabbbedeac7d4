//! Text from elsewhere, made safe to print: a name must not steer the terminal, a mistyped secret must
//! not end up in a log.

use std::fmt::Write as _;

/// Characters that steer a terminal, change the direction of reading, or are not seen.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text on one line, with every such character written out, as `\u{1b}`.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if steers(character) {
            safe.extend(character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// The same for a JSON document, which stays the same document: such characters stand only within
/// its strings, but for the newlines between its members.
pub(crate) fn escape_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for character in json.chars() {
        if character == '\n' || !steers(character) {
            safe.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(safe, "\\u{unit:04x}");
        }
    }
    safe
}

/// So many of them: `1 error`, `2 errors`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Beginnings of credentials that are secret; the last is that of every JWT.
const SECRET_PREFIXES: [&str; 4] = ["sk_", "pat_", "rt_", "eyJ"];
/// From so many characters on, a word that begins so could be one.
const SECRET_LENGTH: usize = 8;
/// From so many characters on, it could be one within a word.
const LONG_SECRET_LENGTH: usize = 32;

/// The text without anything that could be a credential, and whether there was one.
pub(crate) fn redact(text: &str) -> (String, bool) {
    let mut clean = String::with_capacity(text.len());
    let mut found = false;
    let mut rest = text;
    while let Some((at, prefix)) = next_prefix(rest) {
        let (before, after) = (&rest[..at + prefix.len()], &rest[at + prefix.len()..]);
        let length =
            after.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte)).count();
        let begins_a_word = !rest[..at].ends_with(|character: char| character.is_alphanumeric());
        clean.push_str(before);
        if length >= if begins_a_word { SECRET_LENGTH } else { LONG_SECRET_LENGTH } {
            clean.push('…');
            found = true;
            rest = &after[length..];
        } else {
            rest = after;
        }
    }
    clean.push_str(rest);
    (clean, found)
}

fn next_prefix(text: &str) -> Option<(usize, &'static str)> {
    SECRET_PREFIXES.iter().filter_map(|prefix| text.find(prefix).map(|at| (at, *prefix))).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        assert_eq!(
            escape("a\u{1b}[2Jb\u{9b}c\u{202e}d\ne\u{7f}"),
            "a\\u{1b}[2Jb\\u{9b}c\\u{202e}d\\u{a}e\\u{7f}"
        );
        assert_eq!(escape("Käse 🧀 日本"), "Käse 🧀 日本");
    }

    #[test]
    fn a_secret_in_an_error_message_is_masked() {
        let hex = "a".repeat(64);
        assert_eq!(
            redact(&format!("unexpected argument 'sk_{hex}' found")),
            ("unexpected argument 'sk_…' found".to_owned(), true)
        );
        assert_eq!(redact(&format!("pat_{hex} rt_{hex}")), ("pat_… rt_…".to_owned(), true));
        assert!(redact(&format!("--x=eyJ{hex}.eyJ{hex}.{hex}")).1);
        for harmless in
            ["disk_full at port_1 in sk_test", "restart_immediately", "disk_something_or_other", ""]
        {
            assert_eq!(redact(harmless), (harmless.to_owned(), false));
        }
    }

    proptest! {
        #[test]
        fn an_escaped_document_is_the_same_document(text in "\\PC*|[\\x00-\\u{ff}\u{2028}\u{202e}\u{e0001}]{0,40}") {
            let json = serde_json::to_string_pretty(&serde_json::json!({ "name": text })).unwrap();
            let safe = escape_json(&json);
            prop_assert!(!safe.chars().any(|c| c != '\n' && steers(c)));
            let read: serde_json::Value = serde_json::from_str(&safe).unwrap();
            prop_assert_eq!(read["name"].as_str(), Some(text.as_str()));
        }

        #[test]
        fn no_credential_survives(before in ".{0,20}", hex in "[0-9a-f]{64}", after in ".{0,20}") {
            let (clean, found) = redact(&format!("{before}sk_{hex}{after}"));
            prop_assert!(found && !clean.contains(&hex));
        }
    }
}
