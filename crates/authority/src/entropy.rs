//! The one place that draws randomness: the system's generator.

use keywright_core::id::IdEntropy;
use keywright_core::secret::TokenEntropy;
use zeroize::Zeroizing;

#[expect(clippy::disallowed_methods, reason = "this is the one place of entropy")]
fn fill(bytes: &mut [u8]) {
    // Without randomness nothing here may go on: a predictable token is worse than none.
    getrandom::fill(bytes).expect("the system's generator answers");
}

/// For one id.
pub fn id() -> IdEntropy {
    let mut bytes = IdEntropy::default();
    fill(&mut bytes);
    bytes
}

/// For one token; wiped when dropped.
pub fn token() -> Zeroizing<TokenEntropy> {
    let mut bytes = Zeroizing::new(TokenEntropy::default());
    fill(bytes.as_mut_slice());
    bytes
}

/// For one nonce of AES-256-GCM.
pub fn nonce() -> [u8; 12] {
    let mut bytes = [0; 12];
    fill(&mut bytes);
    bytes
}

/// For one password that is hashed.
pub fn salt() -> [u8; 16] {
    let mut bytes = [0; 16];
    fill(&mut bytes);
    bytes
}

/// For a master key that `--dev` makes.
pub fn master_key() -> Zeroizing<[u8; 32]> {
    token()
}

/// The generator that signing wants to be given. AWS-LC draws from its own, the system's as well.
#[expect(clippy::disallowed_methods, reason = "this is the one place of entropy")]
pub(crate) fn generator() -> aws_lc_rs::rand::SystemRandom {
    aws_lc_rs::rand::SystemRandom::new()
}
