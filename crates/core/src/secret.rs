//! Secrets: the plain token, its hash, its hint, and the sorting of what a caller presents.

use std::fmt;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What every service token starts with.
pub const SERVICE_PREFIX: &str = "sk_";
/// Characters of a service token: the prefix and 64 lower-case hex digits.
pub const SERVICE_LENGTH: usize = 67;
/// What every personal token starts with.
pub const PERSONAL_PREFIX: &str = "pat_";
/// Characters of a personal token: the prefix, 64 lower-case hex digits, and 8 of checksum.
pub const PERSONAL_LENGTH: usize = 76;
const PERSONAL_CHECKED: usize = PERSONAL_LENGTH - 8;
/// What every refresh token starts with.
pub const REFRESH_PREFIX: &str = "rt_";
/// What every token in a mail starts with: it is used once, for one purpose.
pub const MAILED_PREFIX: &str = "mt_";
/// Entropy of a token: 256 bits of the system's generator.
pub type TokenEntropy = [u8; 32];
/// Shortest and longest JWT that is looked at, in bytes.
pub const JWT_BYTES: std::ops::RangeInclusive<usize> = 16..=16 * 1024;

/// A secret in the clear. It can be neither copied, printed nor serialized; it is wiped when dropped
/// and leaves only through [`PlainToken::reveal`], in the answer that creates or rotates it.
pub struct PlainToken(Zeroizing<String>);

impl PlainToken {
    /// A new service token from 32 bytes of the system's generator.
    pub fn service(entropy: &Zeroizing<TokenEntropy>) -> Self {
        Self::prefixed(SERVICE_PREFIX, entropy)
    }

    /// A new personal token from 32 bytes of the system's generator. It ends in a checksum of all before it,
    /// so that a typing error, and what a scanner for secrets only takes for a token, is told without a query.
    pub fn personal(entropy: &Zeroizing<TokenEntropy>) -> Self {
        let mut token = Self::prefixed(PERSONAL_PREFIX, entropy);
        let checksum = checksum(token.0.as_bytes());
        token.0.push_str(&checksum);
        token
    }

    /// A refresh token, from 32 bytes that nobody can guess.
    pub fn refresh(entropy: &Zeroizing<TokenEntropy>) -> Self {
        Self::prefixed(REFRESH_PREFIX, entropy)
    }

    /// A token to be sent by mail, from 32 bytes of the system's generator.
    pub fn mailed(entropy: &Zeroizing<TokenEntropy>) -> Self {
        Self::prefixed(MAILED_PREFIX, entropy)
    }

    fn prefixed(prefix: &str, entropy: &Zeroizing<TokenEntropy>) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(PERSONAL_LENGTH));
        text.push_str(prefix);
        text.push_str(&Zeroizing::new(hex::encode(entropy.as_slice())));
        Self(text)
    }

    /// Takes over a text that was sealed by us and is opened again.
    pub fn from_sealed(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The secret itself. Every call of this is a place to look at in a review.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored in its stead.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.0.as_bytes())
    }

    /// What is shown in its stead.
    pub fn hint(&self) -> TokenHint {
        let (prefix, rest) = self.0.split_at(self.0.find('_').map_or(0, |at| at + 1));
        TokenHint(format!("{prefix}{}…{}", &rest[..4], &rest[rest.len() - 4..]))
    }
}

impl fmt::Debug for PlainToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainToken(redacted)")
    }
}

/// SHA-256 of a token. It is the key under which a credential is found, and is treated as a secret
/// too: it appears in no log, error or answer. Comparing two may stop early: whoever could steer a
/// SHA-256 byte by byte would have no use for the time that it takes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Hashes what was presented.
    pub fn of(presented: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, presented).as_ref());
        Self(hash)
    }

    /// From the stored bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes to store or to look up by.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(redacted)")
    }
}

/// Prefix, first four and last four characters: enough to recognise a token, too little to use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenHint(pub String);

