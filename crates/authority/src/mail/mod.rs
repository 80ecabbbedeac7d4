//! Mail: letters are written into the outbox in the transaction that makes them due, and delivered by a job.

mod deliver;
mod letter;
mod post;
mod render;
mod reseal;
mod texts;

use keywright_core::{EventId, Timestamp, UserId};
use keywright_store::Conn;
use keywright_store::outbox::{self, NewDelivery};
use keywright_store::users::UserRow;
use uuid::Uuid;
use zeroize::Zeroizing;

pub use self::deliver::deliver;
pub(crate) use self::deliver::{KEPT_DAYS, deliver_in_background, forget};
pub use self::letter::{AlertLine, Content, Letter, LinkToken, Locale};
pub use self::post::{MailSettings, Post, PostError, Trouble};
pub use self::render::{Rendered, render};
pub(crate) use self::reseal::reseal;

use crate::authority::Authority;
use crate::entropy;
use crate::fault::Fault;

/// The job that delivers.
pub(crate) const JOB: &str = "mail_deliverer";
/// The way in the outbox.
const CHANNEL: &str = "mail";
/// What a sealed letter is sealed for; its salt is the id of the delivery.
const PURPOSE: &str = "keywright mail v1";
/// A letter is of no use after this long, in seconds, or sooner when its link ends.
const LIFE_SECONDS: i64 = 24 * 3600;

/// Puts a letter into the outbox, in the transaction that makes it due. `useful_until` is the end of the
/// link in it.
///
/// # Errors
/// [`Fault::MailNotConfigured`] when there is no way to send it; as the store.
pub(crate) async fn send(
    authority: &Authority,
    conn: Conn<'_>,
    user: &UserRow,
    letter: &Letter,
    now: Timestamp,
    useful_until: Option<Timestamp>,
) -> Result<(), Fault> {
    send_about(authority, conn, Some(user.id), letter, now, useful_until).await
}

/// The same of a letter that may be about nobody who has an account.
///
/// # Errors
/// As [`send`].
pub(crate) async fn send_about(
    authority: &Authority,
    conn: Conn<'_>,
    user: Option<UserId>,
    letter: &Letter,
    now: Timestamp,
    useful_until: Option<Timestamp>,
) -> Result<(), Fault> {
    if authority.post().is_none() {
        return Err(Fault::MailNotConfigured);
    }
    let id: Uuid = EventId::generate(now, entropy::id()).0;
    let text =
        Zeroizing::new(serde_json::to_vec(letter).map_err(|error| Fault::Internal(error.to_string()))?);
    let end = now.plus_seconds(LIFE_SECONDS);
    let new = NewDelivery {
        id,
        channel: CHANNEL,
        template: letter.content.template(),
        user_id: user,
        sealed: authority.keys().seal(PURPOSE, id.as_bytes(), &text),
        created_at: now,
        expires_at: useful_until.map_or(end, |until| until.min(end)),
    };
    Ok(outbox::insert(conn, &new).await?)
}
