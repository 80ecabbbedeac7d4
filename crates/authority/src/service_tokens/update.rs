//! Changing a service token (RFC 7396).

use keywright_core::{CredentialId, CredentialName, Epochs, Metadata, ScopeSet, Timestamp};
use keywright_store::service_tokens::{self, Changes, ServiceTokenRow};
use serde_json::{Map, Value};

use super::{ADMIN, Target, free_name};
use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::call::{Call, Grantor, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;

/// What becomes of the metadata.
#[derive(Clone, Debug, PartialEq)]
pub enum MetadataChange {
    /// It is emptied.
    Clear,
    /// Merged with this.
    Merge(Map<String, Value>),
}

/// A change; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Update {
    /// Another name.
    pub token_name: Option<CredentialName>,
    /// Switched on or off.
    pub is_active: Option<bool>,
    /// Another metadata.
    pub metadata: Option<MetadataChange>,
    /// Another end; `Some(None)` is never.
    pub expires_at: Option<Option<Timestamp>>,
    /// Other permissions.
    pub permissions: Option<ScopeSet>,
}

/// Changes a token. Whoever widens it must hold all that it then carries.
///
/// # Errors
/// [`Fault::Denied`] without `tokens:admin`; [`Fault::NotFound`]; [`Fault::AlreadyRevoked`];
/// [`Fault::PreconditionFailed`]; [`Fault::ScopeExceedsGrantor`]; [`Fault::NameTaken`]; [`Fault::Invalid`].
pub async fn update(
    authority: &Authority,
    call: Call,
    id: CredentialId,
    wanted: Update,
) -> Result<(ServiceTokenRow, Epochs), Fault> {
    let own = authority.clone();
    authority
        .carry_out(async move {
            match carry_out(&own, &call, id, &wanted).await {
                Err(Fault::NameTaken) if free_name(&own, wanted.token_name.as_ref()).await? => {
                    carry_out(&own, &call, id, &wanted).await
                }
                outcome => outcome,
            }
        })
        .await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    id: CredentialId,
    wanted: &Update,
) -> Result<(ServiceTokenRow, Epochs), Fault> {
    let id = Target::Id(id).id(call)?;
    let change = Change::begin(authority, call, &needs(ADMIN)?, Some(id)).await?;
    let Change { mut tx, grantor, target, now } = change;
    let before = target.ok_or(Fault::NotFound)?;
    if before.revoked_at.is_some() || before.epoch < grantor.epochs.service {
        return Err(Fault::AlreadyRevoked);
    }
    call.expects(before.version)?;
    let changes = changes(wanted, &before, now)?;
    may_widen(&grantor, &before, &changes)?;
    if is_nothing(&changes, &before) {
        return Ok((before, grantor.epochs));
    }
    if !service_tokens::update(tx.conn(), id, before.version, &changes).await? {
        return Err(Fault::PreconditionFailed);
    }
    let after = service_tokens::by_id(tx.conn(), id).await?.ok_or(Fault::NotFound)?;
    let epochs = grantor.epochs;
    let event = Event::new("token.updated", grantor.actor, Some(call), Subject::token(&after));
    event.before(&before).after(&after).write(authority, tx.conn()).await?;
    authority.commit(tx, Invalidation::of(id), call.confirm).await?;
    Ok((after, epochs))
}

fn changes(wanted: &Update, before: &ServiceTokenRow, now: Timestamp) -> Result<Changes, Fault> {
    if let Some(Some(end)) = wanted.expires_at
        && now.has_reached(Some(end))
    {
        return Err(Fault::field("expires_at", "is not in the future; revoke the token to end it now"));
    }
    let metadata = match &wanted.metadata {
        None => None,
        Some(MetadataChange::Clear) => Some(Metadata::default()),
        Some(MetadataChange::Merge(patch)) => {
            Some(before.metadata.merged(patch).map_err(|error| Fault::field("metadata", error.to_string()))?)
        }
    };
    Ok(Changes {
        token_name: wanted.token_name.clone(),
        is_active: wanted.is_active,
        metadata,
        expires_at: wanted.expires_at,
        permissions: wanted.permissions.clone(),
        updated_at: now,
    })
}

fn is_nothing(changes: &Changes, before: &ServiceTokenRow) -> bool {
    changes.token_name.as_ref().is_none_or(|name| *name == before.token_name)
        && changes.is_active.is_none_or(|active| active == before.is_active)
        && changes.metadata.as_ref().is_none_or(|metadata| *metadata == before.metadata)
        && changes.expires_at.is_none_or(|end| end == before.expires_at)
        && changes.permissions.as_ref().is_none_or(|permissions| *permissions == before.permissions)
}

/// More permissions, a longer life, or being switched on again: each gives the token's bearer what
/// it did not have, so the caller must have it all.
fn may_widen(grantor: &Grantor, before: &ServiceTokenRow, changes: &Changes) -> Result<(), Fault> {
    let permissions = changes.permissions.as_ref().unwrap_or(&before.permissions);
    let more = !before.permissions.covers_all(permissions);
    let longer = match (before.expires_at, changes.expires_at) {
        (Some(_), Some(None)) => true,
        (Some(old), Some(Some(new))) => new > old,
        _ => false,
    };
    let on_again = !before.is_active && changes.is_active == Some(true);
    if more || longer || on_again { grantor.may_grant(permissions) } else { Ok(()) }
}
