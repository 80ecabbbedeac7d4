//! A token of another system, held against the rules of ours before the store is asked anything.

use std::collections::BTreeMap;

use base64::Engine as _;
use keywright_core::{
    CredentialName, Metadata, Scope, ScopeSet, Timestamp, TokenHash, name::NameError, scope::ScopeError,
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::told::{Outcome, Reason, Refusal, Told};

/// What covered everything in AUTH-2.
const ADMIN: &str = "admin";
const ADMIN_NOTE: &str = "`admin` let it do everything there; here it is the one permission of that name, unless \
                          it is mapped to another";

/// A token that may be taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) line: Option<u64>,
    pub(super) source_id: Uuid,
    pub(super) name: CredentialName,
    pub(super) hash: TokenHash,
    pub(super) permissions: ScopeSet,
    pub(super) metadata: Metadata,
    pub(super) is_active: bool,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) usage_count: u64,
    pub(super) last_used_at: Option<Timestamp>,
    pub(super) created_at: Timestamp,
    /// Name or id of its service account.
    pub(super) account: Option<String>,
    pub(super) notes: Vec<String>,
}

impl Candidate {
    /// What is told of it.
    pub(super) fn told(&self, outcome: Outcome) -> Told {
        Told {
            outcome,
            line: self.line,
            source_id: self.line.is_none().then_some(self.source_id),
            name: self.name.as_str().to_owned(),
            credential_id: None,
            reason: None,
            detail: None,
            notes: self.notes.clone(),
        }
    }

    /// That it is not taken over.
    pub(super) fn refused(&self, refusal: Refusal) -> Told {
        let Refusal { reason, detail } = refusal;
        Told { reason: Some(reason), detail: Some(detail), ..self.told(Outcome::Refused) }
    }
}

/// What the permissions of another system are here, where they are not the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions(BTreeMap<String, Vec<Scope>>);

/// Why a text does not say what a permission is here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PermissionsError {
    /// Not of the form `OLD=NEW,NEW`.
    #[error("{0:?} is not of the form OLD=NEW,NEW")]
    Form(String),
    /// A new one is none.
    #[error("{0:?} {1}")]
    Scope(String, ScopeError),
}

impl Permissions {
    /// Reads `OLD=NEW,NEW`; with nothing behind the `=`, the old one is left away.
    ///
    /// # Errors
    /// [`PermissionsError`] for the first that cannot be read.
    pub fn parse(texts: &[String]) -> Result<Self, PermissionsError> {
        let mut known = BTreeMap::new();
        for text in texts {
            let form = || PermissionsError::Form(text.clone());
            let (old, new) = text.split_once('=').ok_or_else(form)?;
            if old.is_empty() {
                return Err(form());
            }
            let new = new.split(',').filter(|text| !text.is_empty()).map(|text| {
                text.parse::<Scope>().map_err(|error| PermissionsError::Scope(text.to_owned(), error))
            });
            known.insert(old.to_owned(), new.collect::<Result<_, _>>()?);
        }
        Ok(Self(known))
    }

    /// What these texts of another system are here. None is left away that nobody said should be, and none becomes
    /// more than it was.
    pub(super) fn scopes<'a>(
        &self,
        texts: impl IntoIterator<Item = &'a str>,
        notes: &mut Vec<String>,
    ) -> Result<ScopeSet, Refusal> {
        let mut scopes = Vec::new();
        for text in texts {
            if let Some(mapped) = self.0.get(text) {
                scopes.extend(mapped.iter().cloned());
                continue;
            }
            let scope = text.parse::<Scope>().map_err(|error| {
                let shown: String = text.chars().take(120).collect();
                Refusal::new(Reason::Permission, format!("{shown:?} {error}"))
            })?;
            if text == ADMIN && !notes.iter().any(|note| note == ADMIN_NOTE) {
                notes.push(ADMIN_NOTE.to_owned());
            }
            scopes.push(scope);
        }
        ScopeSet::new(scopes).map_err(|error| Refusal::new(Reason::Permission, error.to_string()))
    }
}

/// A name, as it will be here.
pub(super) fn name(text: &str, notes: &mut Vec<String>) -> Result<CredentialName, Refusal> {
    let name = CredentialName::parse(text)
        .map_err(|error: NameError| Refusal::new(Reason::Name, format!("the name {error}")))?;
    if name.as_str() != text {
        notes.push("the name was trimmed, or written in another form of Unicode".to_owned());
    }
    Ok(name)
}

/// A SHA-256 in hexadecimal digits or base64.
pub(super) fn hash(text: &str) -> Result<TokenHash, Refusal> {
    let text = text.trim();
    let bare = text.strip_prefix("sha256:").or_else(|| text.strip_prefix("sha256-")).unwrap_or(text);
    let bytes = match bare.len() {
        64 => hex::decode(bare).ok(),
        43 => base64::engine::general_purpose::STANDARD_NO_PAD
            .decode(bare)
            .or_else(|_| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(bare))
            .ok(),
        44 => base64::engine::general_purpose::STANDARD
            .decode(bare)
            .or_else(|_| base64::engine::general_purpose::URL_SAFE.decode(bare))
            .ok(),
        _ => None,
    };
    let hash = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    hash.map(TokenHash::from_bytes).ok_or_else(|| match other_kind(bare) {
        // The hash itself is not repeated: whoever reads a report has no use for it.
        Some(kind) => {
            Refusal::new(Reason::HashKind, format!("it is {kind}; tokens are found by their SHA-256 alone"))
        }
        None => {
            Refusal::new(Reason::Hash, "it is not the 64 hexadecimal digits, or the base64, of a SHA-256")
        }
    })
}

