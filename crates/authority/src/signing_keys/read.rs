//! Looking at the keys: the published set, and all of them for administrators.

use std::sync::Arc;

use keywright_core::{SigningKeyId, Timestamp};
use keywright_store::platform;
use keywright_store::signing_keys::{self, SigningKeyRow};
use keywright_verify::clock::boot_micros;
use serde_json::{Map, Value};

use super::ADMIN;
use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;

/// For so long others may keep the published keys, in seconds.
pub const JWKS_MAX_AGE_SECONDS: i64 = 300;
/// A node asks the store for them again after this, also when it has heard of no change.
const KEPT_MICROS: i64 = 30 * 1_000_000;

/// The published keys as this node read them last.
pub(crate) struct Jwks {
    version: u64,
    read_at: i64,
    published: Published,
}

/// The public halves of the keys whose tokens are accepted, as JWKs.
pub type Published = Arc<[Map<String, Value>]>;

/// The published keys (RFC 7517 §5): those that sign, will sign next, or have signed what is still accepted.
/// While the store is away, those known last.
///
/// # Errors
/// As the store, when none are known.
pub async fn jwks(authority: &Authority) -> Result<Published, Fault> {
    let known = authority.signers().jwks.lock().clone();
    let in_force = authority.verifier().epochs().keys;
    if let Some(known) = &known
        && known.version >= in_force
        && boot_micros() - known.read_at < KEPT_MICROS
    {
        return Ok(Arc::clone(&known.published));
    }
    match (read(authority).await, known) {
        (Ok(jwks), _) => {
            let published = Arc::clone(&jwks.published);
            *authority.signers().jwks.lock() = Some(Arc::new(jwks));
            Ok(published)
        }
        (Err(Fault::Unavailable(_)), Some(known)) => Ok(Arc::clone(&known.published)),
        (Err(fault), _) => Err(fault),
    }
}

async fn read(authority: &Authority) -> Result<Jwks, Fault> {
    let read_at = boot_micros();
    let mut reader = authority.store().read().await?;
    // The version before the keys: they are never older than it says.
    let version = platform::epochs(reader.conn()).await?.keys;
    let keys = signing_keys::accepted(reader.conn(), authority.now()).await?;
    Ok(Jwks { version, read_at, published: keys.into_iter().map(|key| key.public_jwk).collect() })
}

/// All keys that are kept, newest first.
///
/// # Errors
/// [`Fault::Denied`] without `keys:admin` at platform level.
pub async fn list(
    authority: &Authority,
    call: &Call,
    after: Option<(Timestamp, SigningKeyId)>,
    limit: u32,
) -> Result<Vec<SigningKeyRow>, Fault> {
    call.require_of_platform(ADMIN)?;
    let mut reader = authority.store().read().await?;
    Ok(signing_keys::list(reader.conn(), after, limit).await?)
}
