//! Keys that sign access tokens: made, published ahead of use, rotated, revoked.
//!
//! A key's life: published from its making on; it signs from `active_from` until a later one does; what it
//! signed is accepted until the last of it has ended. Revoked, it is refused at once.

mod keep;
mod pair;
mod read;
mod reseal;
mod revoke;
mod rotate;
mod signer;

pub(crate) use keep::KEEPER;
pub use keep::keep;
pub use read::{JWKS_MAX_AGE_SECONDS, Published, jwks, list};
pub(crate) use reseal::reseal;
pub use revoke::revoke;
pub use rotate::{Rotate, Rotated, rotate};
pub(crate) use signer::{Kind, Signer, Signers, signer};

use keywright_core::{ActorRef, SigningAlgorithm, SigningKeyId, Timestamp};
use keywright_store::signing_keys::{self, NewSigningKey, SigningKeyRow};
use keywright_store::{Conn, StoreError};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::audit::{Event, Snapshot, Subject};
use crate::authority::Authority;
use crate::call::Call;
use crate::entropy;
use crate::fault::Fault;
use pair::Pair;

/// What lets its bearer manage signing keys, at platform level.
pub const ADMIN: &str = "keys:admin";
/// Longest life of an access token, in seconds (operations.md), and the leeway of those who read it: so long
/// is what a retired key signed accepted.
const LONGEST_ACCESS_SECONDS: i64 = 3_600 + 60;
/// What a private half is sealed for; its id is the salt.
const PURPOSE: &str = "keywright signing key v1";
/// What whoever changes the keys holds, so that they are changed by one at a time.
pub(crate) const ALL_KEYS: Uuid = Uuid::from_u128(0x6b65_7973_0000_8000_8000_0000_0000_0001);

impl Subject {
    /// A signing key.
    pub fn signing_key(id: SigningKeyId) -> Self {
        Self { kind: "signing_key", id: Some(id.0), name: None }
    }
}

impl Snapshot for SigningKeyRow {
    fn snapshot(&self) -> Value {
        json!({
            "algorithm": self.algorithm,
            "active_from": self.active_from,
            "retired_at": self.retired_at,
            "accepted_until": self.accepted_until,
            "revoked_at": self.revoked_at,
        })
    }
}

/// A key that is made but not kept yet: its making takes a while, and holds nobody up.
struct Made {
    algorithm: SigningAlgorithm,
    pair: Pair,
}

impl Made {
    /// Makes one of the configured algorithm.
    async fn new(authority: &Authority) -> Result<Self, Fault> {
        let algorithm = authority.settings().jwt.algorithm;
        let pair = tokio::task::spawn_blocking(move || Pair::generate(algorithm))
            .await
            .map_err(|error| Fault::Internal(error.to_string()))?
            .map_err(|error| Fault::Internal(error.to_string()))?;
        Ok(Self { algorithm, pair })
    }

    /// Keeps it in a change of the keys, with its event; gives the version of the keys that this makes.
    async fn keep(
        &self,
        authority: &Authority,
        mut conn: Conn<'_>,
        (actor, call): (ActorRef, Option<&Call>),
        reason: Option<&str>,
        (now, active_from): (Timestamp, Timestamp),
    ) -> Result<(SigningKeyRow, u64), Fault> {
        let id = SigningKeyId::generate(now, entropy::id());
        let private = self.pair.to_pkcs8().map_err(|error| Fault::Internal(error.to_string()))?;
        let new = NewSigningKey {
            id,
            algorithm: self.algorithm,
            public_jwk: self.pair.public_jwk(&id.to_string()),
            sealed_key: authority.keys().seal(PURPOSE, id.0.as_bytes(), &private),
            created_at: now,
            active_from,
        };
        let version = signing_keys::insert(conn.reborrow(), &new).await?;
        let row = signing_keys::by_id(conn.reborrow(), id).await?.ok_or(Fault::NotFound)?;
        let event = Event::new("signing_key.created", actor, call, Subject::signing_key(id));
        event.reason(reason).after(&row).write(authority, conn).await?;
        Ok((row, version))
    }
}

/// Retires a key that a later one has replaced: what it signed until `now` is accepted to its end.
async fn retire(
    authority: &Authority,
    mut conn: Conn<'_>,
    actor: ActorRef,
    before: &SigningKeyRow,
    now: Timestamp,
) -> Result<Option<u64>, StoreError> {
    let until = now.plus_seconds(LONGEST_ACCESS_SECONDS);
    let Some(version) = signing_keys::retire(conn.reborrow(), before.id, now, until).await? else {
        return Ok(None);
    };
    if let Some(after) = signing_keys::by_id(conn.reborrow(), before.id).await? {
        let event = Event::new("signing_key.retired", actor, None, Subject::signing_key(before.id));
        event.before(before).after(&after).write(authority, conn).await?;
    }
    Ok(Some(version))
}