/// What a caller presented, sorted by its form alone, before any look-up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Bearer<'a> {
    /// The form of a service token; its hash.
    Service(TokenHash),
    /// The form of a personal token, its checksum included; its hash.
    Personal(TokenHash),
    /// The form of a JWT in its compact serialization (RFC 7519 §3): whether it is one, its reader tells.
    Jwt(&'a [u8]),
    /// No form that Keywright issues: denied as `malformed` without a query.
    Malformed,
}

impl fmt::Debug for Bearer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Service(_) => "Service(redacted)",
            Self::Personal(_) => "Personal(redacted)",
            Self::Jwt(_) => "Jwt(redacted)",
            Self::Malformed => "Malformed",
        })
    }
}

impl<'a> Bearer<'a> {
    /// Sorts what was presented. Only lower-case hex of exactly the right length is a token: a
    /// second spelling of the same secret would be a second key to the same door.
    pub fn sort(presented: &'a [u8]) -> Self {
        if has_form(presented, SERVICE_PREFIX) {
            Self::Service(TokenHash::of(presented))
        } else if is_personal(presented) {
            Self::Personal(TokenHash::of(presented))
        } else if is_compact_jws(presented) {
            Self::Jwt(presented)
        } else {
            Self::Malformed
        }
    }
}

/// The hash of a refresh token; `None` of what has no such form.
pub fn sort_refresh(presented: &[u8]) -> Option<TokenHash> {
    has_form(presented, REFRESH_PREFIX).then(|| TokenHash::of(presented))
}

/// The hash of a token from a mail; `None` of what has no such form.
pub fn sort_mailed(presented: &[u8]) -> Option<TokenHash> {
    has_form(presented, MAILED_PREFIX).then(|| TokenHash::of(presented))
}

/// A prefix and 64 lower-case hex digits.
fn has_form(presented: &[u8], prefix: &str) -> bool {
    presented.len() == SERVICE_LENGTH
        && presented.starts_with(prefix.as_bytes())
        && is_lower_hex(&presented[prefix.len()..])
}

/// CRC-32/ISO-HDLC, in lower-case hex: the form in which GitHub's tokens carry theirs is base 62, ours needs no
/// second alphabet.
fn checksum(bytes: &[u8]) -> String {
    hex::encode(crc32fast::hash(bytes).to_be_bytes())
}

fn is_personal(presented: &[u8]) -> bool {
    presented.len() == PERSONAL_LENGTH
        && presented.starts_with(PERSONAL_PREFIX.as_bytes())
        && is_lower_hex(&presented[PERSONAL_PREFIX.len()..])
        && presented[PERSONAL_CHECKED..] == *checksum(&presented[..PERSONAL_CHECKED]).as_bytes()
}

/// Three parts of base64url without padding, the first of them an object in JSON: `{"` is `eyJ`.
fn is_compact_jws(presented: &[u8]) -> bool {
    if !JWT_BYTES.contains(&presented.len()) || !presented.starts_with(b"eyJ") {
        return false;
    }
    let (dots, fine) = presented.iter().fold((0_usize, true), |(dots, fine), b| {
        let dot = *b == b'.';
        (dots + usize::from(dot), fine & (dot | b.is_ascii_alphanumeric() | matches!(b, b'-' | b'_')))
    });
    fine && dots == 2
}

