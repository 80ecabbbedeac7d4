//! Making a channel.

use keywright_core::{AlertKind, ChannelKind, DigestPeriod, Name, PublisherId, Severity};
use keywright_store::holdings::Holding;
use keywright_store::notification_channels::{self, ChannelRow, NewChannel};

use super::super::ADMIN;
use super::super::destination::{Address, Destination, secret_of};
use super::subject;
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::idempotency::{Held, Minted};
use crate::publishers;
use crate::room::must_have_room;
use crate::service_tokens::finish;

/// A channel to be made.
#[derive(Clone, Debug)]
pub struct Create {
    /// The publisher that it is to belong to; when not given, the one that the call is about, or none.
    pub publisher: Option<PublisherId>,
    /// Its name.
    pub name: Name,
    /// By which way.
    pub kind: ChannelKind,
    /// Where it leads.
    pub address: Address,
    /// Alerts below this are not told.
    pub minimum_severity: Severity,
    /// The kinds that are told; `None` is all.
    pub alert_kinds: Option<Vec<AlertKind>>,
    /// At platform level: alerts of all publishers too.
    pub all_publishers: Option<bool>,
    /// How it gathers what it tells.
    pub digest: DigestPeriod,
    /// Whether it is on.
    pub is_enabled: bool,
}

/// Makes a channel: within a publisher of that publisher alone, at platform level of any or of none. A webhook is
/// given a secret, which is told this once.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:admin`; [`Fault::Invalid`] for a publisher that there is not, and for an
/// address that must not be called; [`Fault::MailNotConfigured`]; [`Fault::NameTaken`];
/// [`Fault::TooManyObjects`]; those of an idempotency key.
pub async fn create(authority: &Authority, call: Call, wanted: Create) -> Result<Minted<ChannelRow>, Fault> {
    let held = Held::take(authority, &call.actor, call.idempotency.clone())?;
    let own = authority.clone();
    authority
        .carry_out(async move {
            let mut change = Change::begin(&own, &call, &needs(ADMIN)?).await?;
            let made = make(&own, &call, held.as_ref(), wanted, &mut change).await;
            finish(&own, &call, change, made, Invalidation::None).await
        })
        .await
}

async fn make(
    authority: &Authority,
    call: &Call,
    held: Option<&Held>,
    wanted: Create,
    Change { tx, grantor, now, .. }: &mut Change,
) -> Result<Minted<ChannelRow>, Fault> {
    let now = *now;
    if let Some(held) = held
        && let Some(first) = held.repeated(tx.conn(), now).await?
    {
        return Ok(first);
    }
    let publisher_id = publishers::of_new(tx.conn(), call, wanted.publisher).await?;
    let all_publishers = of_all(publisher_id, wanted.all_publishers)?;
    let (id, secret) = (authority.new_channel_id(), secret_of(wanted.kind));
    let plain = secret.as_ref().map(keywright_core::PlainToken::reveal);
    let destination = Destination::of(authority, wanted.kind, wanted.address, plain)?;
    let sealed = match destination {
        Destination::Log => None,
        _ => Some(destination.seal(authority, id.0)?),
    };
    let row = ChannelRow {
        id,
        publisher_id,
        name: wanted.name,
        kind: wanted.kind,
        destination_hint: destination.hint(authority),
        minimum_severity: wanted.minimum_severity,
        alert_kinds: wanted.alert_kinds,
        all_publishers,
        digest: wanted.digest,
        is_enabled: wanted.is_enabled,
        created_by: grantor.actor.clone(),
        created_at: now,
        updated_at: now,
        version: 1,
    };
    must_have_room(tx.conn(), publisher_id, Holding::NotificationChannel).await?;
    notification_channels::insert(tx.conn(), &NewChannel { row: row.clone(), sealed }).await?;
    let event = Event::new("notification_channel.created", grantor.actor.clone(), Some(call), subject(&row));
    event.publisher(publisher_id).after(&row).write(authority, tx.conn()).await?;
    match (held, &secret) {
        (Some(held), Some(secret)) => held.keep(tx.conn(), &call.actor, &row, secret, now).await?,
        (Some(held), None) => held.keep_answer(tx.conn(), &call.actor, &row, now).await?,
        (None, _) => {}
    }
    Ok(Minted { token: row, secret, repeated: false })
}

/// Only at platform level is there more than one publisher; there all of them, unless asked otherwise.
fn of_all(publisher: Option<PublisherId>, asked: Option<bool>) -> Result<bool, Fault> {
    match (publisher, asked) {
        (Some(_), Some(true)) => {
            Err(Fault::field("all_publishers", "a channel of a publisher tells its own alerts alone"))
        }
        (Some(_), _) => Ok(false),
        (None, asked) => Ok(asked.unwrap_or(true)),
    }
}
