//! Changing a service account (RFC 7396).

use keywright_core::{
    Allowlist, EmailAddress, Metadata, Name, ScopeSet, ServiceAccountId, ServiceType, Timestamp,
};
use keywright_store::service_accounts::{self, Changes, ServiceAccountRow};

use super::{ADMIN, subject};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, Grantor, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::rate_limits::RateLimitsChange;
use crate::service_tokens::MetadataChange;

/// A change; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Update {
    /// Another name.
    pub name: Option<Name>,
    /// Another description.
    pub description: Option<String>,
    /// Another kind.
    pub service_type: Option<ServiceType>,
    /// Another owner; `Some(None)` is none.
    pub owner_email: Option<Option<EmailAddress>>,
    /// All that its tokens may do from then on.
    pub scopes: Option<ScopeSet>,
    /// Other limits.
    pub limits: Option<RateLimitsChange>,
    /// Other networks; none: from anywhere.
    pub allowlist: Option<Allowlist>,
    /// Another metadata.
    pub metadata: Option<MetadataChange>,
}

/// Changes an account, and with it at once what its tokens may do, how often and from where. Whoever widens it
/// must have all that it then has.
///
/// # Errors
/// [`Fault::Denied`] without `service_accounts:admin`; [`Fault::NotFound`]; [`Fault::PreconditionFailed`];
/// [`Fault::ScopeExceedsGrantor`]; [`Fault::NameTaken`]; [`Fault::Invalid`].
pub async fn update(
    authority: &Authority,
    call: Call,
    id: ServiceAccountId,
    wanted: Update,
) -> Result<ServiceAccountRow, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, id, wanted).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    id: ServiceAccountId,
    wanted: Update,
) -> Result<ServiceAccountRow, Fault> {
    let change = Change::begin_with(authority, call, &needs(ADMIN)?, &[], &[id.0]).await?;
    let Change { mut tx, grantor, now, .. } = change;
    let before = service_accounts::by_id(tx.conn(), call.within(), id).await?.ok_or(Fault::NotFound)?;
    call.expects(before.version)?;
    let changes = changes(wanted, &before, now)?;
    may_widen(&grantor, &before, &changes)?;
    if is_nothing(&changes, &before) {
        return Ok(before);
    }
    if !service_accounts::update(tx.conn(), id, before.version, &changes).await? {
        return Err(Fault::PreconditionFailed);
    }
    let after = service_accounts::by_id(tx.conn(), None, id).await?.ok_or(Fault::NotFound)?;
    let event = Event::new("service_account.updated", grantor.actor, Some(call), subject(&after));
    let event = event.publisher(after.publisher_id).before(&before).after(&after);
    event.write(authority, tx.conn()).await?;
    authority.commit(tx, Invalidation::Of(vec![id.0]), call.confirm).await?;
    Ok(after)
}

fn changes(wanted: Update, before: &ServiceAccountRow, now: Timestamp) -> Result<Changes, Fault> {
    let metadata = wanted.metadata.map(|change| change.applied(&before.metadata)).transpose()?;
    Ok(Changes {
        name: wanted.name,
        description: wanted.description,
        service_type: wanted.service_type,
        owner_email: wanted.owner_email,
        scopes: wanted.scopes,
        limits: wanted.limits.map(|change| change.applied(before.limits)),
        allowlist: wanted.allowlist,
        metadata,
        updated_at: now,
    })
}

fn is_nothing(changes: &Changes, before: &ServiceAccountRow) -> bool {
    changes.name.as_ref().is_none_or(|name| *name == before.name)
        && changes.description.as_ref().is_none_or(|text| *text == before.description)
        && changes.service_type.is_none_or(|kind| kind == before.service_type)
        && changes.owner_email.as_ref().is_none_or(|owner| *owner == before.owner_email)
        && changes.scopes.as_ref().is_none_or(|scopes| *scopes == before.scopes)
        && changes.limits.is_none_or(|limits| limits == before.limits)
        && changes.allowlist.as_ref().is_none_or(|allowlist| *allowlist == before.allowlist)
        && changes.metadata.as_ref().is_none_or(|metadata: &Metadata| *metadata == before.metadata)
}

/// More scopes or wider bounds give its tokens what they did not have.
fn may_widen(grantor: &Grantor, before: &ServiceAccountRow, changes: &Changes) -> Result<(), Fault> {
    let scopes = changes.scopes.as_ref().unwrap_or(&before.scopes);
    let limits = changes.limits.unwrap_or(before.limits);
    let allowlist = changes.allowlist.as_ref().unwrap_or(&before.allowlist);
    let more = !before.scopes.covers_all(scopes);
    let wider = !limits.are_within(&before.limits) || !allowlist.is_within(&before.allowlist);
    if !(more || wider) {
        return Ok(());
    }
    grantor.may_grant(scopes)?;
    grantor.may_reach(limits, &[allowlist])
}
