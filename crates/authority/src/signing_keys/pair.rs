//! A pair of keys: making it, keeping it, and signing by it.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use keywright_core::SigningAlgorithm;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::entropy;

/// A private key in memory. It prints nothing, and leaves only as [`Pair::to_pkcs8`], to be sealed.
pub(super) enum Pair {
    EdDsa(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
    Rs256(Box<rsa::KeyPair>),
}

/// A key could not be made, read or used. Why, the library does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signing key of {0} cannot be made or used")]
pub(super) struct PairError(pub(super) SigningAlgorithm);

impl Pair {
    /// Makes a new pair. An RSA key, of 3,072 bits, takes a while.
    pub(super) fn generate(algorithm: SigningAlgorithm) -> Result<Self, PairError> {
        let made = match algorithm {
            SigningAlgorithm::EdDsa => Ed25519KeyPair::generate().map(Self::EdDsa),
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Self::Es256)
            }
            SigningAlgorithm::Rs256 => {
                rsa::KeyPair::generate(KeySize::Rsa3072).map(|pair| Self::Rs256(Box::new(pair)))
            }
        };
        made.map_err(|_| PairError(algorithm))
    }

    /// Reads [`Pair::to_pkcs8`] back.
    pub(super) fn from_pkcs8(algorithm: SigningAlgorithm, der: &[u8]) -> Result<Self, PairError> {
        let read = match algorithm {
            SigningAlgorithm::EdDsa => Ed25519KeyPair::from_pkcs8(der).map(Self::EdDsa),
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Self::Es256)
            }
            SigningAlgorithm::Rs256 => rsa::KeyPair::from_pkcs8(der).map(|pair| Self::Rs256(Box::new(pair))),
        };
        read.map_err(|_| PairError(algorithm))
    }

    /// The private key (PKCS #8, RFC 5208).
    pub(super) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, PairError> {
        let der = match self {
            Self::EdDsa(pair) => pair.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
            Self::Es256(pair) => pair.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
            Self::Rs256(pair) => AsDer::<Pkcs8V1Der<'_>>::as_der(&**pair).map(|der| der.as_ref().to_vec()),
        };
        der.map(Zeroizing::new).map_err(|_| PairError(self.algorithm()))
    }

    pub(super) const fn algorithm(&self) -> SigningAlgorithm {
        match self {
            Self::EdDsa(_) => SigningAlgorithm::EdDsa,
            Self::Es256(_) => SigningAlgorithm::Es256,
            Self::Rs256(_) => SigningAlgorithm::Rs256,
        }
    }

    /// The public half as a JWK (RFC 7517 §4; RFC 7518 §6.2 and §6.3, RFC 8037 §2).
    pub(super) fn public_jwk(&self, kid: &str) -> Map<String, Value> {
        let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match self {
            Self::EdDsa(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref())})
            }
            // An uncompressed point: 4, then two coordinates of full length (SEC 1 §2.3.3).
            Self::Es256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": text(x), "y": text(y)})
            }
            Self::Rs256(pair) => {
                let [n, e] = rsa_public(pair.public_key().as_ref()).unwrap_or_default();
                json!({"kty": "RSA", "n": text(n), "e": text(e)})
            }
        };
        jwk["alg"] = self.algorithm().as_str().into();
        jwk["use"] = "sig".into();
        jwk["kid"] = kid.into();
        match jwk {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }

    /// The signature of these bytes, in the form of a JWS (RFC 7518 §3.3 and §3.4, RFC 8037 §3.1).
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, PairError> {
        let signed = match self {
            Self::EdDsa(pair) => pair.try_sign(message).map(|signature| signature.as_ref().to_vec()),
            Self::Es256(pair) => {
                pair.sign(&entropy::generator(), message).map(|signature| signature.as_ref().to_vec())
            }
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &entropy::generator(), message, &mut signature)
                    .map(|()| signature)
            }
        };
        signed.map_err(|_| PairError(self.algorithm()))
    }
}

/// Modulus and exponent of an `RSAPublicKey` (RFC 8017 §A.1.1): a sequence of two integers in DER.
fn rsa_public(der: &[u8]) -> Option<[&[u8]; 2]> {
    const SEQUENCE: u8 = 0x30;
    let (members, _) = der_value(der, SEQUENCE)?;
    let (modulus, rest) = der_integer(members)?;
    Some([modulus, der_integer(rest)?.0])
}

/// An integer that is not negative, without the zero that says so; and what follows it.
fn der_integer(der: &[u8]) -> Option<(&[u8], &[u8])> {
    const INTEGER: u8 = 0x02;
    let (value, rest) = der_value(der, INTEGER)?;
    Some((value.strip_prefix(&[0]).unwrap_or(value), rest))
}

/// A value with this tag, and what follows it (X.690 §8.1).
fn der_value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        (length.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)), rest)
    };
    if found == tag { rest.split_at_checked(length) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keywright_verify::jwt::jwk::PublicKey;

    #[test]
    fn what_a_pair_signs_its_published_half_verifies() {
        for algorithm in SigningAlgorithm::ALL {
            let pair = Pair::generate(algorithm).unwrap();
            let kept = Pair::from_pkcs8(algorithm, &pair.to_pkcs8().unwrap()).unwrap();
            let jwk = pair.public_jwk("a key");
            assert_eq!(kept.public_jwk("a key"), jwk);
            let public = PublicKey::from_jwk(&jwk).unwrap();
            assert_eq!((public.kid(), public.algorithm().as_str()), (Some("a key"), algorithm.as_str()));
            let signature = kept.sign(b"message").unwrap();
            assert!(public.verifies(b"message", &signature), "{algorithm}");
            assert!(!public.verifies(b"messagf", &signature), "{algorithm}");
            // Nothing that is published is private.
            for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
                assert!(!jwk.contains_key(private), "{algorithm}: {private}");
            }
        }
    }

    #[test]
    fn a_key_is_read_only_as_what_it_is() {
        let der = Pair::generate(SigningAlgorithm::EdDsa).unwrap().to_pkcs8().unwrap();
        assert!(Pair::from_pkcs8(SigningAlgorithm::Es256, &der).is_err());
        assert!(Pair::from_pkcs8(SigningAlgorithm::EdDsa, &der[1..]).is_err());
    }
}
