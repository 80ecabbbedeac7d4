//! Making a publisher.

use keywright_core::{Name, PublisherSettings};
use keywright_store::publishers::{self, NewPublisher, PublisherRow};
use keywright_store::roles;

use super::{ADMIN, SettingsChange, subject};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::entropy;
use crate::fault::Fault;
use crate::idempotency::{Held, Made};

/// A publisher to be made.
#[derive(Clone, Debug)]
pub struct Create {
    /// Its name.
    pub name: Name,
    /// What it sets for itself, beside what is so by default.
    pub settings: SettingsChange,
}

/// Makes a publisher with its built-in roles. It has no members.
///
/// # Errors
/// [`Fault::Denied`] without `publishers:admin` at platform level; [`Fault::NameTaken`]; [`Fault::Invalid`];
/// those of an idempotency key.
pub async fn create(authority: &Authority, call: Call, wanted: Create) -> Result<Made<PublisherRow>, Fault> {
    let held = Held::take(authority, &call.actor, call.idempotency.clone())?;
    let own = authority.clone();
    authority
        .carry_out(async move {
            let needs = needs(ADMIN)?.at_platform_level();
            let mut change = Change::begin_with(&own, &call, &needs, &[], &[]).await?;
            let made = make(&own, &call, held.as_ref(), &wanted, &mut change).await;
            change.finish(&own, &call, made, Invalidation::None).await
        })
        .await
}

async fn make(
    authority: &Authority,
    call: &Call,
    held: Option<&Held>,
    wanted: &Create,
    Change { tx, grantor, now, .. }: &mut Change,
) -> Result<Made<PublisherRow>, Fault> {
    let now = *now;
    if let Some(first) = Held::first(held, tx.conn(), now).await? {
        return Ok(first);
    }
    let new = NewPublisher {
        id: authority.new_publisher_id(),
        name: wanted.name.clone(),
        settings: wanted.settings.applied(&PublisherSettings::default())?,
        created_by: grantor.actor.clone(),
        created_at: now,
    };
    let row = publishers::insert(tx.conn(), &new).await?;
    let entropy = [entropy::id(), entropy::id(), entropy::id()];
    roles::insert_built_in(tx.conn(), row.id, &grantor.actor, now, entropy).await?;
    let event = Event::new("publisher.created", grantor.actor.clone(), Some(call), subject(&row));
    event.publisher(Some(row.id)).after(&row).write(authority, tx.conn()).await?;
    Held::keep_made(held, tx.conn(), &call.actor, row, now).await
}
