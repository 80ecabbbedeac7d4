//! Names of credentials, publishers and roles (api.md, Body limits; Deletion and names).

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// Most characters in a name.
pub const MAX_CHARACTERS: usize = 255;

/// A name: 1 to 255 characters, trimmed, NFC, printable, and not shaped like an id.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(String);

/// The name of a credential.
pub type CredentialName = Name;

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing left after trimming.
    #[error("is empty")]
    Empty,
    /// More than [`MAX_CHARACTERS`].
    #[error("is longer than 255 characters")]
    TooLong,
    /// Control characters, or characters that change the direction or are not seen: one name could
    /// be shown as another.
    #[error("has control or invisible characters")]
    Unprintable,
    /// Names and ids share the places where either is accepted.
    #[error("has the shape of an id (UUID)")]
    IdShaped,
}

/// Invisible and direction-changing characters (Unicode `Bidi_Control`, zero-width, separators, tags).
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

impl Name {
    /// Trims, normalises and checks a name that a caller gave.
    ///
    /// # Errors
    /// [`NameError`] tells the first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() > MAX_CHARACTERS * 16 {
            return Err(NameError::TooLong);
        }
        let name: String = text.trim().nfc().collect();
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.chars().count() > MAX_CHARACTERS {
            return Err(NameError::TooLong);
        }
        if name.chars().any(is_hidden) {
            return Err(NameError::Unprintable);
        }
        if uuid::Uuid::try_parse(&name).is_ok() {
            return Err(NameError::IdShaped);
        }
        Ok(Self(name))
    }

    /// Takes over what the store holds, which was checked when it was written: a name must stay
    /// readable, and its credential revocable, when the rules grow stricter.
    pub const fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// What a rotated credential is called from then on: `NAME~ID8`, shortened to fit. The eight
    /// are the last of the id: the first ones are the clock and equal for neighbours.
    #[must_use]
    pub fn superseded(&self, id: crate::CredentialId) -> Self {
        let suffix = id.0.simple().to_string();
        let kept: String = self.0.chars().take(MAX_CHARACTERS - 9).collect();
        Self(format!("{kept}~{}", &suffix[24..]))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_trimmed_and_normalised() {
        assert_eq!(Name::parse("  cafe\u{301} ").unwrap().as_str(), "café");
        assert_eq!(Name::parse("   "), Err(NameError::Empty));
        assert_eq!(Name::parse(&"a".repeat(256)), Err(NameError::TooLong));
        assert!(Name::parse(&"ä".repeat(255)).is_ok());
    }

    #[test]
    fn a_name_cannot_pass_for_another_or_for_an_id() {
        for bad in ["a\u{202E}b", "a\nb", "a\0b", "a\u{200B}b", "\u{2066}x\u{2069}"] {
            assert_eq!(Name::parse(bad), Err(NameError::Unprintable), "{bad:?}");
        }
        let id = "01932b6e-8a0f-7000-8000-000000000001";
        for shape in [
            id.to_owned(),
            id.replace('-', ""),
            format!("{{{id}}}"),
            format!("urn:uuid:{id}"),
            id.to_uppercase(),
        ] {
            assert_eq!(Name::parse(&shape), Err(NameError::IdShaped), "{shape}");
        }
    }

    proptest! {
        #[test]
        fn parsing_is_stable(text in "\\PC{0,300}") {
            if let Ok(name) = Name::parse(&text) {
                prop_assert_eq!(Name::parse(name.as_str()), Ok(name));
            }
        }

        #[test]
        fn a_superseded_name_is_a_name(text in "[a-zä ]{1,255}") {
            if let Ok(name) = Name::parse(&text) {
                let id = crate::CredentialId::generate(crate::Timestamp::EPOCH, [9; 10]);
                prop_assert!(name.superseded(id).as_str().chars().count() <= MAX_CHARACTERS);
            }
        }
    }
}
