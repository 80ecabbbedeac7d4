//! Making a service account.

use keywright_core::{
    Allowlist, EmailAddress, Metadata, Name, PublisherId, RateLimits, ScopeSet, ServiceType,
};
use keywright_store::service_accounts::{self, NewServiceAccount, ServiceAccountRow};

use super::{ADMIN, subject};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::idempotency::{Held, Made};
use crate::publishers;

/// An account to be made.
#[derive(Clone, Debug)]
pub struct Create {
    /// The publisher that it is to belong to; when not given, the one that the call is about, or none.
    pub publisher: Option<PublisherId>,
    /// Its name.
    pub name: Name,
    /// What it is for.
    pub description: String,
    /// What it stands for.
    pub service_type: ServiceType,
    /// Whom to ask about it.
    pub owner_email: Option<EmailAddress>,
    /// What its tokens may do at most.
    pub scopes: ScopeSet,
    /// How often they may be used together.
    pub limits: RateLimits,
    /// From where; none: from anywhere.
    pub allowlist: Allowlist,
    /// What the application keeps with it.
    pub metadata: Metadata,
}

/// Makes a service account: within a publisher of that publisher alone, at platform level of any or of none.
///
/// # Errors
/// [`Fault::Denied`] without `service_accounts:admin`; [`Fault::Invalid`] for a publisher that there is not;
/// [`Fault::ScopeExceedsGrantor`]; [`Fault::NameTaken`]; those of an idempotency key.
pub async fn create(
    authority: &Authority,
    call: Call,
    wanted: Create,
) -> Result<Made<ServiceAccountRow>, Fault> {
    let held = Held::take(authority, &call.actor, call.idempotency.clone())?;
    let own = authority.clone();
    authority
        .carry_out(async move {
            let mut change = Change::begin(&own, &call, &needs(ADMIN)?).await?;
            let made = make(&own, &call, held.as_ref(), wanted, &mut change).await;
            change.finish(&own, &call, made, Invalidation::None).await
        })
        .await
}

async fn make(
    authority: &Authority,
    call: &Call,
    held: Option<&Held>,
    wanted: Create,
    Change { tx, grantor, now, .. }: &mut Change,
) -> Result<Made<ServiceAccountRow>, Fault> {
    let now = *now;
    if let Some(first) = Held::first(held, tx.conn(), now).await? {
        return Ok(first);
    }
    let publisher_id = publishers::of_new(tx.conn(), call, wanted.publisher).await?;
    grantor.may_grant(&wanted.scopes)?;
    grantor.may_reach(wanted.limits, &[&wanted.allowlist])?;
    let new = NewServiceAccount {
        id: authority.new_service_account_id(),
        publisher_id,
        name: wanted.name,
        description: wanted.description,
        service_type: wanted.service_type,
        owner_email: wanted.owner_email,
        scopes: wanted.scopes,
        limits: wanted.limits,
        allowlist: wanted.allowlist,
        metadata: wanted.metadata,
        created_by: grantor.actor.clone(),
        created_at: now,
    };
    let row = service_accounts::insert(tx.conn(), &new).await?;
    let event = Event::new("service_account.created", grantor.actor.clone(), Some(call), subject(&row));
    event.publisher(publisher_id).after(&row).write(authority, tx.conn()).await?;
    Held::keep_made(held, tx.conn(), &call.actor, row, now).await
}
