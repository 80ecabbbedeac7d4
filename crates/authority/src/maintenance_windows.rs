//! Maintenance windows: when rotations may begin, by the clock of a place.

use keywright_core::rotation::{Schedule, ScheduleError};
use keywright_core::{MaintenanceWindowId, Name, PublisherId, Timestamp};
use keywright_store::holdings::Holding;
use keywright_store::maintenance_windows::{self, ListFilter, WindowRow};
use serde_json::{Value, json};

use crate::audit::{Event, Snapshot, Subject};
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::entropy;
use crate::fault::Fault;
use crate::idempotency::{Held, Made};
use crate::publishers;
use crate::room::must_have_room;

/// What lets its bearer see maintenance windows, policies and rotations.
pub const READ: &str = "monitoring:read";
/// What lets its bearer manage them.
pub const ADMIN: &str = "monitoring:admin";

/// A window to be made.
#[derive(Clone, Debug)]
pub struct Create {
    /// The publisher that it is to belong to; when not given, the one that the call is about, or none.
    pub publisher: Option<PublisherId>,
    /// Its name.
    pub name: Name,
    /// When it opens.
    pub cron: String,
    /// How long it is open.
    pub duration_minutes: u32,
    /// By the clock of which place.
    pub time_zone: String,
}

/// A change; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// Another name.
    pub name: Option<Name>,
    /// Other openings.
    pub cron: Option<String>,
    /// Another length.
    pub duration_minutes: Option<u32>,
    /// The clock of another place.
    pub time_zone: Option<String>,
}

impl From<ScheduleError> for Fault {
    fn from(error: ScheduleError) -> Self {
        Self::field(error.field(), error.to_string())
    }
}

fn subject(row: &WindowRow) -> Subject {
    Subject { kind: "maintenance_window", id: Some(row.id.0), name: Some(row.name.as_str().to_owned()) }
}

impl Snapshot for WindowRow {
    fn snapshot(&self) -> Value {
        json!({
            "publisher_id": self.publisher_id,
            "name": self.name,
            "cron": self.cron,
            "duration_minutes": self.duration_minutes,
            "time_zone": self.time_zone,
        })
    }
}

/// The next openings of a window, of which there may be none.
pub fn openings(row: &WindowRow, from: Timestamp, count: usize) -> Vec<Timestamp> {
    let Ok(schedule) = Schedule::parse(&row.cron, row.duration_minutes, &row.time_zone) else {
        return Vec::new();
    };
    std::iter::successors(schedule.opens_after(from), |last| schedule.opens_after(*last))
        .take(count)
        .collect()
}

/// Makes a window: within a publisher for that publisher alone, at platform level for any or for the platform.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:admin`; [`Fault::Invalid`]; [`Fault::NameTaken`];
/// [`Fault::TooManyObjects`]; those of an idempotency key.
pub async fn create(authority: &Authority, call: Call, wanted: Create) -> Result<Made<WindowRow>, Fault> {
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
) -> Result<Made<WindowRow>, Fault> {
    let now = *now;
    if let Some(first) = Held::first(held, tx.conn(), now).await? {
        return Ok(first);
    }
    let publisher_id = publishers::of_new(tx.conn(), call, wanted.publisher).await?;
    Schedule::parse(&wanted.cron, wanted.duration_minutes, &wanted.time_zone)?;
    let row = WindowRow {
        id: MaintenanceWindowId::generate(now, entropy::id()),
        publisher_id,
        name: wanted.name,
        cron: wanted.cron,
        duration_minutes: wanted.duration_minutes,
        time_zone: wanted.time_zone,
        created_by: grantor.actor.clone(),
        created_at: now,
        updated_at: now,
        version: 1,
    };
    must_have_room(tx.conn(), row.publisher_id, Holding::MaintenanceWindow).await?;
    maintenance_windows::insert(tx.conn(), &row).await?;
    let event = Event::new("maintenance_window.created", grantor.actor.clone(), Some(call), subject(&row));
    event.publisher(row.publisher_id).after(&row).write(authority, tx.conn()).await?;
    Held::keep_made(held, tx.conn(), &call.actor, row, now).await
}

