//! Resolving alerts: by whoever has looked, or because their cause is gone.

use keywright_core::{ActorRef, AlertId, AlertKind};
use keywright_store::Tx;
use keywright_store::alerts::{self, AlertRow};
use uuid::Uuid;

use super::{ADMIN, Step, tell, tell_all};
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;

/// Says that an alert is over. Saying it again changes nothing.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:admin`; [`Fault::NotFound`]; [`Fault::PreconditionFailed`].
pub async fn resolve(
    authority: &Authority,
    call: Call,
    id: AlertId,
    reason: Option<String>,
) -> Result<AlertRow, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, id, reason.as_deref()).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    id: AlertId,
    reason: Option<&str>,
) -> Result<AlertRow, Fault> {
    let Change { mut tx, grantor, .. } = Change::begin(authority, call, &needs(ADMIN)?).await?;
    let before = alerts::lock(tx.conn(), call.within(), id).await?.ok_or(Fault::NotFound)?;
    call.expects(before.version)?;
    if !end(authority, &mut tx, &before, (grantor.actor, Some(call)), reason).await? {
        return Ok(before);
    }
    let after = alerts::by_id(tx.conn(), None, id).await?.ok_or(Fault::NotFound)?;
    authority.commit(tx, Invalidation::None, false).await?;
    Ok(after)
}

/// Resolves the alert with this key, in the transaction of the job that found its cause gone; false when there
/// is none that is not resolved.
///
/// # Errors
/// As the store.
pub async fn resolve_by_key(
    authority: &Authority,
    tx: &mut Tx,
    dedupe_key: &str,
    job: &'static str,
    reason: &str,
) -> Result<bool, Fault> {
    match alerts::lock_by_key(tx.conn(), dedupe_key).await? {
        Some(alert) => end(authority, tx, &alert, (ActorRef::system(job), None), Some(reason)).await,
        None => Ok(false),
    }
}

/// The same of all alerts of a kind about an object, or about none; tells how many.
///
/// # Errors
/// As the store.
pub async fn resolve_by_subject(
    authority: &Authority,
    tx: &mut Tx,
    (kind, subject_id): (AlertKind, Option<Uuid>),
    job: &'static str,
    reason: &str,
) -> Result<u64, Fault> {
    let mut resolved = 0;
    while let Some(alert) = alerts::unresolved(tx.conn(), kind, subject_id).await? {
        // False when somebody else just has: then it is not found again.
        let done = end(authority, tx, &alert, (ActorRef::system(job), None), Some(reason)).await?;
        resolved += u64::from(done);
    }
    Ok(resolved)
}

/// The same of all alerts of a kind about any of these objects, however many; tells how many.
///
/// # Errors
/// As the store.
pub async fn resolve_all(
    authority: &Authority,
    tx: &mut Tx,
    about: (AlertKind, &[Uuid]),
    job: &'static str,
    reason: &str,
) -> Result<u64, Fault> {
    let (now, by) = (authority.now(), ActorRef::system(job));
    let resolved = alerts::resolve_about(tx.conn(), about, now, &by, Some(reason)).await?;
    tell_all(authority, tx, Step::Resolved, job, &resolved, Some(reason)).await?;
    Ok(resolved.len() as u64)
}

/// False when it is over already.
async fn end(
    authority: &Authority,
    tx: &mut Tx,
    alert: &AlertRow,
    (actor, call): (ActorRef, Option<&Call>),
    reason: Option<&str>,
) -> Result<bool, Fault> {
    if !alerts::resolve(tx.conn(), alert.id, authority.now(), &actor, reason).await? {
        return Ok(false);
    }
    tell(authority, tx, Step::Resolved, (actor, call), alert, reason).await?;
    Ok(true)
}
