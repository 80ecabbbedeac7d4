//! Notifications: alerts that leave by channels, and events that subscriptions are told of.
//!
//! The audit trail is the outbox. What happens writes its security event in its own transaction, and the sealer
//! gives each committed event its place; [`dispatch`] goes along those places once, and writes a delivery for
//! each channel and subscription that is to hear of one, in the transaction that moves its cursor. [`deliver`]
//! takes what is due and tells it, at least once and under one id, for a day.

pub mod channels;
mod dead;
mod deliver;
pub mod deliveries;
mod destination;
mod digest;
mod dispatch;
mod lanes;
mod notice;
mod render;
mod reseal;
mod signature;
pub mod subscriptions;

pub use self::deliver::deliver;
pub(crate) use self::deliver::{deliver_in_background, forget};
pub use self::destination::Address;
pub use self::dispatch::dispatch;
pub(crate) use self::dispatch::{behind, dispatch_in_background};
pub(crate) use self::lanes::Lanes;
pub use self::notice::{AlertData, DigestData, EventData, Notice};
pub use self::render::{discord, slack, teams};
pub(crate) use self::reseal::reseal;
pub(crate) use self::signature::is_secret;
pub use self::signature::{new_secret, sign};

/// The job that writes deliveries.
pub(crate) const DISPATCHER: &str = "event_dispatcher";
/// The job that delivers.
pub(crate) const DELIVERER: &str = "notification_deliverer";

/// What lets its bearer see channels and subscriptions.
pub const READ: &str = "monitoring:read";
/// What lets its bearer manage channels and subscriptions.
pub const ADMIN: &str = "monitoring:admin";
/// A failed delivery is tried again for this long, in seconds.
pub const LIFE_SECONDS: i64 = 24 * 3_600;
/// Alerts that leave by themselves by one channel within an hour; what comes beyond is told by a digest.
pub const MOST_IMMEDIATE: u32 = 30;