/// Changes a window; rotations that have begun go on.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:admin`; [`Fault::NotFound`]; [`Fault::PreconditionFailed`];
/// [`Fault::Invalid`]; [`Fault::NameTaken`].
pub async fn update(
    authority: &Authority,
    call: Call,
    id: MaintenanceWindowId,
    wanted: Update,
) -> Result<WindowRow, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out_update(&own, &call, id, wanted).await }).await
}

async fn carry_out_update(
    authority: &Authority,
    call: &Call,
    id: MaintenanceWindowId,
    wanted: Update,
) -> Result<WindowRow, Fault> {
    let change = Change::begin_with(authority, call, &needs(ADMIN)?, &[], &[id.0]).await?;
    let Change { mut tx, grantor, now, .. } = change;
    let before = maintenance_windows::by_id(tx.conn(), call.within(), id).await?.ok_or(Fault::NotFound)?;
    call.expects(before.version)?;
    let mut after = before.clone();
    after.name = wanted.name.unwrap_or(after.name);
    after.cron = wanted.cron.unwrap_or(after.cron);
    after.duration_minutes = wanted.duration_minutes.unwrap_or(after.duration_minutes);
    after.time_zone = wanted.time_zone.unwrap_or(after.time_zone);
    Schedule::parse(&after.cron, after.duration_minutes, &after.time_zone)?;
    if after == before {
        return Ok(before);
    }
    if !maintenance_windows::update(tx.conn(), &after, now).await? {
        return Err(Fault::PreconditionFailed);
    }
    (after.version, after.updated_at) = (before.version + 1, now);
    let event = Event::new("maintenance_window.updated", grantor.actor, Some(call), subject(&after));
    let event = event.publisher(after.publisher_id).before(&before).after(&after);
    event.write(authority, tx.conn()).await?;
    authority.commit(tx, Invalidation::None, call.confirm).await?;
    Ok(after)
}

/// Deletes a window that no policy names; deleting it again changes nothing.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:admin`; [`Fault::NotFound`]; [`Fault::InUse`];
/// [`Fault::PreconditionFailed`].
pub async fn delete(authority: &Authority, call: Call, id: MaintenanceWindowId) -> Result<(), Fault> {
    let own = authority.clone();
    authority
        .carry_out(async move {
            let change = Change::begin_with(&own, &call, &needs(ADMIN)?, &[], &[id.0]).await?;
            let Change { mut tx, grantor, now, .. } = change;
            let Some(before) = maintenance_windows::by_id(tx.conn(), call.within(), id).await? else {
                let existed = maintenance_windows::has_existed(tx.conn(), call.within(), id).await?;
                return if existed { Ok(()) } else { Err(Fault::NotFound) };
            };
            call.expects(before.version)?;
            if maintenance_windows::count_policies(tx.conn(), id).await? > 0 {
                return Err(Fault::InUse);
            }
            maintenance_windows::delete(tx.conn(), id, now).await?;
            let event =
                Event::new("maintenance_window.deleted", grantor.actor, Some(&call), subject(&before));
            event.publisher(before.publisher_id).before(&before).write(&own, tx.conn()).await?;
            own.commit(tx, Invalidation::None, call.confirm).await?;
            Ok(())
        })
        .await
}

/// One window.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:read`; [`Fault::NotFound`].
pub async fn get(authority: &Authority, call: &Call, id: MaintenanceWindowId) -> Result<WindowRow, Fault> {
    call.require(READ)?;
    let mut reader = authority.store().read().await?;
    maintenance_windows::by_id(reader.conn(), call.within(), id).await?.ok_or(Fault::NotFound)
}

/// A page of windows, newest first: those of the publisher that the call is about, or all.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:read`.
pub async fn list(authority: &Authority, call: &Call, filter: ListFilter) -> Result<Vec<WindowRow>, Fault> {
    call.require(READ)?;
    let Ok(within) = call.narrowed_to(filter.within) else { return Ok(Vec::new()) };
    let filter = ListFilter { within, ..filter };
    Ok(maintenance_windows::list(authority.store().read().await?.conn(), &filter).await?)
}
