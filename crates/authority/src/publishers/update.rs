//! Changing a publisher (RFC 7396).

use keywright_core::{Name, PublisherId, PublisherSettings};
use keywright_store::publishers::{self, Changes, PublisherRow};

use super::{ADMIN, SettingsChange, must_see, subject};
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
    /// Other settings.
    pub settings: Option<SettingsUpdate>,
}

/// What becomes of the settings.
#[derive(Clone, Debug)]
pub enum SettingsUpdate {
    /// Those that are named change.
    Merge(SettingsChange),
    /// Those that are not named are as by default.
    Replace(SettingsChange),
}

/// Changes a publisher.
///
/// # Errors
/// [`Fault::Denied`] without `publishers:admin`; [`Fault::NotFound`]; [`Fault::PreconditionFailed`];
/// [`Fault::NameTaken`]; [`Fault::Invalid`].
pub async fn update(
    authority: &Authority,
    call: Call,
    id: PublisherId,
    wanted: Update,
) -> Result<PublisherRow, Fault> {
    must_see(&call, id)?;
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, id, wanted).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    id: PublisherId,
    wanted: Update,
) -> Result<PublisherRow, Fault> {
    let change = Change::begin_with(authority, call, &needs(ADMIN)?, &[], &[id.0]).await?;
    let Change { mut tx, grantor, now, .. } = change;
    let before = publishers::by_id(tx.conn(), id).await?.ok_or(Fault::NotFound)?;
    call.expects(before.version)?;
    let settings = match &wanted.settings {
        None => None,
        Some(SettingsUpdate::Merge(change)) => Some(change.applied(&before.settings)?),
        Some(SettingsUpdate::Replace(change)) => Some(change.applied(&PublisherSettings::default())?),
    };
    let same_name = wanted.name.as_ref().is_none_or(|name| *name == before.name);
    if same_name && settings.as_ref().is_none_or(|settings| *settings == before.settings) {
        return Ok(before);
    }
    let changes = Changes { name: wanted.name, settings, updated_at: now };
    if !publishers::update(tx.conn(), id, before.version, &changes).await? {
        return Err(Fault::PreconditionFailed);
    }
    let after = publishers::by_id(tx.conn(), id).await?.ok_or(Fault::NotFound)?;
    let event = Event::new("publisher.updated", grantor.actor, Some(call), subject(&after));
    event.publisher(Some(id)).before(&before).after(&after).write(authority, tx.conn()).await?;
    authority.commit(tx, Invalidation::Of(vec![id.0]), call.confirm).await?;
    Ok(after)
}
