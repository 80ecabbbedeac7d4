//! Asking for a link, by an address alone.
//!
//! The work is done after the answer, so that an address that has an account and one that has none are alike
//! in status, body and time; so are a server that sends mail and one that cannot.

use keywright_core::EmailAddress;
use keywright_store::mailed_tokens::{self, Purpose};
use keywright_store::users::{self, UserRow, UserStatus};
use tracing::warn;

use crate::audit::Event;
use crate::authority::Authority;
use crate::change::Invalidation;
use crate::fault::Fault;
use crate::mail::{Content, Letter, LinkToken, send};
use crate::sessions::Visitor;
use crate::users::{issue, subject, themself};

/// Between two links for the same purpose to the same account.
const PAUSE_SECONDS: i64 = 60;

/// Sends a link to set a new password, if the address has an account.
///
/// # Errors
/// [`Fault::Unavailable`] when too much is asked at once.
pub fn request_reset(authority: &Authority, visitor: Visitor, email: EmailAddress) -> Result<(), Fault> {
    in_background(authority, visitor, email, Purpose::PasswordReset)
}

/// Sends a link to confirm an address, if it has an account that has not.
///
/// # Errors
/// [`Fault::Unavailable`] when too much is asked at once.
pub fn request_verification(
    authority: &Authority,
    visitor: Visitor,
    email: EmailAddress,
) -> Result<(), Fault> {
    in_background(authority, visitor, email, Purpose::EmailVerification)
}

fn in_background(
    authority: &Authority,
    visitor: Visitor,
    email: EmailAddress,
    purpose: Purpose,
) -> Result<(), Fault> {
    // A guest is told the same as ever: that no mail leaves here is for whoever runs this server.
    if authority.post().is_none() {
        warn!(request_id = visitor.request_id, "a link was asked for, but mail is not configured");
        return Ok(());
    }
    let place = authority.requests().clone().try_acquire_owned();
    let place = place.map_err(|_| Fault::Unavailable("too many links are asked for at once".to_owned()))?;
    let own = authority.clone();
    tokio::spawn(async move {
        if let Err(error) = send_link(&own, &visitor, &email, purpose).await {
            warn!(request_id = visitor.request_id, %error, "a link that was asked for was not sent");
        }
        drop(place);
    });
    Ok(())
}

fn is_due(user: &UserRow, purpose: Purpose) -> bool {
    match purpose {
        Purpose::PasswordReset => user.status() == UserStatus::Active,
        _ => user.status() == UserStatus::Active && user.email_verified_at.is_none(),
    }
}

async fn send_link(
    authority: &Authority,
    visitor: &Visitor,
    email: &EmailAddress,
    purpose: Purpose,
) -> Result<(), Fault> {
    let known = users::by_email(authority.store().read().await?.conn(), email).await?;
    let Some(known) = known.filter(|user| is_due(user, purpose)) else { return Ok(()) };
    let mut tx = authority.store().begin_change(&[], &[known.id.0]).await?;
    let now = authority.now();
    let user = users::by_id(tx.conn(), known.id, None).await?;
    let Some(user) = user.filter(|user| is_due(user, purpose) && user.email == known.email) else {
        return Ok(());
    };
    // Whoever asks again and again fills nobody's mailbox, and voids no link that was just sent.
    if mailed_tokens::made_since(tx.conn(), user.id, purpose, now.plus_seconds(-PAUSE_SECONDS)).await? {
        return Ok(());
    }
    // To the address that is stored, never to the spelling that was asked with.
    let issued = issue(tx.conn(), &user, &user.email, purpose, now).await?;
    let token = LinkToken::of(&issued.token);
    let (kind, content) = match purpose {
        Purpose::PasswordReset => ("user.password_reset_requested", Content::PasswordReset { token }),
        _ => ("user.email_verification_requested", Content::EmailVerification { token }),
    };
    send(authority, tx.conn(), &user, &Letter::to(&user, content), now, Some(issued.expires_at)).await?;
    let event = Event::new(kind, themself(user.id), None, subject(user.id));
    event.visitor(visitor).write(authority, tx.conn()).await?;
    authority.commit(tx, Invalidation::None, false).await?;
    authority.mail_wanted().notify_one();
    Ok(())
}
