//! How many of a kind a publisher has, where it may have only so many.

use keywright_core::PublisherId;

use crate::conn::{Conn, on};
use crate::dialect::{Statement, statements};
use crate::error::StoreError;
use crate::publishers;
use crate::types::to_u64;

statements! {
    CHANNELS = ["SELECT COUNT(*) FROM notification_channels WHERE publisher_id = $1 AND deleted_at IS NULL"];
    SUBSCRIPTIONS = ["SELECT COUNT(*) FROM event_subscriptions WHERE publisher_id = $1 AND deleted_at IS NULL"];
    POLICIES = ["SELECT COUNT(*) FROM rotation_policies WHERE publisher_id = $1 AND deleted_at IS NULL"];
    WINDOWS = ["SELECT COUNT(*) FROM maintenance_windows WHERE publisher_id = $1 AND deleted_at IS NULL"];
}

/// What a publisher may have only so many of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    /// Ways by which its alerts leave.
    NotificationChannel,
    /// Those who are told of its events.
    EventSubscription,
    /// What says when its tokens are rotated.
    RotationPolicy,
    /// What says when rotations may begin.
    MaintenanceWindow,
}

impl Holding {
    const fn statement(self) -> &'static Statement {
        match self {
            Self::NotificationChannel => &CHANNELS,
            Self::EventSubscription => &SUBSCRIPTIONS,
            Self::RotationPolicy => &POLICIES,
            Self::MaintenanceWindow => &WINDOWS,
        }
    }
}

/// How many live ones a publisher has. Until the transaction ends nobody else counts what is within it: of two who
/// would add the last one, the second finds it there.
///
/// # Errors
/// As any query.
pub async fn count(mut conn: Conn<'_>, publisher: PublisherId, kind: Holding) -> Result<u64, StoreError> {
    publishers::lock(conn.reborrow(), publisher).await?;
    let statement = kind.statement();
    let count =
        on!(conn, |c| sqlx::query_scalar::<DB, i64>(statement.text::<DB>()).bind(publisher.0).fetch_one(c))?;
    Ok(to_u64(count))
}
