//! Forgets what is kept for a short while only: idempotent answers, mails, mailed tokens, ids of reported decisions.

use keywright_core::Timestamp;
use keywright_store::idempotency;

use super::{Lease, SLICE};
use crate::authority::Authority;
use crate::fault::Fault;
use crate::idempotency::{LIFE_SECONDS, SECRET_LIFE_SECONDS};
use crate::{mail, notifications, remote_caches};

/// The lease of the job.
pub(super) const SWEEPER: &str = "idempotency sweeper";

/// Erases the secrets of idempotent answers that are not told again, and forgets old answers, mails, mailed tokens and
/// ids of reported decisions. One node does it at a time.
///
/// # Errors
/// As the store.
pub async fn sweep(authority: &Authority) -> Result<u64, Fault> {
    let now = authority.now();
    let Some(lease) = Lease::take(authority, SWEEPER).await? else { return Ok(0) };
    let answers =
        sweep_all(authority, Step::Erase, now).await? + sweep_all(authority, Step::Forget, now).await?;
    let told = mail::forget(authority, now).await? + notifications::forget(authority, now).await?;
    let swept = answers + told + remote_caches::forget(authority, now).await?;
    lease.release(authority).await?;
    Ok(swept)
}

#[derive(Clone, Copy)]
enum Step {
    Erase,
    Forget,
}

async fn sweep_all(authority: &Authority, step: Step, now: Timestamp) -> Result<u64, Fault> {
    let mut swept = 0;
    loop {
        let mut tx = authority.store().begin().await?;
        let done = match step {
            Step::Erase => {
                let before = now.plus_seconds(-SECRET_LIFE_SECONDS);
                idempotency::erase_secrets(tx.conn(), before, SLICE).await?
            }
            Step::Forget => {
                idempotency::delete_older(tx.conn(), now.plus_seconds(-LIFE_SECONDS), SLICE).await?
            }
        };
        tx.commit().await?;
        swept += done;
        if done < u64::from(SLICE) {
            return Ok(swept);
        }
    }
}
