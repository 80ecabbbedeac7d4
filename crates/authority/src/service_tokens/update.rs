//! Changing a service token (RFC 7396).

use keywright_core::{Allowlist, CredentialName, Epochs, Metadata, ScopeSet, ServiceAccountId, Timestamp};
use keywright_store::service_tokens::{self, Changes, ServiceTokenRow};
use serde_json::{Map, Value};

use super::within::{Asked, Home, may_bound, may_never_end};
use super::{Target, free_name, home_of};
use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::call::{Call, Grantor};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::rate_limits::RateLimitsChange;

/// What becomes of the metadata.
#[derive(Clone, Debug, PartialEq)]
pub enum MetadataChange {
    /// It is emptied.
    Clear,
    /// Merged with this.
    Merge(Map<String, Value>),
    /// Replaced by this.
    Replace(Metadata),
}

impl MetadataChange {
    /// The metadata after the change.
    pub(crate) fn applied(&self, to: &Metadata) -> Result<Metadata, Fault> {
        match self {
            Self::Clear => Ok(Metadata::default()),
            Self::Merge(patch) => {
                to.merged(patch).map_err(|error| Fault::field("metadata", error.to_string()))
            }
            Self::Replace(metadata) => Ok(metadata.clone()),
        }
    }
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
    /// Other limits of its own.
    pub limits: Option<RateLimitsChange>,
    /// Other networks of its own; none: those of its account.
    pub allowlist: Option<Allowlist>,
}

/// Changes a token. Whoever widens it must hold all that it then carries.
///
/// # Errors
/// [`Fault::Denied`] without `tokens:admin`, below an account without `service_accounts:admin`;
/// [`Fault::NotFound`]; [`Fault::AlreadyRevoked`]; [`Fault::PreconditionFailed`];
/// [`Fault::ScopeExceedsGrantor`]; [`Fault::NameTaken`]; [`Fault::TooManyTokens`] when an expired one of an account
/// is to live again; [`Fault::Invalid`].
pub async fn update(
    authority: &Authority,
    call: Call,
    target: impl Into<Target>,
    wanted: Update,
) -> Result<(ServiceTokenRow, Epochs), Fault> {
    let (own, target) = (authority.clone(), target.into());
    authority
        .carry_out(async move {
            let mut account = None;
            match carry_out(&own, &call, target, &wanted, &mut account).await {
                Err(Fault::NameTaken) if free_name(&own, account, wanted.token_name.as_ref()).await? => {
                    carry_out(&own, &call, target, &wanted, &mut account).await
                }
                outcome => outcome,
            }
        })
        .await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    target: Target,
    wanted: &Update,
    account: &mut Option<ServiceAccountId>,
) -> Result<(ServiceTokenRow, Epochs), Fault> {
    // An expired token of an account that lives again takes a place among those that live.
    let counted = match wanted.expires_at {
        Some(_) => target.account(authority, call).await?,
        None => None,
    };
    let (change, before) = target.begin_with(authority, call, &target.to_change()?, counted).await?;
    let Change { mut tx, grantor, now, .. } = change;
    let id = before.id;
    *account = before.service_account_id;
    if before.is_revoked(grantor.epochs) {
        return Err(Fault::AlreadyRevoked);
    }
    call.expects(before.version)?;
    let changes = changes(wanted, &before, now)?;
    let home = home_of(tx.conn(), &before).await?;
    if let Some(home) = &home {
        home.admits(Asked {
            permissions: changes.permissions.as_ref(),
            limits: changes.limits,
            allowlist: changes.allowlist.as_ref(),
        })?;
    }
    may_widen(&grantor, home.as_ref(), &before, &changes)?;
    if is_nothing(&changes, &before) {
        return Ok((before, grantor.epochs));
    }
    if let Some(home) = &home
        && changes.expires_at.is_some()
        && now.has_reached(before.expires_at)
        && before.superseded_by_id.is_none()
    {
        home.must_have_room(authority, tx.conn(), now).await?;
    }
    if !service_tokens::update(tx.conn(), id, before.version, &changes).await? {
        return Err(Fault::PreconditionFailed);
    }
    let after = service_tokens::by_id(tx.conn(), None, id).await?.ok_or(Fault::NotFound)?;
    let epochs = grantor.epochs;
    let event = Event::new("token.updated", grantor.actor, Some(call), Subject::token(&after));
    let event = event.publisher(after.publisher_id);
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
    let metadata = wanted.metadata.as_ref().map(|change| change.applied(&before.metadata)).transpose()?;
    Ok(Changes {
        token_name: wanted.token_name.clone(),
        is_active: wanted.is_active,
        metadata,
        expires_at: wanted.expires_at,
        permissions: wanted.permissions.clone(),
        limits: wanted.limits.map(|change| change.applied(before.limits)),
        allowlist: wanted.allowlist.clone(),
        updated_at: now,
    })
}

fn is_nothing(changes: &Changes, before: &ServiceTokenRow) -> bool {
    changes.token_name.as_ref().is_none_or(|name| *name == before.token_name)
        && changes.is_active.is_none_or(|active| active == before.is_active)
        && changes.metadata.as_ref().is_none_or(|metadata| *metadata == before.metadata)
        && changes.expires_at.is_none_or(|end| end == before.expires_at)
        && changes.permissions.as_ref().is_none_or(|permissions| *permissions == before.permissions)
        && changes.limits.is_none_or(|limits| limits == before.limits)
        && changes.allowlist.as_ref().is_none_or(|allowlist| *allowlist == before.allowlist)
}

/// More permissions, a longer life, wider bounds, or being switched on again: each gives the token's bearer
/// what it did not have, so the caller must have it all.
fn may_widen(
    grantor: &Grantor,
    home: Option<&Home>,
    before: &ServiceTokenRow,
    changes: &Changes,
) -> Result<(), Fault> {
    let permissions = changes.permissions.as_ref().unwrap_or(&before.permissions);
    let limits = changes.limits.unwrap_or(before.limits);
    let allowlist = changes.allowlist.as_ref().unwrap_or(&before.allowlist);
    let more = !before.permissions.covers_all(permissions);
    let longer = match (before.expires_at, changes.expires_at) {
        (Some(_), Some(None)) => true,
        (Some(old), Some(Some(new))) => new > old,
        _ => false,
    };
    let wider = !limits.are_within(&before.limits) || !allowlist.is_within(&before.allowlist);
    let on_again = !before.is_active && changes.is_active == Some(true);
    if !(more || longer || wider || on_again) {
        return Ok(());
    }
    let expires_at = changes.expires_at.unwrap_or(before.expires_at);
    grantor.may_grant(permissions)?;
    if longer {
        may_never_end(grantor, expires_at)?;
    }
    may_bound(grantor, home, expires_at, limits, allowlist)
}
