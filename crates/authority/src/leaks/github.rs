//! Leaks that GitHub's secret scanning has found.

use keywright_core::ActorRef;
use keywright_store::leaks::LeakSource;

use super::{Found, Leak, NOTICED_BY, Reporter, end_all, find_all, held};
use crate::authority::Authority;
use crate::change::Invalidation;
use crate::fault::Fault;

/// Revokes all that GitHub has found, and tells in the same order what each was; `None` is nobody's. Whoever calls
/// this has checked GitHub's signature.
///
/// # Errors
/// As the store.
pub async fn of_github(authority: &Authority, all: Vec<Leak>) -> Result<Vec<Option<Found>>, Fault> {
    let own = authority.clone();
    authority
        .carry_out(async move {
            let traced = find_all(&own, all).await?;
            let (users, ids) = held(&traced);
            let mut tx = own.store().begin_change(&users, &ids).await?;
            let now = own.now();
            let actor = ActorRef::system(NOTICED_BY);
            let reporter = Reporter { actor, call: None, source: LeakSource::GitHub, within: None };
            let ended = end_all(&own, &mut tx, now, &reporter, &traced).await?;
            own.commit(tx, Invalidation::Of(ids), false).await?;
            Ok(ended)
        })
        .await
}
