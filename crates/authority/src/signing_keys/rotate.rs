//! Rotating the signing key by command.

use keywright_core::{Epochs, SigningAlgorithm, SigningKeyId, Timestamp};
use keywright_store::platform;
use keywright_store::signing_keys::{self, SigningKeyRow};
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::read::JWKS_MAX_AGE_SECONDS;
use super::{ADMIN, ALL_KEYS, Made, revoke};
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::idempotency::Held;
use crate::nodes::Confirmations;

/// A rotation of the signing key.
#[derive(Clone, Debug)]
pub struct Rotate {
    /// Why, where somebody said.
    pub reason: Option<String>,
    /// Revoke all keys that there were: what they signed is refused at once.
    pub revoke: bool,
}

/// What was rotated.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The new key, as it was when it was made.
    pub key: SigningKeyRow,
    /// When that was.
    pub at: Timestamp,
    /// The keys that were revoked.
    pub revoked: Vec<SigningKeyId>,
    /// The nodes.
    pub nodes: Confirmations,
    /// Whether this is the first answer repeated.
    pub repeated: bool,
}

/// What is kept of an answer.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    id: SigningKeyId,
    algorithm: String,
    created_at: Timestamp,
    active_from: Timestamp,
    revoked: Vec<SigningKeyId>,
}

impl Kept {
    fn of(key: &SigningKeyRow, revoked: &[SigningKeyId]) -> Self {
        Self {
            id: key.id,
            algorithm: key.algorithm.as_str().to_owned(),
            created_at: key.created_at,
            active_from: key.active_from,
            revoked: revoked.to_vec(),
        }
    }

    /// The key as it was, whatever has become of it since.
    fn key(&self) -> Result<SigningKeyRow, Fault> {
        let algorithm = SigningAlgorithm::parse(&self.algorithm)
            .ok_or_else(|| Fault::Internal("a kept answer names an unknown algorithm".to_owned()))?;
        Ok(SigningKeyRow {
            id: self.id,
            algorithm,
            public_jwk: Map::new(),
            sealed_key: None,
            created_at: self.created_at,
            active_from: self.active_from,
            retired_at: None,
            accepted_until: None,
            revoked_at: None,
            revoked_reason: None,
        })
    }
}

/// A rotation in its transaction: made now, or before under the same idempotency key.
struct Done {
    key: SigningKeyRow,
    at: Timestamp,
    revoked: Vec<SigningKeyId>,
    version: u64,
    repeated: bool,
}

/// Why keys were revoked, where nobody said.
const REPLACED: &str = "all signing keys were replaced at once";

/// Makes a new signing key. It signs as soon as everybody who keeps the published keys as long as they may
/// knows it; with `revoke` at once.
///
/// # Errors
/// [`Fault::Denied`] without `keys:admin` at platform level; those of an idempotency key.
pub async fn rotate(authority: &Authority, call: Call, wanted: Rotate) -> Result<Rotated, Fault> {
    let held = Held::take(authority, &call.actor, call.idempotency.clone())?;
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, held.as_ref(), &wanted).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    held: Option<&Held>,
    wanted: &Rotate,
) -> Result<Rotated, Fault> {
    let made = Made::new(authority).await?;
    let needs = needs(ADMIN)?.at_platform_level();
    let mut change = Change::begin_with(authority, call, &needs, &[], &[ALL_KEYS]).await?;
    let done = match make(authority, call, held, (&made, wanted), &mut change).await {
        Ok(done) => done,
        Err(fault) => {
            // Not by a drop: the idempotency key is free for the next try when this one is answered.
            change.tx.rollback().await;
            return Err(fault);
        }
    };
    // A repeated one changes nothing, but asks the other nodes again.
    let epochs = Epochs { keys: done.version, ..Epochs::default() };
    let invalidation = Invalidation::Raised { epochs, spared: None };
    let nodes = authority.commit(change.tx, invalidation, wanted.revoke || call.confirm).await?;
    let Done { key, at, revoked, repeated, .. } = done;
    Ok(Rotated { key, at, revoked, nodes, repeated })
}

async fn make(
    authority: &Authority,
    call: &Call,
    held: Option<&Held>,
    (made, wanted): (&Made, &Rotate),
    Change { tx, grantor, now, .. }: &mut Change,
) -> Result<Done, Fault> {
    let now = *now;
    if let Some(held) = held
        && let Some(kept) = held.repeated_answer::<Kept>(tx.conn(), now).await?
    {
        let version = platform::epochs(tx.conn()).await?.keys;
        let (key, at) = (kept.key()?, kept.created_at);
        return Ok(Done { key, at, revoked: kept.revoked, version, repeated: true });
    }
    let before = signing_keys::accepted(tx.conn(), now).await?;
    let active_from = if wanted.revoke { now } else { now.plus_seconds(JWKS_MAX_AGE_SECONDS) };
    let actor = (grantor.actor.clone(), Some(call));
    let (key, mut version) =
        made.keep(authority, tx.conn(), actor, wanted.reason.as_deref(), (now, active_from)).await?;
    let mut revoked = Vec::new();
    if wanted.revoke {
        let reason = wanted.reason.as_deref().unwrap_or(REPLACED);
        for old in &before {
            let raised = revoke::mark(authority, tx, call, grantor, (old, reason), now).await?;
            if let Some(raised) = raised {
                version = raised;
                revoked.push(old.id);
            }
        }
    }
    if let Some(held) = held {
        held.keep_answer(tx.conn(), &call.actor, &Kept::of(&key, &revoked), now).await?;
    }
    Ok(Done { key, at: now, revoked, version, repeated: false })
}
