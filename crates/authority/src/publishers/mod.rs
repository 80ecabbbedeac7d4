//! Publishers, the tenants: one file for each use case.
//!
//! The platform makes, suspends and deletes them. Within its own an administrator sees it and changes its
//! name and settings; to everybody else it does not exist.

mod create;
mod delete;
mod read;
mod settings;
mod suspend;
mod update;

pub use create::{Create, create};
pub use delete::delete;
pub use read::{get, list};
pub use settings::{AnomaliesChange, PersonalTokensChange, SettingsChange};
pub use suspend::{resume, suspend};
pub use update::{SettingsUpdate, Update, update};

use keywright_core::PublisherId;
use keywright_store::Conn;
use keywright_store::publishers::{self, PublisherRow};
use serde_json::{Value, json};

use crate::audit::{Snapshot, Subject};
use crate::call::Call;
use crate::fault::Fault;

/// What lets its bearer manage publishers: at platform level all, within a publisher that one's name and
/// settings.
pub const ADMIN: &str = "publishers:admin";

/// To whoever belongs to a publisher, or acts for one, there is no other.
///
/// # Errors
/// [`Fault::NotFound`].
pub(crate) fn must_see(call: &Call, id: PublisherId) -> Result<(), Fault> {
    if call.within().is_some_and(|own| own != id) { Err(Fault::NotFound) } else { Ok(()) }
}

/// The publisher of something new: the one that was asked for, else the one that the call is about, or none. To
/// whoever belongs to one, or acts for one, there is no other.
///
/// # Errors
/// [`Fault::Invalid`] for a publisher that there is not.
pub(crate) async fn of_new(
    conn: Conn<'_>,
    call: &Call,
    asked: Option<PublisherId>,
) -> Result<Option<PublisherId>, Fault> {
    let unknown = || Fault::field("publisher_id", "there is no such publisher");
    let within = call.narrowed_to(asked).map_err(|_| unknown())?;
    if let Some(id) = within {
        publishers::by_id(conn, id).await?.ok_or_else(unknown)?;
    }
    Ok(within)
}

fn subject(row: &PublisherRow) -> Subject {
    Subject { kind: "publisher", id: Some(row.id.0), name: Some(row.name.as_str().to_owned()) }
}

impl Snapshot for PublisherRow {
    fn snapshot(&self) -> Value {
        json!({
            "name": self.name,
            "settings": self.settings,
            "suspended_at": self.suspended_at,
            "suspended_reason": self.suspended_reason,
            "deleted_at": self.deleted_at,
        })
    }
}
