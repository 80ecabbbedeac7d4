//! Passwords as they are given, and as they are kept.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// Fewest characters: NIST SP 800-63B-4 §3.1.1.2, for a password that stands alone.
pub const MIN_CHARACTERS: usize = 15;
/// Most characters.
pub const MAX_CHARACTERS: usize = 256;
/// Most bytes that are looked at.
const MAX_BYTES: usize = MAX_CHARACTERS * 16;

/// A password in the clear. It can be neither copied, printed nor serialized, and is wiped when dropped.
///
/// It is prepared as RFC 8265 §4.2 (`OpaqueString`) says: spaces of other scripts become the space, and the
/// whole NFC, and not NFKC: what its owner sees apart stays apart.
pub struct PlainPassword(Zeroizing<String>);

/// Why a text is no password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Fewer than [`MIN_CHARACTERS`].
    #[error("is shorter than 15 characters: take several words that do not belong together")]
    TooShort,
    /// More than [`MAX_CHARACTERS`].
    #[error("is longer than 256 characters")]
    TooLong,
    /// Nobody can be sure to type these twice.
    #[error("has control characters")]
    Control,
}

impl PlainPassword {
    /// A password that is to be set: it must keep the rules.
    ///
    /// # Errors
    /// [`PasswordError`] tells the first rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, PasswordError> {
        if text.len() > MAX_BYTES {
            return Err(PasswordError::TooLong);
        }
        let prepared = prepare(text);
        if prepared.chars().any(char::is_control) {
            return Err(PasswordError::Control);
        }
        match prepared.chars().count() {
            ..MIN_CHARACTERS => Err(PasswordError::TooShort),
            MIN_CHARACTERS..=MAX_CHARACTERS => Ok(Self(prepared)),
            _ => Err(PasswordError::TooLong),
        }
    }

    /// A password that is to be compared with one that was set, maybe under other rules. What is longer
    /// than any can be stands for none.
    pub fn presented(text: &str) -> Self {
        if text.len() > MAX_BYTES { Self(Zeroizing::new(String::new())) } else { Self(prepare(text)) }
    }

    /// The password itself. Every call of this is a place to look at in a review.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

fn prepare(text: &str) -> Zeroizing<String> {
    let mut prepared = Zeroizing::new(String::with_capacity(text.len() * 3));
    prepared.extend(text.nfc().map(|c| if c.is_whitespace() && !c.is_control() { ' ' } else { c }));
    prepared
}

impl fmt::Debug for PlainPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainPassword(redacted)")
    }
}

/// A password as it is kept: a PHC string of Argon2id. It appears in no log, error or answer.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes over a PHC string.
    pub const fn from_phc(text: String) -> Self {
        Self(text)
    }

    /// The PHC string: to store it, or to compare a password with it.
    pub fn as_phc(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_length_is_counted_in_characters_after_composing() {
        assert_eq!(PlainPassword::parse(&"ä".repeat(14)).unwrap_err(), PasswordError::TooShort);
        assert!(PlainPassword::parse(&"ä".repeat(15)).is_ok());
        assert_eq!(PlainPassword::parse(&"a\u{308}".repeat(14)).unwrap_err(), PasswordError::TooShort);
        assert!(PlainPassword::parse(&"😀".repeat(256)).is_ok());
        assert_eq!(PlainPassword::parse(&"x".repeat(257)).unwrap_err(), PasswordError::TooLong);
        assert_eq!(PlainPassword::parse("fifteen or more\0").unwrap_err(), PasswordError::Control);
    }

    #[test]
    fn two_keyboards_give_one_password() {
        let one = PlainPassword::parse("Ärger über Äpfel im Mai").unwrap();
        let other = PlainPassword::presented("A\u{308}rger\u{3000}u\u{308}ber\u{a0}Äpfel im Mai");
        assert_eq!(one.reveal(), other.reveal());
        assert_eq!(format!("{one:?}"), "PlainPassword(redacted)");
        assert_eq!(format!("{:?}", PasswordHash::from_phc("$argon2id$x".into())), "PasswordHash(redacted)");
    }

    proptest! {
        #[test]
        fn what_was_set_is_what_is_presented(text in ".{0,300}") {
            if let Ok(set) = PlainPassword::parse(&text) {
                let (presented, again) = (PlainPassword::presented(&text), PlainPassword::presented(set.reveal()));
                prop_assert_eq!(set.reveal(), presented.reveal());
                prop_assert_eq!(set.reveal(), again.reveal());
            }
        }
    }
}
