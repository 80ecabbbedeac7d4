//! The audit trail: one security event for each change, in the change's own transaction, and the
//! chain that makes tampering with them show.

pub mod chain;
mod event;
mod export;
pub mod file;

use std::collections::BTreeSet;

use keywright_core::{ActorKind, ActorRef, CredentialId, PrincipalKind, PublisherId, UserId};
use keywright_store::authentication_events::{self, AuthenticationEventFilter, AuthenticationEventRow};
use keywright_store::security_events::{self, EventFilter, SecurityEventRow};
use keywright_store::{Conn, StoreError, service_tokens, users};

pub use event::{Event, Snapshot, Subject};
pub use export::{Linked, export_authentication, export_security};

use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;

/// What `audit:read` lets its bearer do.
pub const READ: &str = "audit:read";

/// Reads events, those that the caller may see.
async fn read_security(
    conn: Conn<'_>,
    call: &Call,
    filter: &EventFilter,
) -> Result<Vec<SecurityEventRow>, StoreError> {
    let asked = filter.publisher_id.map(PublisherId);
    let Ok(within) = call.narrowed_to(asked) else { return Ok(Vec::new()) };
    let publisher_id = within.map(|id| id.0);
    security_events::list(conn, &EventFilter { publisher_id, ..filter.clone() }).await
}

/// As [`read_security`], of authentication events. They keep users by id; those who are still there are shown
/// with their address of today.
async fn read_authentication(
    mut conn: Conn<'_>,
    call: &Call,
    filter: &AuthenticationEventFilter,
) -> Result<Vec<AuthenticationEventRow>, StoreError> {
    let asked = filter.publisher_id.map(PublisherId);
    let Ok(within) = call.narrowed_to(asked) else { return Ok(Vec::new()) };
    let publisher_id = within.map(|id| id.0);
    let filter = AuthenticationEventFilter { publisher_id, ..filter.clone() };
    let mut rows = authentication_events::list(conn.reborrow(), &filter).await?;
    let emails = users::emails(conn, rows.iter().filter_map(user_of).collect::<BTreeSet<_>>()).await?;
    for row in &mut rows {
        if let Some(email) = user_of(row).and_then(|id| emails.get(&id)) {
            row.user_email = Some(email.clone());
        }
    }
    Ok(rows)
}

/// The user whom a decision was about.
fn user_of(row: &AuthenticationEventRow) -> Option<UserId> {
    let is_user = row.principal_type.as_deref() == Some(PrincipalKind::User.as_str());
    row.principal_id.filter(|_| is_user).map(UserId)
}

/// Lists security events.
///
/// # Errors
/// [`Fault::Denied`] without `audit:read`.
pub async fn list(
    authority: &Authority,
    call: &Call,
    filter: &EventFilter,
) -> Result<Vec<SecurityEventRow>, Fault> {
    call.require(READ)?;
    let mut reader = authority.store().read().await?;
    let mut rows = read_security(reader.conn(), call, filter).await?;
    // Events keep users by id; those who are still there are shown by their address of today.
    let of_user = |actor: &ActorRef| actor.id.filter(|_| actor.kind == ActorKind::User).map(UserId);
    let users: BTreeSet<_> = rows.iter().filter_map(|row| of_user(&row.event.actor)).collect();
    let emails = users::emails(reader.conn(), users).await?;
    for row in &mut rows {
        if let Some(email) = of_user(&row.event.actor).and_then(|id| emails.get(&id)) {
            row.event.actor.name.clone_from(email);
        }
    }
    Ok(rows)
}

/// Lists authentication events.
///
/// # Errors
/// [`Fault::Denied`] without `audit:read`.
pub async fn list_authentication(
    authority: &Authority,
    call: &Call,
    filter: &AuthenticationEventFilter,
) -> Result<Vec<AuthenticationEventRow>, Fault> {
    call.require(READ)?;
    Ok(read_authentication(authority.store().read().await?.conn(), call, filter).await?)
}

/// Lists the security events of one service token.
///
/// # Errors
/// [`Fault::Denied`] without `tokens:read`; [`Fault::NotFound`].
pub async fn list_of_token(
    authority: &Authority,
    call: &Call,
    id: CredentialId,
    filter: EventFilter,
) -> Result<Vec<SecurityEventRow>, Fault> {
    call.require(crate::service_tokens::READ)?;
    let mut reader = authority.store().read().await?;
    service_tokens::by_id(reader.conn(), call.within(), id).await?.ok_or(Fault::NotFound)?;
    let filter = EventFilter { subject_id: Some(id.0), ..filter };
    Ok(security_events::list(reader.conn(), &filter).await?)
}

/// Checks the chain of security events, and that it goes through a head that the caller kept.
///
/// # Errors
/// [`Fault::Denied`] without `audit:read`.
pub async fn verify(
    authority: &Authority,
    call: &Call,
    known: Option<&chain::SignedHead>,
) -> Result<chain::Verified, Fault> {
    call.require_of_platform(READ)?;
    chain::verify(authority, known).await
}
