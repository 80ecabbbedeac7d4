//! Public keys from JSON Web Keys (RFC 7517): Ed25519 (RFC 8037), P-256 and RSA (RFC 7518 §6).

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    VerificationAlgorithm,
};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::json;

/// Lengths of an RSA modulus that are accepted, in bytes: 2,048 to 8,192 bits.
const RSA_MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;
/// Longest exponent of an RSA key, in bytes. Longer ones only make verifying slow.
const RSA_EXPONENT_BYTES: usize = 4;
/// Most keys in a set.
const MAX_KEYS: usize = 200;

/// A signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1). There is no `none` and no HMAC among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ed25519.
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::EdDsa,
        Self::Es256,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
    ];

    /// The name in `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
        }
    }

    /// Reads [`Algorithm::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    const fn rsa(self) -> Option<&'static RsaParameters> {
        Some(match self {
            Self::EdDsa | Self::Es256 => return None,
            Self::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
            Self::Ps256 => &RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &RSA_PSS_2048_8192_SHA512,
        })
    }
}

/// Why a JWK is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// A member is missing, of another type, or not base64url.
    #[error("not a JWK: a member is missing or not what it must be")]
    Form,
    /// `oct`, or a private part: what is published is no secret any more.
    #[error("the key is secret, and was published")]
    Secret,
    /// Another type, curve or algorithm, or one that does not fit the other.
    #[error("a type, curve or algorithm that is not accepted")]
    Unsupported,
    /// `use` or `key_ops` say that it is for something else than verifying signatures.
    #[error("not meant for verifying signatures")]
    Use,
    /// RSA below 2,048 or above 8,192 bits, with an exponent that gives no safety, or of a known weak make.
    #[error("an RSA key that is too weak, or too large")]
    Weak,
    /// Not a point of the curve, or not a key.
    #[error("not a key of its curve")]
    Invalid,
}

/// A public key with the one algorithm that it verifies.
pub struct PublicKey {
    kid: Option<Box<str>>,
    algorithm: Algorithm,
    key: ParsedPublicKey,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl PublicKey {
    /// Reads a JWK. An RSA key that names no algorithm is one for RS256.
    ///
    /// # Errors
    /// [`JwkError`].
    pub fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, JwkError> {
        let kty = text(jwk, "kty")?.ok_or(JwkError::Form)?;
        if kty == "oct" || ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|n| jwk.contains_key(*n))
        {
            return Err(JwkError::Secret);
        }
        if !is_for_verifying(jwk)? {
            return Err(JwkError::Use);
        }
        let named = text(jwk, "alg")?.map(Algorithm::parse);
        let (algorithm, key) = match (kty, text(jwk, "crv")?) {
            ("OKP", Some("Ed25519")) => (Algorithm::EdDsa, parsed(&ED25519, &bytes(jwk, "x")?)?),
            ("EC", Some("P-256")) => (Algorithm::Es256, parsed(&ECDSA_P256_SHA256_FIXED, &point(jwk)?)?),
            ("RSA", None) => rsa(jwk, named.unwrap_or(Some(Algorithm::Rs256)))?,
            ("OKP" | "EC", None) => return Err(JwkError::Form),
            _ => return Err(JwkError::Unsupported),
        };
        if named.is_some_and(|named| named != Some(algorithm)) {
            return Err(JwkError::Unsupported);
        }
        Ok(Self { kid: text(jwk, "kid")?.map(Into::into), algorithm, key })
    }

    /// A public Ed25519 key of our own, from its 32 bytes.
    ///
    /// # Errors
    /// [`JwkError::Invalid`].
    pub fn ed25519(kid: &str, encoded: &[u8]) -> Result<Self, JwkError> {
        Ok(Self { kid: Some(kid.into()), algorithm: Algorithm::EdDsa, key: parsed(&ED25519, encoded)? })
    }

    /// What the key is called, where it has a name.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The one algorithm that it verifies.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether the signature is of these bytes.
    pub fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(signed, signature).is_ok()
    }
}

/// Why a set of keys is not used at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// No JSON object with a list `keys` of objects, or more than 200 of them.
    #[error("not a set of JWKs")]
    Form,
    /// Two usable keys have one name.
    #[error("two keys have the same kid")]
    DuplicateKid,
}

