//! Making a role.

use keywright_core::{Name, PublisherId, ScopeSet};
use keywright_store::publishers;
use keywright_store::roles::{self, NewRole, RoleRow};

use super::{ADMIN, subject};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::idempotency::{Held, Made};

/// A role to be made.
#[derive(Clone, Debug)]
pub struct Create {
    /// Its name.
    pub name: Name,
    /// What it is for.
    pub description: String,
    /// What it grants.
    pub permissions: ScopeSet,
}

/// Makes a role of the publisher that the call acts for.
///
/// # Errors
/// [`Fault::Denied`] without `users:admin`; [`Fault::PublisherRequired`]; [`Fault::NotFound`] when there is
/// no such publisher; [`Fault::ScopeExceedsGrantor`]; [`Fault::NameTaken`]; those of an idempotency key.
pub async fn create(authority: &Authority, call: Call, wanted: Create) -> Result<Made<RoleRow>, Fault> {
    let publisher = call.acting_for()?;
    let held = Held::take(authority, &call.actor, call.idempotency.clone())?;
    let own = authority.clone();
    authority
        .carry_out(async move {
            let mut change = Change::begin_with(&own, &call, &needs(ADMIN)?, &[], &[publisher.0]).await?;
            let made = make(&own, &call, held.as_ref(), publisher, wanted, &mut change).await;
            change.finish(&own, &call, made, Invalidation::None).await
        })
        .await
}

async fn make(
    authority: &Authority,
    call: &Call,
    held: Option<&Held>,
    publisher: PublisherId,
    wanted: Create,
    Change { tx, grantor, now, .. }: &mut Change,
) -> Result<Made<RoleRow>, Fault> {
    let now = *now;
    if let Some(first) = Held::first(held, tx.conn(), now).await? {
        return Ok(first);
    }
    publishers::by_id(tx.conn(), publisher).await?.ok_or(Fault::NotFound)?;
    grantor.may_grant(&wanted.permissions)?;
    let new = NewRole {
        id: authority.new_role_id(),
        publisher_id: publisher,
        name: wanted.name,
        description: wanted.description,
        built_in: None,
        permissions: wanted.permissions,
        created_by: grantor.actor.clone(),
        created_at: now,
    };
    let row = roles::insert(tx.conn(), &new).await?;
    let event = Event::new("role.created", grantor.actor.clone(), Some(call), subject(&row));
    event.publisher(Some(publisher)).after(&row).write(authority, tx.conn()).await?;
    Held::keep_made(held, tx.conn(), &call.actor, row, now).await
}
