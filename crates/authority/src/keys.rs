//! Keys derived from the master keys: one purpose, one key (HKDF-SHA-256, RFC 5869).

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use keywright_core::PlainToken;
use zeroize::Zeroizing;

use crate::entropy;

/// The master keys: the first seals, all open.
pub struct Keys {
    masters: Vec<Master>,
}

struct Master {
    secret: Zeroizing<[u8; 32]>,
    id: String,
    chain: hmac::Key,
}

/// There is no key, or none that opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No master key at all.
    #[error("no master key is configured")]
    None,
    /// None of them opens this.
    #[error("no configured master key opens this")]
    NotOurs,
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn derive(secret: &[u8], salt: &[u8], purpose: &str) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    let info = [purpose.as_bytes()];
    Salt::new(HKDF_SHA256, salt)
        .extract(secret)
        .expand(&info, Length(32))
        .and_then(|okm| okm.fill(out.as_mut_slice()))
        .expect("32 bytes are within HKDF's bounds");
    out
}

fn chain_key(secret: &[u8]) -> Zeroizing<[u8; 32]> {
    derive(secret, b"", "keywright security event chain v1")
}

impl Keys {
    /// Takes the master keys, the sealing one first.
    ///
    /// # Errors
    /// [`KeyError::None`] when there is none.
    pub fn new(secrets: impl IntoIterator<Item = Zeroizing<[u8; 32]>>) -> Result<Self, KeyError> {
        let masters: Vec<_> = secrets
            .into_iter()
            .map(|secret| Master {
                id: hex::encode(&derive(secret.as_slice(), b"", "keywright key id v1")[..4]),
                chain: hmac::Key::new(hmac::HMAC_SHA256, chain_key(secret.as_slice()).as_slice()),
                secret,
            })
            .collect();
        if masters.is_empty() { Err(KeyError::None) } else { Ok(Self { masters }) }
    }

    /// The id of the key that seals, and its MAC over `parts`.
    pub fn chain_mac(&self, parts: &[&[u8]]) -> (&str, Vec<u8>) {
        let master = &self.masters[0];
        (&master.id, mac(&master.chain, parts))
    }

    /// Checks a MAC made under the key `key_id`; false also when that key is not configured.
    pub fn chain_mac_holds(&self, key_id: &str, parts: &[&[u8]], expected: &[u8]) -> bool {
        self.masters
            .iter()
            .find(|master| master.id == key_id)
            .is_some_and(|master| subtle_eq(&mac(&master.chain, parts), expected))
    }

    /// The audit keys, one for each master key, in the form that [`AuditKeys::parse`] reads: enough to
    /// check the chain, and nothing else follows from them.
    pub fn audit_keys(&self) -> impl Iterator<Item = Zeroizing<String>> + '_ {
        self.masters.iter().map(|master| {
            let key = chain_key(master.secret.as_slice());
            let digits = Zeroizing::new(hex::encode(key.as_slice()));
            Zeroizing::new(format!("{}:{}", master.id, digits.as_str()))
        })
    }

    /// What attempts to log in are counted under: it tells neither account nor address to whoever reads the
    /// store.
    pub fn throttle_key(&self, parts: &[&[u8]]) -> [u8; 32] {
        let key = derive(self.masters[0].secret.as_slice(), b"", "keywright login throttle v1");
        let mut out = [0; 32];
        out.copy_from_slice(&mac(&hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()), parts));
        out
    }

    /// What follows a refresh token, under each of the master keys, the sealing one first: always the same,
    /// so that it need not be stored to be told again.
    pub fn successors<'a>(&'a self, parent: &'a PlainToken) -> impl Iterator<Item = PlainToken> + 'a {
        self.masters.iter().map(move |master| {
            let key = derive(master.secret.as_slice(), b"", "keywright refresh successor v1");
            let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_slice());
            let mut out = Zeroizing::new([0; 32]);
            out.copy_from_slice(hmac::sign(&key, parent.reveal().as_bytes()).as_ref());
            PlainToken::refresh(&out)
        })
    }

    /// Whether the key with this id is configured.
    pub fn knows(&self, key_id: &str) -> bool {
        self.masters.iter().any(|master| master.id == key_id)
    }

    /// Seals under a key derived from the master key and `salt`: whoever has but one of the two, the
    /// database and the master key included, cannot open it.
    ///
    /// # Panics
    /// Not with texts of less than 64 GiB.
    pub fn seal(&self, purpose: &str, salt: &[u8], plain: &[u8]) -> Vec<u8> {
        let nonce = entropy::nonce();
        let mut sealed = plain.to_vec();
        self.masters[0]
            .cipher(purpose, salt)
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
            .expect("a short text is within AES-GCM's bounds");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens what [`Keys::seal`] sealed.
    ///
    /// # Errors
    /// [`KeyError::NotOurs`] when no key opens it.
    pub fn open(&self, purpose: &str, salt: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let (nonce, sealed) = sealed.split_at_checked(12).ok_or(KeyError::NotOurs)?;
        let nonce: [u8; 12] = nonce.try_into().map_err(|_| KeyError::NotOurs)?;
        self.masters
            .iter()
            .find_map(|master| {
                let mut bytes = Zeroizing::new(sealed.to_vec());
                let cipher = master.cipher(purpose, salt);
                let length = cipher
                    .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), bytes.as_mut_slice())
                    .ok()?
                    .len();
                bytes.truncate(length);
                Some(bytes)
            })
            .ok_or(KeyError::NotOurs)
    }
}

