//! Texts: on one line, of people's words, moments, words of a grammar.

use super::{At, Kind};
use crate::{problem::FieldCode, request::Format};
use serde_json::Value;

/// Text on one line: no control characters.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    least: usize,
    most: usize,
    format: Option<Format>,
    /// What people write to be kept as it is: a credential in it is cut off.
    written: bool,
}

/// Text of so many characters, without control characters.
pub const fn text(least: usize, most: usize) -> Text {
    Text { least, most, format: None, written: false }
}

/// What people write of something, such as a reason, for others to read: who tells of a token that was found puts the
/// token into it, and it is kept for as long as the audit trail is. So it is kept up to where a credential begins: who ends
/// something in haste is not held up. What something is called or described as is refused instead
/// ([`Format::Name`], [`Format::Words`]).
pub const fn prose(least: usize, most: usize) -> Text {
    Text { written: true, ..text(least, most) }
}

/// What is kept of words that begin with a credential.
const NOT_SHOWN: &str = "(not shown)";

/// A moment.
pub const fn time() -> Text {
    text(1, 64).of(Format::Time)
}

/// The end of something's life.
pub const fn expiry() -> Text {
    text(1, 64).of(Format::Expiry)
}

impl Text {
    /// The same, in a form that the server knows.
    #[must_use]
    pub const fn of(self, format: Format) -> Self {
        Self { format: Some(format), ..self }
    }
}

impl Kind for Text {
    type Value = String;

    fn read(&self, value: Value, at: &mut At<'_>) -> Option<String> {
        let text = at.text(value)?;
        let length = text.chars().count();
        if length < self.least {
            let least = self.least;
            return at.fail(FieldCode::TooShort, format!("must have at least {least} characters"));
        }
        if length > self.most {
            let most = self.most;
            return at.fail(FieldCode::TooLong, format!("must have at most {most} characters"));
        }
        if text.chars().any(char::is_control) {
            return at.fail(FieldCode::InvalidFormat, "must not have control characters");
        }
        if let Some(format) = self.format
            && let Err((code, detail)) = at.formats.check(format, &text)
        {
            return at.fail(code, detail);
        }
        if !self.written {
            return Some(text);
        }
        match at.formats.kept(&text) {
            kept if kept.trim().is_empty() => Some(NOT_SHOWN.to_owned()),
            kept => Some(kept.to_owned()),
        }
    }
}

/// The most characters of a word.
pub const MAX_WORD: usize = 64;

/// A word: lower-case letters, digits, `_`, `-` and `.`, a letter or digit first.
#[derive(Clone, Copy, Debug)]
pub struct Word;

/// A word.
pub const fn word() -> Word {
    Word
}

impl Kind for Word {
    type Value = String;

    fn read(&self, value: Value, at: &mut At<'_>) -> Option<String> {
        let word = text(1, MAX_WORD).read(value, at)?;
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let mut bytes = word.bytes();
        if bytes.next().is_some_and(plain) && bytes.all(|b| plain(b) || b"_-.".contains(&b)) {
            return Some(word);
        }
        at.fail(FieldCode::InvalidFormat, "must be lower-case letters, digits, '_', '-' and '.'")
    }
}
