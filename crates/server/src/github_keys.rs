//! The keys by which GitHub's secret scanning signs what it has found (secret-scanning partner program).
//!
//! Only the address of the configuration is asked; nothing that a request names is. All that come while it is asked wait
//! for that one answer. Once it did not tell the key that a request names, it is not asked for unknown keys for a minute.

use std::collections::HashMap;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use keywright_verify::clock::boot_micros;
use serde::Deserialize;
use tokio::sync::Mutex;
use tracing::warn;

use crate::issuers::Fetcher;

/// How long keys are used before they are asked for again.
const FRESH_MICROS: i64 = 3_600_000_000;
/// How long they are used while the address does not answer.
const KEPT_MICROS: i64 = 24 * 3_600_000_000;
/// After an attempt that did not tell the wanted key.
const PAUSE_MICROS: i64 = 60_000_000;
/// Most keys that are kept.
const MOST_KEYS: usize = 100;
/// What stands before the point in a `SubjectPublicKeyInfo` of P-256 (RFC 5480 §2).
const P256_INFO: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// An uncompressed point.
const POINT_BYTES: usize = 65;

/// Whose a signature is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// GitHub's.
    Yes,
    /// Nobody's.
    No,
    /// The keys cannot be had at the moment.
    Unavailable,
}

#[derive(Default)]
struct State {
    keys: HashMap<String, Vec<u8>>,
    /// When the keys were fetched, and when they were asked for in vain, by the boot-time clock.
    fetched: Option<i64>,
    in_vain: Option<i64>,
}

/// The keys, fetched when they are needed.
pub struct GithubKeys {
    url: String,
    fetcher: Fetcher,
    state: Mutex<State>,
}

#[derive(Deserialize)]
struct Answer {
    public_keys: Vec<PublicKey>,
}

#[derive(Deserialize)]
struct PublicKey {
    key_identifier: String,
    key: String,
}

impl GithubKeys {
    /// Keys at this address.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(url: impl Into<String>) -> reqwest::Result<Self> {
        Ok(Self { url: url.into(), fetcher: Fetcher::new()?, state: Mutex::default() })
    }

    /// Whether GitHub signed the bytes of a body: with the key of that name, in base64.
    pub async fn signed(&self, key: &str, signature: &str, body: &[u8]) -> Signed {
        let Ok(signature) = BASE64_STANDARD.decode(signature) else { return Signed::No };
        let mut state = self.state.lock().await;
        let now = boot_micros();
        let age = |since: Option<i64>| since.map_or(i64::MAX, |since| now - since);
        let wanted = age(state.fetched) > FRESH_MICROS || !state.keys.contains_key(key);
        if wanted && age(state.in_vain) > PAUSE_MICROS {
            match self.fetch().await {
                Ok(keys) => (state.keys, state.fetched) = (keys, Some(now)),
                Err(error) => warn!(error, "the keys of GitHub's secret scanning cannot be fetched"),
            }
            let told = state.fetched == Some(now) && state.keys.contains_key(key);
            state.in_vain = (!told).then_some(now);
        }
        if age(state.fetched) > KEPT_MICROS {
            return Signed::Unavailable;
        }
        let Some(point) = state.keys.get(key) else { return Signed::No };
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point);
        if key.verify(body, &signature).is_ok() { Signed::Yes } else { Signed::No }
    }

    async fn fetch(&self) -> Result<HashMap<String, Vec<u8>>, String> {
        let answer: Answer = serde_json::from_slice(&self.fetcher.get(&self.url, false).await?)
            .map_err(|_| "the answer is no list of keys".to_owned())?;
        // A key of another kind is passed over: what it signs is nobody's.
        let keys = answer.public_keys.into_iter().take(MOST_KEYS);
        Ok(keys.filter_map(|key| Some((key.key_identifier, point(&key.key)?))).collect())
    }
}

/// The point of a P-256 key in PEM.
fn point(pem: &str) -> Option<Vec<u8>> {
    let text =
        pem.trim().strip_prefix("-----BEGIN PUBLIC KEY-----")?.strip_suffix("-----END PUBLIC KEY-----")?;
    let text: String = text.split_ascii_whitespace().collect();
    let info = BASE64_STANDARD.decode(text).ok()?;
    let point = info.strip_prefix(&P256_INFO)?;
    (point.len() == POINT_BYTES).then(|| point.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_a_key_of_that_curve_is_one() {
        let info = [P256_INFO.as_slice(), &[4; POINT_BYTES]].concat();
        let pem = |info: &[u8]| {
            format!(
                "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
                BASE64_STANDARD.encode(info)
            )
        };
        assert_eq!(point(&pem(&info)), Some(vec![4; POINT_BYTES]));
        for bad in [&info[1..], &info[..info.len() - 1], &[info.as_slice(), &[0]].concat(), &[]] {
            assert_eq!(point(&pem(bad)), None);
        }
        assert_eq!(point("-----BEGIN PUBLIC KEY-----"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}") {
            let _ = point(&text);
            let _ = point(&format!("-----BEGIN PUBLIC KEY-----{text}-----END PUBLIC KEY-----"));
        }
    }
}