/// The keys of a JWK set by which signatures may be verified (RFC 7517 §5).
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<PublicKey>,
    /// How many keys of the set are not used: nameless ones, and those that [`PublicKey::from_jwk`] refuses.
    pub passed_over: usize,
}

impl KeySet {
    /// Reads a set. Keys that are not accepted are passed over, as the RFC asks for.
    ///
    /// # Errors
    /// [`KeySetError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, KeySetError> {
        let set = json::object(bytes).map_err(|_| KeySetError::Form)?;
        let Some(Value::Array(jwks)) = set.get("keys") else { return Err(KeySetError::Form) };
        if jwks.len() > MAX_KEYS {
            return Err(KeySetError::Form);
        }
        let mut read = Self::default();
        for jwk in jwks {
            match PublicKey::from_jwk(jwk.as_object().ok_or(KeySetError::Form)?) {
                Ok(key) if key.kid.is_some() => read.add(key)?,
                Ok(_) | Err(_) => read.passed_over += 1,
            }
        }
        Ok(read)
    }

    fn add(&mut self, key: PublicKey) -> Result<(), KeySetError> {
        if key.kid().is_some_and(|kid| self.get(kid).is_some()) {
            return Err(KeySetError::DuplicateKid);
        }
        self.keys.push(key);
        Ok(())
    }

    /// The key of exactly this name.
    pub fn get(&self, kid: &str) -> Option<&PublicKey> {
        self.keys.iter().find(|key| key.kid() == Some(kid))
    }

    /// The usable keys.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, JwkError> {
    match jwk.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() && text.len() <= 2048 => Ok(Some(text)),
        Some(_) => Err(JwkError::Form),
    }
}

fn bytes(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, JwkError> {
    let text = text(jwk, name)?.ok_or(JwkError::Form)?;
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| JwkError::Form)
}

/// `use` and `key_ops` (RFC 7517 §4.2, §4.3), where they say something.
fn is_for_verifying(jwk: &Map<String, Value>) -> Result<bool, JwkError> {
    let by_use = text(jwk, "use")?.is_none_or(|purpose| purpose == "sig");
    let by_operation = match jwk.get("key_ops") {
        None => true,
        Some(Value::Array(operations)) => operations.iter().any(|operation| operation == "verify"),
        Some(_) => return Err(JwkError::Form),
    };
    Ok(by_use && by_operation)
}

/// An uncompressed point (SEC 1 §2.3.3) of two coordinates of full length.
fn point(jwk: &Map<String, Value>) -> Result<Vec<u8>, JwkError> {
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    if x.len() != 32 || y.len() != 32 {
        return Err(JwkError::Invalid);
    }
    Ok([&[4][..], &x, &y].concat())
}

fn parsed(
    algorithm: &'static dyn VerificationAlgorithm,
    encoded: &[u8],
) -> Result<ParsedPublicKey, JwkError> {
    ParsedPublicKey::new(algorithm, encoded).map_err(|_| JwkError::Invalid)
}

fn rsa(
    jwk: &Map<String, Value>,
    algorithm: Option<Algorithm>,
) -> Result<(Algorithm, ParsedPublicKey), JwkError> {
    let fits = algorithm.and_then(|algorithm| Some((algorithm, algorithm.rsa()?)));
    let (algorithm, parameters) = fits.ok_or(JwkError::Unsupported)?;
    let (n, e) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
    if n.first() == Some(&0) || e.first() == Some(&0) {
        return Err(JwkError::Form);
    }
    let odd_above_one = e.last().is_some_and(|last| last % 2 == 1) && e != [1];
    let strong = RSA_MODULUS_BYTES.contains(&n.len()) && (n.len() > 256 || n[0] >= 0x80);
    if !strong || !odd_above_one || e.len() > RSA_EXPONENT_BYTES || is_roca(&n) {
        return Err(JwkError::Weak);
    }
    let key = RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters);
    Ok((algorithm, key.map_err(|_| JwkError::Invalid)?))
}

/// Moduli made by a faulty library are powers of 65,537 modulo each small prime (CVE-2017-15361): they can
/// be factored.
fn is_roca(modulus: &[u8]) -> bool {
    const PRIMES: [u32; 38] = [
        3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101,
        103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
    ];
    PRIMES.iter().all(|prime| {
        let rest = modulus.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        let mut power = 1;
        (0..*prime).any(|_| {
            power = power * 65_537 % prime;
            power == rest
        })
    })
}