/// Without a way out in the middle, so that it compiles to a few wide comparisons.
fn is_lower_hex(bytes: &[u8]) -> bool {
    let is_digit = |b: u8| (b.wrapping_sub(b'0') < 10) | (b.wrapping_sub(b'a') < 6);
    bytes.iter().fold(true, |all, b| all & is_digit(*b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token() -> PlainToken {
        PlainToken::service(&Zeroizing::new([0xa5; 32]))
    }

    #[test]
    fn a_token_sorts_to_the_hash_it_is_stored_under() {
        let token = token();
        assert_eq!(token.reveal().len(), SERVICE_LENGTH);
        assert_eq!(Bearer::sort(token.reveal().as_bytes()), Bearer::Service(token.hash()));
    }

    #[test]
    fn near_misses_are_malformed() {
        let good = token().reveal().to_owned();
        let hash = hex::encode(token().hash().as_bytes());
        for bad in [
            good[..66].to_owned(),
            format!("{good}0"),
            good.to_uppercase(),
            format!("sk_{}", good[3..].to_uppercase()),
            format!("{good} "),
            format!(" {good}"),
            format!("{}\0", &good[..66]),
            good.replace("sk_", "pat_"),
            hash,
            String::new(),
        ] {
            assert_eq!(Bearer::sort(bad.as_bytes()), Bearer::Malformed, "{bad:?}");
        }
    }

    #[test]
    fn a_personal_token_tells_a_typing_error_by_itself() {
        let token = PlainToken::personal(&Zeroizing::new([0xa5; 32]));
        let text = token.reveal();
        assert_eq!(text.len(), PERSONAL_LENGTH);
        assert_eq!(Bearer::sort(text.as_bytes()), Bearer::Personal(token.hash()));
        assert_eq!(token.hint().0.chars().count(), "pat_".len() + 9);
        for at in PERSONAL_PREFIX.len()..PERSONAL_LENGTH {
            let mut wrong = text.as_bytes().to_vec();
            wrong[at] = if wrong[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(Bearer::sort(&wrong), Bearer::Malformed, "digit {at}");
        }
        for bad in [&text[..75], &format!("{text}0"), &text.to_uppercase(), &format!(" {text}"), &text[..68]]
        {
            assert_eq!(Bearer::sort(bad.as_bytes()), Bearer::Malformed, "{bad:?}");
        }
    }

    #[test]
    fn the_checksum_is_the_one_that_everybody_computes() {
        // The check value of CRC-32/ISO-HDLC: that of "123456789".
        assert_eq!(checksum(b"123456789"), "cbf43926");
    }

    #[test]
    fn each_form_is_its_own() {
        let entropy = Zeroizing::new([7; 32]);
        let (refresh, mailed) = (PlainToken::refresh(&entropy), PlainToken::mailed(&entropy));
        assert_eq!(Bearer::sort(refresh.reveal().as_bytes()), Bearer::Malformed);
        assert_eq!(sort_refresh(refresh.reveal().as_bytes()), Some(refresh.hash()));
        assert_eq!(sort_mailed(mailed.reveal().as_bytes()), Some(mailed.hash()));
        assert_eq!(sort_refresh(mailed.reveal().as_bytes()), None);
        assert_eq!(sort_mailed(token().reveal().as_bytes()), None);
        let jwt = "eyJhbGciOiJFZERTQSJ9.e30.c2ln";
        assert_eq!(Bearer::sort(jwt.as_bytes()), Bearer::Jwt(jwt.as_bytes()));
        let long = format!("{jwt}{}", "A".repeat(16 * 1024));
        for bad in [
            &jwt[..24],
            &jwt.replace("c2ln", "c2=n"),
            &format!("{jwt}.a"),
            &format!(" {jwt}"),
            &long,
            "eyJ..",
        ] {
            assert_eq!(Bearer::sort(bad.as_bytes()), Bearer::Malformed, "{bad:?}");
        }
        assert!(!format!("{:?}", Bearer::sort(jwt.as_bytes())).contains("eyJ"));
    }

    #[test]
    fn nothing_printed_tells_the_secret() {
        let token = token();
        assert_eq!(format!("{token:?}"), "PlainToken(redacted)");
        assert_eq!(format!("{:?}", token.hash()), "TokenHash(redacted)");
        assert_eq!(token.hint().0, "sk_a5a5…a5a5");
    }

    proptest! {
        #[test]
        fn only_the_exact_form_is_a_service_token(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let form = std::str::from_utf8(&bytes).is_ok_and(|t| t.len() == 67 && t.starts_with("sk_")
                && t[3..].chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)));
            prop_assert_eq!(matches!(Bearer::sort(&bytes), Bearer::Service(_)), form);
        }
    }
}
