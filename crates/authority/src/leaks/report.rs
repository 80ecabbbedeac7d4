//! Reporting leaks.

use super::{Found, Leak, REPORT, Reporter, end_all, find_all, held};
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use keywright_store::leaks::LeakSource;

/// Revokes all that was found, at once, and tells in the same order what each was: `None` is nobody's, or lies
/// beyond what the caller may know of, and nothing is done to it. What was reported from a place before changes
/// nothing. When this returns, no verification on this node accepts any of them.
///
/// # Errors
/// [`Fault::Denied`] without `leaks:report`.
pub async fn report(authority: &Authority, call: Call, all: Vec<Leak>) -> Result<Vec<Option<Found>>, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, all).await }).await
}

async fn carry_out(authority: &Authority, call: &Call, all: Vec<Leak>) -> Result<Vec<Option<Found>>, Fault> {
    let traced = find_all(authority, all).await?;
    let (users, ids) = held(&traced);
    let Change { mut tx, grantor, now, .. } =
        Change::begin_with(authority, call, &needs(REPORT)?, &users, &ids).await?;
    let reporter = Reporter {
        actor: grantor.actor,
        call: Some(call),
        source: LeakSource::Report,
        within: call.within(),
    };
    let ended = end_all(authority, &mut tx, now, &reporter, &traced).await?;
    authority.commit(tx, Invalidation::Of(ids), call.confirm).await?;
    Ok(ended)
}
