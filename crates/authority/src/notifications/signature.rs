//! Signatures of webhooks, by the Standard Webhooks specification, version `v1`: HMAC-SHA-256 under a secret that
//! both sides know, over id, time and body.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keywright_core::{PlainToken, Timestamp};
use zeroize::Zeroizing;

use crate::entropy;

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// A new secret: `whsec_` and 32 random bytes in base64.
pub fn new_secret() -> PlainToken {
    let bytes = entropy::token();
    let mut text = Zeroizing::new(PREFIX.to_owned());
    text.push_str(&Zeroizing::new(STANDARD.encode(bytes.as_slice())));
    PlainToken::from_sealed(text)
}

/// Whether a text is a secret by the specification: `whsec_` and 24 to 64 bytes in base64.
pub(crate) fn is_secret(text: &str) -> bool {
    bytes_of(text).is_some_and(|bytes| (24..=64).contains(&bytes.len()))
}

fn bytes_of(secret: &str) -> Option<Zeroizing<Vec<u8>>> {
    STANDARD.decode(secret.strip_prefix(PREFIX)?).ok().map(Zeroizing::new)
}

/// The header `webhook-signature` of a message; `None` when the secret is none.
pub fn sign(secret: &str, id: &str, at: Timestamp, body: &[u8]) -> Option<String> {
    let bytes = bytes_of(secret)?;
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &bytes));
    context.update(format!("{id}.{}.", at.as_seconds()).as_bytes());
    context.update(body);
    Some(format!("v1,{}", STANDARD.encode(context.sign().as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of the specification's own libraries.
    #[test]
    fn a_message_is_signed_as_the_libraries_of_the_specification_sign_it() {
        let at = Timestamp::from_micros(1_614_265_330_999_999);
        let signature = sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            at,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_new_each_time_and_shown_by_no_debug() {
        let (one, other) = (new_secret(), new_secret());
        assert_ne!(one.reveal(), other.reveal());
        assert!(!format!("{one:?}").contains(&one.reveal()[6..12]));
        assert!(sign(one.reveal(), "id", Timestamp::EPOCH, b"").is_some());
        assert_eq!(sign("no secret", "id", Timestamp::EPOCH, b""), None);
    }

    #[test]
    fn a_secret_has_24_to_64_bytes() {
        let of = |length: usize| format!("whsec_{}", STANDARD.encode(vec![7; length]));
        assert!(is_secret(new_secret().reveal()) && is_secret(&of(24)) && is_secret(&of(64)));
        for wrong in [of(23), of(65), of(32).replace("whsec_", ""), of(32) + "=", "whsec_".to_owned()] {
            assert!(!is_secret(&wrong), "{wrong}");
        }
    }
}
