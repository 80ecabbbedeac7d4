//! The audit trail: one security event for each change, in the change's own transaction, and the
//! chain that makes tampering with them show.

pub mod chain;
mod event;
mod export;
pub mod file;

use keywright_core::CredentialId;
use keywright_store::authentication_events::{self, AuthenticationEventFilter, AuthenticationEventRow};
use keywright_store::security_events::{self, EventFilter, SecurityEventRow};
use keywright_store::service_tokens;

pub use event::{Event, Subject};
pub use export::{Linked, export_authentication, export_security};

use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;

/// What `audit:read` lets its bearer do.
pub const READ: &str = "audit:read";

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
    Ok(security_events::list(authority.store().read().await?.conn(), filter).await?)
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
    Ok(authentication_events::list(authority.store().read().await?.conn(), filter).await?)
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
    service_tokens::by_id(reader.conn(), id).await?.ok_or(Fault::NotFound)?;
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
    call.require(READ)?;
    chain::verify(authority, known).await
}
