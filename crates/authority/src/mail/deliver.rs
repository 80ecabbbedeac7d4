//! The job that delivers what the outbox holds: at least once, by one node at a time, later when it fails.

use keywright_core::Timestamp;
use keywright_store::mailed_tokens;
use keywright_store::outbox::{self, DeliveryRow};
use tracing::{info, warn};

use super::letter::Letter;
use super::post::{Failed, Post, TIMEOUT};
use super::{LIFE_SECONDS, PURPOSE};
use crate::attempts::{Outcome, pause_seconds};
use crate::authority::Authority;
use crate::entropy;
use crate::fault::Fault;

/// Letters taken in one run.
const AT_ONCE: u32 = 50;
/// A letter that was taken is another's after this long, in seconds: longer than any delivery takes.
const TAKEN_SECONDS: i64 = 3 * TIMEOUT.as_secs().cast_signed();
/// The first pause after a failure, in seconds; each next one is twice as long.
const FIRST_PAUSE: i64 = 15;
/// What is settled is forgotten after so many days.
pub(crate) const KEPT_DAYS: i64 = 7;

/// Delivers what is due; tells how many letters left.
///
/// # Errors
/// As the store.
pub async fn deliver(authority: &Authority) -> Result<u64, Fault> {
    let Some(post) = authority.post() else { return Ok(0) };
    let now = authority.now();
    let due = outbox::due(authority.store().read().await?.conn(), now, AT_ONCE).await?;
    let mut delivered = 0;
    for row in due {
        delivered += u64::from(attempt(authority, post, &row).await?);
    }
    Ok(delivered)
}

/// The same, unless this process carries out one command and delivers when that is done; and a look at what
/// waits, also where nothing can be delivered.
///
/// # Errors
/// As the store.
pub(crate) async fn deliver_in_background(authority: &Authority) -> Result<u64, Fault> {
    let delivered = match authority.post() {
        Some(post) if post.works_in_background() => deliver(authority).await?,
        _ => 0,
    };
    let waiting = outbox::waiting(authority.store().read().await?.conn()).await?;
    authority.mail().keep(authority.now(), waiting);
    Ok(delivered)
}

async fn attempt(authority: &Authority, post: &Post, row: &DeliveryRow) -> Result<bool, Fault> {
    let now = authority.now();
    let mut tx = authority.store().begin().await?;
    let taken = outbox::take(tx.conn(), row.id, row.attempts, now.plus_seconds(TAKEN_SECONDS)).await?;
    tx.commit().await?;
    if !taken {
        return Ok(false);
    }
    let number = row.attempts + 1;
    let outcome = if now.has_reached(Some(row.expires_at)) {
        Err(Failed {
            reason: row.last_error.clone().unwrap_or_else(|| "too late".to_owned()),
            for_good: true,
        })
    } else {
        match open(authority, row) {
            Some(letter) => post.deliver(&letter, row.id, number == 1).await,
            // A node that has its key may still, and so may this one once it is configured again.
            None => Err(Failed { reason: "no master key opens it".to_owned(), for_good: false }),
        }
    };
    settle(authority, row, number, outcome).await
}

fn open(authority: &Authority, row: &DeliveryRow) -> Option<Letter> {
    let plain = authority.keys().open(PURPOSE, row.id.as_bytes(), row.sealed.as_deref()?).ok()?;
    serde_json::from_slice(&plain).ok()
}

/// Writes down how an attempt went, unless another has overtaken it.
async fn settle(
    authority: &Authority,
    row: &DeliveryRow,
    number: u64,
    outcome: Result<(), Failed>,
) -> Result<bool, Fault> {
    let (now, template, id) = (authority.now(), row.template.as_str(), row.id);
    let mut tx = authority.store().begin().await?;
    let outcome = match outcome {
        Ok(()) => {
            outbox::delivered(tx.conn(), row.id, number, now).await?;
            info!(%id, template, attempt = number, "a mail was delivered");
            Outcome::Delivered
        }
        Err(Failed { reason, for_good: true }) => {
            outbox::give_up(tx.conn(), row.id, number, now, &reason).await?;
            warn!(%id, template, attempt = number, reason, "a mail was given up");
            Outcome::GivenUp
        }
        Err(Failed { reason, for_good: false }) => {
            let next = now.plus_seconds(pause_seconds(FIRST_PAUSE, number, entropy::id()[0]));
            // Never put off past its end: there it is given up.
            let next = next.min(row.expires_at.min(row.created_at.plus_seconds(LIFE_SECONDS)));
            outbox::postpone(tx.conn(), row.id, number, next, &reason).await?;
            warn!(%id, template, attempt = number, reason, "a mail was not delivered; it is tried again");
            Outcome::Failed
        }
    };
    tx.commit().await?;
    authority.mail().count(outcome);
    Ok(outcome == Outcome::Delivered)
}

/// Forgets mails that were settled long ago, and tokens that can be used no more.
///
/// # Errors
/// As the store.
pub(crate) async fn forget(authority: &Authority, now: Timestamp) -> Result<u64, Fault> {
    let before = now.plus_days(-KEPT_DAYS);
    let mut tx = authority.store().begin().await?;
    let forgotten =
        outbox::forget(tx.conn(), before).await? + mailed_tokens::forget(tx.conn(), before).await?;
    tx.commit().await?;
    Ok(forgotten)
}
