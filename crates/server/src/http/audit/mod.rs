//! `/audit`: the audit trail.

pub mod authentication_events;
pub mod cicd_event;
pub mod export;
pub mod security_events;
pub mod verify;

use keywright_api::event_query::Order;
use keywright_api::problem::Problem;
use keywright_core::{EventId, Timestamp};
use keywright_store::security_events::SortOrder;

use crate::http::cursor::Cursor;
use crate::http::input::invalid;

/// A moment of a query.
pub(crate) fn moment(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    text.map(str::parse)
        .transpose()
        .map_err(|error: keywright_core::time::TimestampError| invalid(name, &error.to_string()))
}

/// The order of a list; newest first when nothing is said.
pub(crate) fn order(order: Option<Order>) -> SortOrder {
    match order {
        Some(Order::Asc) => SortOrder::Ascending,
        Some(Order::Desc) | None => SortOrder::Descending,
    }
}

/// Where a list of events goes on.
pub(crate) fn after(cursor: Option<&str>) -> Result<Option<(Timestamp, EventId)>, Problem> {
    let cursor = cursor.map(Cursor::decode).transpose()?;
    Ok(cursor.map(|cursor| (cursor.at, EventId(cursor.id))))
}
