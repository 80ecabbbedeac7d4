//! Revoking all tokens of a service account at once.

use keywright_core::ServiceAccountId;
use keywright_store::service_accounts;
use keywright_store::service_tokens::{self, Reach};
use serde_json::json;

use super::{ADMIN, subject};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Invalidation, begin_ending};
use crate::fault::Fault;
use crate::nodes::Confirmations;

/// What was revoked, and where it is in force.
#[derive(Clone, Debug)]
pub struct TokensRevoked {
    /// How many tokens there were.
    pub revoked: u64,
    /// The nodes.
    pub nodes: Confirmations,
}

/// Revokes all tokens of an account, however many: one number is raised, and the rows are marked afterwards.
/// The account lives on, and its next token works.
///
/// # Errors
/// [`Fault::Denied`] without `service_accounts:admin`; [`Fault::NotFound`]; [`Fault::PreconditionFailed`].
pub async fn revoke_tokens(
    authority: &Authority,
    call: Call,
    id: ServiceAccountId,
    reason: Option<String>,
) -> Result<TokensRevoked, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, id, reason.as_deref()).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    id: ServiceAccountId,
    reason: Option<&str>,
) -> Result<TokensRevoked, Fault> {
    let (mut tx, grantor, _, epoch) = begin_ending(authority, call, &needs(ADMIN)?).await?;
    let account = service_accounts::by_id(tx.conn(), call.within(), id).await?.ok_or(Fault::NotFound)?;
    call.expects(account.version)?;
    let in_force = grantor.epochs.service;
    let revoked = service_tokens::count_reached(tx.conn(), Reach::Account(id), in_force, epoch).await?;
    service_accounts::raise_epoch(tx.conn(), id, epoch).await?;
    let event = Event::new("service_account.tokens_revoked", grantor.actor, Some(call), subject(&account));
    let event = event.publisher(account.publisher_id).reason(reason);
    event.details(json!({"revoked": revoked, "epoch": epoch})).write(authority, tx.conn()).await?;
    let nodes = authority.commit(tx, Invalidation::Of(vec![id.0]), call.confirm).await?;
    authority.mark_wanted().notify_one();
    Ok(TokensRevoked { revoked, nodes })
}
