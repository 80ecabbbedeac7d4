//! Nothing that was not signed verifies, what reads as claims ends some day, and no key set panics.

use keywright_core::Timestamp;
use keywright_verify::jwt::{Claims, Compact, KeySet, PublicKey};

/// Holds it against any input.
pub fn hold(bytes: &[u8]) {
    // The key of RFC 8037, Appendix A: its private half is public, but no fuzzer signs with it.
    let key = PublicKey::ed25519("k", &hex_key()).expect("a public key");
    if let Ok(token) = Compact::parse(bytes) {
        assert!(token.verify(&key).is_err());
    }
    if let Ok(claims) = Claims::parse(bytes) {
        assert!(claims.expires_at <= Timestamp::MAX);
    }
    if let Ok(set) = KeySet::parse(bytes) {
        assert!(set.keys().iter().all(|key| key.kid().is_some()));
    }
}

fn hex_key() -> [u8; 32] {
    [
        0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e,
        0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
    ]
}
