//! Changing a role (RFC 7396).

use keywright_core::{BuiltInRole, Name, RoleId, ScopeSet};
use keywright_store::roles::{self, Changes, RoleRow};

use super::{ADMIN, subject};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;

/// A change; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// Another name.
    pub name: Option<Name>,
    /// Another description.
    pub description: Option<String>,
    /// All that it grants from then on.
    pub permissions: Option<ScopeSet>,
}

/// Changes a role, and with it what all who hold it may do, at once. Whoever widens it must hold all that it
/// then grants.
///
/// # Errors
/// [`Fault::Denied`] without `users:admin`; [`Fault::NotFound`]; [`Fault::PreconditionFailed`];
/// [`Fault::BuiltInRole`]; [`Fault::ScopeExceedsGrantor`]; [`Fault::NameTaken`]; [`Fault::Invalid`].
pub async fn update(authority: &Authority, call: Call, id: RoleId, wanted: Update) -> Result<RoleRow, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, id, wanted).await }).await
}

async fn carry_out(authority: &Authority, call: &Call, id: RoleId, wanted: Update) -> Result<RoleRow, Fault> {
    // A role never goes to another publisher, so that this one can be held before the role is read for good.
    let found = roles::by_id(authority.store().read().await?.conn(), call.within(), id).await?;
    let publisher = found.ok_or(Fault::NotFound)?.publisher_id;
    let change = Change::begin_with(authority, call, &needs(ADMIN)?, &[], &[publisher.0]).await?;
    let Change { mut tx, grantor, now, .. } = change;
    let before = roles::by_id(tx.conn(), Some(publisher), id).await?.ok_or(Fault::NotFound)?;
    call.expects(before.version)?;
    if is_nothing(&wanted, &before) {
        return Ok(before);
    }
    if let Some(built_in) = before.built_in() {
        may_extend(built_in, &wanted, &before)?;
    }
    let permissions = wanted.permissions.as_ref().unwrap_or(&before.permissions);
    if !before.permissions.covers_all(permissions) {
        grantor.may_grant(permissions)?;
    }
    let changes = Changes {
        name: wanted.name,
        description: wanted.description,
        permissions: wanted.permissions.map(|all| added(before.built_in(), &all)).transpose()?,
        updated_at: now,
    };
    if !roles::update(tx.conn(), publisher, id, before.version, &changes).await? {
        return Err(Fault::PreconditionFailed);
    }
    let after = roles::by_id(tx.conn(), Some(publisher), id).await?.ok_or(Fault::NotFound)?;
    let event = Event::new("role.updated", grantor.actor, Some(call), subject(&after));
    event.publisher(Some(publisher)).before(&before).after(&after).write(authority, tx.conn()).await?;
    authority.commit(tx, Invalidation::Of(vec![id.0]), call.confirm).await?;
    Ok(after)
}

fn is_nothing(wanted: &Update, before: &RoleRow) -> bool {
    wanted.name.as_ref().is_none_or(|name| *name == before.name)
        && wanted.description.as_ref().is_none_or(|description| *description == before.description)
        && wanted.permissions.as_ref().is_none_or(|permissions| *permissions == before.permissions)
}

/// A built-in role keeps its name and description, and only one may be extended.
fn may_extend(built_in: BuiltInRole, wanted: &Update, before: &RoleRow) -> Result<(), Fault> {
    let renamed = wanted.name.as_ref().is_some_and(|name| *name != before.name);
    let told_anew = wanted.description.as_ref().is_some_and(|text| *text != before.description);
    let granting = wanted.permissions.as_ref().is_some_and(|all| *all != before.permissions);
    if renamed || told_anew || (granting && !built_in.may_be_extended()) {
        return Err(Fault::BuiltInRole);
    }
    Ok(())
}

/// What the row of a role must hold for it to grant `all`.
fn added(built_in: Option<BuiltInRole>, all: &ScopeSet) -> Result<ScopeSet, Fault> {
    let Some(built_in) = built_in else { return Ok(all.clone()) };
    let own = built_in.permissions();
    let missing: Vec<_> = all.missing(&own).into_iter().map(ToString::to_string).collect();
    if !missing.is_empty() {
        let detail = format!("must have what the role grants by itself: {}", missing.join(", "));
        return Err(Fault::field("permissions", detail));
    }
    let added = all.iter().filter(|scope| !own.iter().any(|own| own == *scope)).cloned();
    let added = ScopeSet::new(added).map_err(|error| Fault::field("permissions", error.to_string()))?;
    own.union(&added).map_err(|error| Fault::field("permissions", error.to_string()))?;
    Ok(added)
}