/// Keys that check the chain of security events, and open nothing.
///
/// The chain is sealed by HMAC: who can check a MAC can also make one. Whoever holds an audit key could
/// write an export that passes the check, but neither change what the store holds nor learn the master
/// key.
pub struct AuditKeys(Vec<(String, hmac::Key)>);

impl AuditKeys {
    /// Reads keys of the form `ID:HEX`, separated by commas or white space; lines that begin with `#`
    /// are passed over.
    ///
    /// # Errors
    /// In words, without repeating any of it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "an audit key is an id of 8 hexadecimal digits, a colon, and 64 more";
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let mut keys = Vec::new();
        for word in lines.flat_map(|line| line.split([',', ' ', '\t'])).map(str::trim) {
            if word.is_empty() {
                continue;
            }
            let (id, digits) = word.split_once(':').ok_or(WRONG)?;
            let secret = Zeroizing::new(hex::decode(digits).map_err(|_| WRONG)?);
            if id.len() != 8 || !id.bytes().all(|b| b.is_ascii_hexdigit()) || secret.len() != 32 {
                return Err(WRONG);
            }
            keys.push((id.to_ascii_lowercase(), hmac::Key::new(hmac::HMAC_SHA256, &secret)));
        }
        if keys.is_empty() { Err("there is no audit key in it") } else { Ok(Self(keys)) }
    }

    /// Checks a MAC made under the key `key_id`; `None` when that key is not among these.
    pub(crate) fn holds(&self, key_id: &str, parts: &[&[u8]], expected: &[u8]) -> Option<bool> {
        let (_, key) = self.0.iter().find(|(id, _)| id == key_id)?;
        Some(subtle_eq(&mac(key, parts), expected))
    }
}

impl fmt::Debug for AuditKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(id, _)| id)).finish()
    }
}

impl Master {
    fn cipher(&self, purpose: &str, salt: &[u8]) -> LessSafeKey {
        let key = derive(self.secret.as_slice(), salt, purpose);
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_slice()).expect("the key has 32 bytes"))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.masters.iter().map(|master| &master.id)).finish()
    }
}

fn mac(key: &hmac::Key, parts: &[&[u8]]) -> Vec<u8> {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    context.sign().as_ref().to_vec()
}

fn subtle_eq(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(seeds: &[u8]) -> Keys {
        Keys::new(seeds.iter().map(|seed| Zeroizing::new([*seed; 32]))).unwrap()
    }

    #[test]
    fn what_is_sealed_needs_both_the_master_key_and_the_salt() {
        let sealed = keys(&[1]).seal("p", b"salt", b"secret");
        assert!(!sealed.windows(6).any(|w| w == b"secret"));
        assert_eq!(keys(&[1]).open("p", b"salt", &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(keys(&[2, 1]).open("p", b"salt", &sealed).unwrap().as_slice(), b"secret");
        for (seed, purpose, salt) in [(2, "p", "salt"), (1, "q", "salt"), (1, "p", "tlas")] {
            assert!(keys(&[seed]).open(purpose, salt.as_bytes(), &sealed).is_err());
        }
        assert!(keys(&[1]).open("p", b"salt", b"short").is_err());
    }

    #[test]
    fn an_audit_key_checks_what_its_master_key_sealed_and_is_told_by_no_debug() {
        let keys = keys(&[1, 2]);
        let (id, mac) = keys.chain_mac(&[b"ab"]);
        let texts: Vec<_> = keys.audit_keys().collect();
        assert_eq!(texts.len(), 2);
        let audit =
            AuditKeys::parse(&format!("# kept by the auditor\n{}\n{}", *texts[1], *texts[0])).unwrap();
        assert_eq!(audit.holds(id, &[b"ab"], &mac), Some(true));
        assert_eq!(audit.holds(id, &[b"ac"], &mac), Some(false));
        let other = AuditKeys::parse(&texts[1]).unwrap();
        assert_eq!(other.holds(id, &[b"ab"], &mac), None);
        let secret = texts[0].split(':').nth(1).unwrap();
        assert!(!format!("{audit:?}").contains(secret) && !secret.contains("0101010101"));
        for wrong in ["", "# nothing", secret, "0011223:00", "00112233:00", &texts[0][1..], "x0112233:00"] {
            assert!(AuditKeys::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_successor_follows_from_its_parent_and_the_master_key_alone() {
        let parent = PlainToken::refresh(&Zeroizing::new([7; 32]));
        let of = |seeds: &[u8]| -> Vec<_> {
            keys(seeds).successors(&parent).map(|token| token.reveal().to_owned()).collect()
        };
        assert_eq!(of(&[1]), of(&[1]));
        assert_ne!(of(&[1]), of(&[2]));
        // After a change of the master key the old one still finds what it gave.
        assert_eq!(of(&[2, 1])[1], of(&[1])[0]);
        let other = PlainToken::refresh(&Zeroizing::new([8; 32]));
        assert_ne!(keys(&[1]).successors(&other).next().unwrap().reveal(), of(&[1])[0]);
        let key = keys(&[1]).throttle_key(&[b"ab", b"c"]);
        assert_ne!(key, keys(&[1]).throttle_key(&[b"a", b"bc"]));
        assert_ne!(key, keys(&[2]).throttle_key(&[b"ab", b"c"]));
    }

    #[test]
    fn a_mac_tells_where_a_part_ends() {
        let keys = keys(&[1]);
        let (id, mac) = keys.chain_mac(&[b"ab", b"c"]);
        assert!(keys.chain_mac_holds(id, &[b"ab", b"c"], &mac));
        assert!(!keys.chain_mac_holds(id, &[b"a", b"bc"], &mac));
        assert!(!keys.chain_mac_holds("00000000", &[b"ab", b"c"], &mac));
    }
}