/// What else a hash may be.
fn other_kind(text: &str) -> Option<&'static str> {
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| text.starts_with(prefix));
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.len() {
        _ if begins(&["$2a$", "$2b$", "$2x$", "$2y$"]) => Some("a bcrypt hash"),
        _ if begins(&["$argon2"]) => Some("an Argon2 hash"),
        _ if begins(&["$scrypt$", "$7$", "scrypt:"]) => Some("a scrypt hash"),
        _ if begins(&["pbkdf2", "$pbkdf2"]) => Some("a PBKDF2 hash"),
        _ if begins(&["$5$", "$6$", "$1$", "$y$"]) => Some("a hash of crypt(3)"),
        32 if is_hex => Some("as long as an MD5"),
        40 if is_hex => Some("as long as a SHA-1"),
        56 if is_hex => Some("as long as a SHA-224"),
        96 if is_hex => Some("as long as a SHA-384"),
        128 if is_hex => Some("as long as a SHA-512"),
        _ => None,
    }
}

/// What an application keeps with a token.
pub(super) fn metadata(map: Map<String, Value>) -> Result<Metadata, Refusal> {
    Metadata::new(map).map_err(|error| Refusal::new(Reason::Metadata, format!("the metadata {error}")))
}

/// Ten bytes that follow from what something is in its source.
pub(super) fn fingerprint(label: &str, bytes: &[u8]) -> [u8; 10] {
    let hash = TokenHash::of(&[label.as_bytes(), &[0], bytes].concat());
    let mut ten = [0; 10];
    ten.copy_from_slice(&hash.as_bytes()[..10]);
    ten
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_hash_is_a_sha256_or_is_told_for_what_it_is() {
        let of = TokenHash::of(b"x");
        let digits = hex::encode(of.as_bytes());
        let base64 = base64::engine::general_purpose::STANDARD.encode(of.as_bytes());
        let url = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(of.as_bytes());
        for text in [&digits, &digits.to_uppercase(), &format!("sha256:{digits}"), &base64, &url] {
            assert_eq!(hash(text), Ok(of), "{text}");
        }
        for (text, reason) in [
            ("", Reason::Hash),
            ("zz", Reason::Hash),
            (&digits[1..], Reason::Hash),
            (&format!("{digits}0"), Reason::Hash),
            (&"g".repeat(64), Reason::Hash),
            ("$2b$12$abcdefghijklmnopqrstuv", Reason::HashKind),
            ("$argon2id$v=19$m=1", Reason::HashKind),
            (&"a".repeat(32), Reason::HashKind),
            (&"a".repeat(40), Reason::HashKind),
            (&"a".repeat(128), Reason::HashKind),
        ] {
            let refusal = hash(text).unwrap_err();
            assert_eq!(refusal.reason, reason, "{text}");
            assert!(text.is_empty() || !refusal.detail.contains(text), "{}", refusal.detail);
        }
    }

    #[test]
    fn the_operator_alone_says_that_a_permission_is_another() {
        let texts = ["admin=*".to_owned(), "API Read=api_read,works:read".to_owned(), "junk=".to_owned()];
        let known = Permissions::parse(&texts).unwrap();
        let mut notes = Vec::new();
        let scopes = known.scopes(["admin", "API Read", "junk", "system_status"], &mut notes).unwrap();
        assert_eq!(scopes, ScopeSet::parse(["*", "api_read", "works:read", "system_status"]).unwrap());
        assert!(notes.is_empty());
        let plain = Permissions::default();
        assert_eq!(plain.scopes(["admin"], &mut notes).unwrap(), ScopeSet::parse(["admin"]).unwrap());
        assert_eq!(notes, [ADMIN_NOTE]);
        let refusal = plain.scopes(["api_read", "API Read"], &mut notes).unwrap_err();
        assert!(refusal.reason == Reason::Permission && refusal.detail.contains("API Read"), "{refusal:?}");
        for bad in ["admin", "=x", "a=B"] {
            assert!(Permissions::parse(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_permission_becomes_more_than_it_was_and_none_is_lost(
            texts in proptest::collection::vec("([a-z_:*A-Z ]{0,12}|admin|\\*|a:\\*)", 0..8)
        ) {
            let of_texts = texts.iter().map(String::as_str);
            match Permissions::default().scopes(of_texts, &mut Vec::new()) {
                Ok(scopes) => {
                    let kept: Vec<_> = scopes.iter().map(Scope::as_str).collect();
                    prop_assert!(texts.iter().all(|text| kept.contains(&text.as_str())));
                    prop_assert!(kept.iter().all(|scope| texts.iter().any(|text| text == scope)));
                }
                Err(refusal) => {
                    prop_assert_eq!(refusal.reason, Reason::Permission);
                    prop_assert!(texts.iter().any(|text| text.parse::<Scope>().is_err()));
                }
            }
        }

        #[test]
        fn no_text_is_a_hash_of_another_length(text in ".{0,140}") {
            if let Ok(hash) = hash(&text) {
                let bare = text.trim().trim_start_matches("sha256:").trim_start_matches("sha256-");
                prop_assert!(bare.eq_ignore_ascii_case(&hex::encode(hash.as_bytes())) || matches!(bare.len(), 43 | 44));
            }
        }
    }
}
