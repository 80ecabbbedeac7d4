//! The job that sees to it that there is a key, and a next one in time.

use keywright_core::{ActorRef, Epochs, Timestamp};
use keywright_store::Tx;
use keywright_store::signing_keys::{self, SigningKeyRow};

use super::{ALL_KEYS, Made, retire};
use crate::authority::Authority;
use crate::change::Invalidation;
use crate::fault::Fault;

/// The name of the job.
pub(crate) const KEEPER: &str = "signing_key_keeper";
/// Keys that are not accepted any more are shown for so long.
const SHOWN_DAYS: i64 = 30;

/// What is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    /// Nothing but, maybe, that keys retire or go.
    Nothing,
    /// A key, from this moment on.
    Key(Timestamp),
}

/// When the next key has to sign, if it is time to publish it. `keys` are those that are accepted.
fn missing(authority: &Authority, keys: &[SigningKeyRow], now: Timestamp) -> Missing {
    let jwt = &authority.settings().jwt;
    let ahead = i64::from(jwt.publish_ahead_hours) * 3_600;
    let signs = |key: &&SigningKeyRow| key.retired_at.is_none() && key.sealed_key.is_some();
    let Some(newest) = keys.iter().filter(signs).max_by_key(|key| (key.active_from, key.id)) else {
        return Missing::Key(now);
    };
    let due = newest.active_from.plus_days(jwt.rotation_days.into());
    if now.plus_seconds(ahead) < due {
        return Missing::Nothing;
    }
    Missing::Key(due.max(now.plus_seconds(ahead)))
}

/// Makes the first key, publishes the next one in time, retires those that were replaced, and forgets those
/// that are over. Gives how much was done.
///
/// # Errors
/// As the store.
pub async fn keep(authority: &Authority) -> Result<u64, Fault> {
    let mut reader = authority.store().read().await?;
    let keys = signing_keys::accepted(reader.conn(), authority.now()).await?;
    drop(reader);
    // Made before anything is held; of two nodes that make one, one throws it away.
    let made = match missing(authority, &keys, authority.now()) {
        Missing::Nothing => None,
        Missing::Key(_) => Some(Made::new(authority).await?),
    };
    let mut tx = authority.store().begin_change(&[], &[ALL_KEYS]).await?;
    let now = authority.now();
    let (done, version) = reconcile(authority, &mut tx, made, now).await?;
    if done == 0 {
        tx.rollback().await;
        return Ok(0);
    }
    let epochs = Epochs { keys: version, ..Epochs::default() };
    authority.commit(tx, Invalidation::Raised { epochs, spared: None }, false).await?;
    Ok(done)
}

async fn reconcile(
    authority: &Authority,
    tx: &mut Tx,
    made: Option<Made>,
    now: Timestamp,
) -> Result<(u64, u64), Fault> {
    let actor = || ActorRef::system(KEEPER);
    let keys = signing_keys::accepted(tx.conn(), now).await?;
    let (mut done, mut version) = (0, 0);
    if let (Some(made), Missing::Key(active_from)) = (made, missing(authority, &keys, now)) {
        let (_, raised) = made.keep(authority, tx.conn(), (actor(), None), None, (now, active_from)).await?;
        (done, version) = (done + 1, raised);
    }
    if let Some(signing) = signing_keys::signing(tx.conn(), now).await? {
        let replaced = |key: &&SigningKeyRow| key.id != signing.id && key.active_from <= now;
        for key in keys.iter().filter(replaced) {
            if let Some(raised) = retire(authority, tx.conn(), actor(), key, now).await? {
                (done, version) = (done + 1, raised);
            }
        }
    }
    let over = signing_keys::delete_over(tx.conn(), now.plus_days(-SHOWN_DAYS)).await?;
    if over > 0 {
        version = keywright_store::platform::epochs(tx.conn()).await?.keys;
    }
    Ok((done + over, version))
}
