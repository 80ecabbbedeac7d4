//! Changing a channel (RFC 7396).

use keywright_core::{AlertKind, ChannelId, DigestPeriod, Name, Severity};
use keywright_store::deliveries;
use keywright_store::notification_channels::{self, Changes, ChannelRow};

use super::super::ADMIN;
use super::super::destination::{Address, Destination};
use super::subject;
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
    /// Where it leads from then on; its secret stays.
    pub address: Address,
    /// Another least severity.
    pub minimum_severity: Option<Severity>,
    /// Other kinds; `Some(None)` is all.
    pub alert_kinds: Option<Option<Vec<AlertKind>>>,
    /// Whether it tells the alerts of all publishers.
    pub all_publishers: Option<bool>,
    /// Another way of gathering.
    pub digest: Option<DigestPeriod>,
    /// On or off.
    pub is_enabled: Option<bool>,
}

/// Changes a channel. Who switches it off gives up what waits for it.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:admin`; [`Fault::NotFound`]; [`Fault::PreconditionFailed`];
/// [`Fault::NameTaken`]; [`Fault::Invalid`].
pub async fn update(
    authority: &Authority,
    call: Call,
    id: ChannelId,
    wanted: Update,
) -> Result<ChannelRow, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, id, wanted).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    id: ChannelId,
    wanted: Update,
) -> Result<ChannelRow, Fault> {
    let Change { mut tx, grantor, now, .. } = Change::begin(authority, call, &needs(ADMIN)?).await?;
    let before = notification_channels::lock(tx.conn(), call.within(), id).await?.ok_or(Fault::NotFound)?;
    call.expects(before.version)?;
    if wanted.all_publishers == Some(true) && before.publisher_id.is_some() {
        return Err(Fault::field("all_publishers", "a channel of a publisher tells its own alerts alone"));
    }
    let destination = if wanted.address.is_empty() {
        None
    } else {
        let sealed = notification_channels::sealed_by_id(tx.conn(), id).await?;
        Some(Destination::moved(authority, id.0, before.kind, sealed.as_deref(), wanted.address)?)
    };
    let changes = Changes {
        name: wanted.name,
        destination,
        minimum_severity: wanted.minimum_severity,
        alert_kinds: wanted.alert_kinds,
        all_publishers: wanted.all_publishers,
        digest: wanted.digest,
        is_enabled: wanted.is_enabled,
        updated_at: now,
    };
    if is_nothing(&changes, &before) {
        return Ok(before);
    }
    if !notification_channels::update(tx.conn(), id, before.version, &changes).await? {
        return Err(Fault::PreconditionFailed);
    }
    if changes.is_enabled == Some(false) {
        deliveries::drop_of_target(tx.conn(), id.0, now, "the channel was switched off").await?;
    }
    let after = notification_channels::by_id(tx.conn(), None, id).await?.ok_or(Fault::NotFound)?;
    let event = Event::new("notification_channel.updated", grantor.actor, Some(call), subject(&after));
    event.publisher(after.publisher_id).before(&before).after(&after).write(authority, tx.conn()).await?;
    authority.commit(tx, Invalidation::None, false).await?;
    Ok(after)
}

fn is_nothing(changes: &Changes, before: &ChannelRow) -> bool {
    changes.destination.is_none()
        && changes.name.as_ref().is_none_or(|name| *name == before.name)
        && changes.minimum_severity.is_none_or(|severity| severity == before.minimum_severity)
        && changes.alert_kinds.as_ref().is_none_or(|kinds| *kinds == before.alert_kinds)
        && changes.all_publishers.is_none_or(|all| all == before.all_publishers)
        && changes.digest.is_none_or(|digest| digest == before.digest)
        && changes.is_enabled.is_none_or(|enabled| enabled == before.is_enabled)
}
