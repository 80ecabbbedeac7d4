//! The keys under which secrets at rest are sealed.

use std::collections::HashSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD_INDIFFERENT, URL_SAFE_NO_PAD_INDIFFERENT};
use zeroize::Zeroizing;

use super::{Fault, Raw, Settable, Shape};
use crate::config::finding::HIDDEN;
use crate::config::setting::Setting;

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Of 32 random bytes fewer different ones than this never occur; of a placeholder they do.
const DIFFERENT_BYTES: usize = 8;

/// One or several 256-bit keys: the first seals, all open. Wiped when dropped; never shown.
#[derive(Clone)]
pub struct MasterKeys(Vec<Zeroizing<[u8; KEY_BYTES]>>);

/// Why a text holds no master keys. Keys are counted from 1 and never repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyError {
    /// Nothing at all.
    #[error("holds no key")]
    None,
    /// Not base64.
    #[error("key {0} is not base64")]
    Encoding(usize),
    /// Another length.
    #[error("key {0} has {1} bytes, not 32")]
    Length(usize, usize),
    /// Too regular to be random.
    #[error("key {0} is not random")]
    Placeholder(usize),
    /// The same key twice.
    #[error("key {0} is there twice")]
    Twice(usize),
}

impl MasterKeys {
    /// A single key, just made.
    pub fn single(key: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        Self(vec![key])
    }

    /// Reads keys in base64, standard or URL-safe, separated by commas or white space.
    pub fn from_text(text: &str) -> Result<Self, MasterKeyError> {
        let mut keys = Vec::new();
        let separator = |c: char| c == ',' || c.is_whitespace();
        for (at, item) in text.split(separator).filter(|item| !item.is_empty()).enumerate() {
            let number = at + 1;
            let bytes = STANDARD_NO_PAD_INDIFFERENT
                .decode(item)
                .or_else(|_| URL_SAFE_NO_PAD_INDIFFERENT.decode(item))
                .map(Zeroizing::new)
                .map_err(|_| MasterKeyError::Encoding(number))?;
            let mut key = Zeroizing::new([0; KEY_BYTES]);
            if bytes.len() != KEY_BYTES {
                return Err(MasterKeyError::Length(number, bytes.len()));
            }
            key.copy_from_slice(&bytes);
            if key.iter().collect::<HashSet<_>>().len() < DIFFERENT_BYTES {
                return Err(MasterKeyError::Placeholder(number));
            }
            if keys.contains(&key) {
                return Err(MasterKeyError::Twice(number));
            }
            keys.push(key);
        }
        if keys.is_empty() { Err(MasterKeyError::None) } else { Ok(Self(keys)) }
    }

    /// All keys, the sealing one first. Every call of this is a place to look at in a review.
    pub fn reveal(&self) -> impl ExactSizeIterator<Item = &[u8; KEY_BYTES]> {
        self.0.iter().map(|key| &**key)
    }

    /// The keys as [`MasterKeys::from_text`] reads them, one a line: the content of a key file.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(self.0.len() * 45));
        for key in &self.0 {
            text.push_str(&Zeroizing::new(STANDARD.encode(key.as_slice())));
            text.push('\n');
        }
        text
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKeys({HIDDEN})")
    }
}

impl Settable for MasterKeys {
    const SHAPE: Shape = Shape::Texts;

    fn parse(raw: &Raw, _: &Setting) -> Result<Self, Fault> {
        let text = Zeroizing::new(match raw {
            Raw::Text(text) => text.clone(),
            Raw::Items(items) => items.join(","),
        });
        Self::from_text(&text).map_err(|error| Fault::new(format!("is wrong: {error}")))
    }

    fn show(&self) -> String {
        HIDDEN.to_owned()
    }

    fn expects(_: &Setting) -> String {
        "32 random bytes in base64 (`openssl rand -base64 32`), several separated by commas".to_owned()
    }

    fn holds_secret(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(first: u8) -> [u8; KEY_BYTES] {
        std::array::from_fn(|at| first.wrapping_add(u8::try_from(at).unwrap()))
    }

    #[test]
    fn the_first_key_seals_and_all_are_kept_in_order() {
        let text = format!("{}, {}", STANDARD.encode(key(250)), URL_SAFE_NO_PAD_INDIFFERENT.encode(key(1)));
        let keys = MasterKeys::from_text(&text).unwrap();
        assert_eq!(keys.reveal().copied().collect::<Vec<_>>(), [key(250), key(1)]);
        let again = MasterKeys::from_text(&keys.to_text()).unwrap();
        assert_eq!(again.reveal().copied().collect::<Vec<_>>(), [key(250), key(1)]);
    }

    #[test]
    fn each_way_to_get_it_wrong_is_named_without_the_key() {
        let good = STANDARD.encode(key(1));
        for (text, error) in [
            (String::new(), MasterKeyError::None),
            (" , ".to_owned(), MasterKeyError::None),
            (format!("{good},not base64!"), MasterKeyError::Encoding(2)),
            (STANDARD.encode([7; 31]), MasterKeyError::Length(1, 31)),
            (STANDARD.encode([0; 32]), MasterKeyError::Placeholder(1)),
            (format!("{good},{good}"), MasterKeyError::Twice(2)),
        ] {
            assert_eq!(MasterKeys::from_text(&text).unwrap_err(), error);
        }
    }

    #[test]
    fn nothing_printed_tells_the_key() {
        let keys = MasterKeys::single(Zeroizing::new(key(1)));
        assert_eq!(format!("{keys:?}"), "MasterKeys(***)");
        assert_eq!(keys.show(), "***");
    }
}
