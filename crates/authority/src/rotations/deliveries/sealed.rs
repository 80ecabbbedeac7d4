//! Sealed boxes (X25519, XSalsa20-Poly1305), as libsodium's `crypto_box_seal_open` opens them: only who has the
//! private half learns what is in one.

use aws_lc_rs::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_box::PublicKey;
use crypto_box::aead::rand_core::{CryptoRng, Error, RngCore};

use crate::entropy;

/// A receiver's key.
pub(super) struct ReceiverKey([u8; 32]);

impl ReceiverKey {
    /// Reads 32 bytes in base64; `None` when they are no key that a secret could be sealed to.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?.try_into().ok()?;
        contributes(&bytes).then_some(Self(bytes))
    }

    /// Seals to it; in base64.
    pub(super) fn seal(&self, plain: &str) -> Option<String> {
        let boxed = PublicKey::from(self.0).seal(&mut System, plain.as_bytes()).ok()?;
        Some(STANDARD.encode(boxed))
    }
}

/// Whether what is agreed on with this key is a secret. With a point of low order it is zero, whatever the other half
/// is, and everybody could open the box (RFC 7748 §6.1).
fn contributes(public: &[u8; 32]) -> bool {
    let peer = UnparsedPublicKey::new(&X25519, public);
    EphemeralPrivateKey::generate(&X25519, &entropy::generator())
        .is_ok_and(|own| agree_ephemeral(own, peer, (), |_| Ok(())).is_ok())
}

/// The system's generator, as the crate wants to be given it.
struct System;

impl RngCore for System {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            chunk.copy_from_slice(&entropy::token()[..chunk.len()]);
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for System {}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_box::SecretKey;

    fn key_of(bytes: [u8; 32]) -> Option<ReceiverKey> {
        ReceiverKey::parse(&STANDARD.encode(bytes))
    }

    #[test]
    fn who_has_the_private_half_opens_the_box_and_nobody_else() {
        let (own, other) = (SecretKey::from([7; 32]), SecretKey::from([8; 32]));
        let key = key_of(*own.public_key().as_bytes()).unwrap();
        let boxed = STANDARD.decode(key.seal("sk_secret").unwrap()).unwrap();
        assert_eq!(own.unseal(&boxed).unwrap(), b"sk_secret");
        assert!(other.unseal(&boxed).is_err());
        // A new box each time: nobody tells by it whether the secret is the same.
        assert_ne!(key.seal("sk_secret"), key.seal("sk_secret"));
    }

    #[test]
    fn what_is_no_key_is_none() {
        for text in ["", "AAAA", "not base64", &STANDARD.encode([7; 31]), &STANDARD.encode([7; 33])] {
            assert!(ReceiverKey::parse(text).is_none(), "{text}");
        }
    }

    /// The points of low order of the curve and of its twist, and the same beyond the prime.
    #[test]
    fn a_key_that_everybody_could_open_is_none() {
        let hex = |text: &str| <[u8; 32]>::try_from(hex::decode(text).unwrap()).unwrap();
        for low in [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000080",
        ] {
            assert!(key_of(hex(low)).is_none(), "{low}");
        }
        assert!(key_of(*SecretKey::from([7; 32]).public_key().as_bytes()).is_some());
    }
}
