//! How many of a kind a publisher may have. What the platform has for itself is not counted.

use keywright_core::PublisherId;
use keywright_store::Conn;
use keywright_store::holdings::{self, Holding};

use crate::fault::Fault;

/// Most live notification channels, event subscriptions and maintenance windows of a publisher, of each.
const MOST_OF_EACH: u32 = 100;
/// Most live rotation policies of a publisher: it may have one for each of its accounts.
const MOST_POLICIES: u32 = 1_000;

/// Refuses one more than a publisher may have. Whoever asks next waits until this transaction ends: ask last, right
/// before the insert.
///
/// # Errors
/// [`Fault::TooManyObjects`].
pub(crate) async fn must_have_room(
    conn: Conn<'_>,
    publisher: Option<PublisherId>,
    kind: Holding,
) -> Result<(), Fault> {
    let Some(publisher) = publisher else { return Ok(()) };
    let (most, what) = match kind {
        Holding::NotificationChannel => (MOST_OF_EACH, "notification channels"),
        Holding::EventSubscription => (MOST_OF_EACH, "event subscriptions"),
        Holding::MaintenanceWindow => (MOST_OF_EACH, "maintenance windows"),
        Holding::RotationPolicy => (MOST_POLICIES, "rotation policies"),
    };
    if holdings::count(conn, publisher, kind).await? >= most.into() {
        return Err(Fault::TooManyObjects { most, what });
    }
    Ok(())
}
