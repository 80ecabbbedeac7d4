//! Changing one's own password.

use keywright_core::PlainPassword;
use keywright_store::mailed_tokens::{self, Purpose};
use keywright_store::{sessions, users};

use super::{context_of, myself};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, Needs};
use crate::change::Invalidation;
use crate::fault::Fault;
use crate::mail::{Content, Letter, send};
use crate::sessions::throttle;
use crate::users::{begin_ending, subject};

/// Changes the caller's password, and ends their other sessions.
///
/// # Errors
/// [`Fault::UserRequired`]; [`Fault::Invalid`] for a wrong present password, or a new one that is guessed too
/// soon; [`Fault::TooManyAttempts`]; [`Fault::Denied`]; [`Fault::Unavailable`] when too many are being hashed.
pub async fn change_password(
    authority: &Authority,
    call: Call,
    current: &str,
    new_password: &str,
) -> Result<(), Fault> {
    let (id, session) = myself(&call)?;
    let (user, kept) = re_authenticate(authority, &call, "current_password", current).await?;
    let context = context_of(authority, &user, None).await?;
    let password = authority.passwords().judge("new_password", new_password, context).await?;
    let hash = authority.passwords().hash(password).await?;
    let own = authority.clone();
    authority
        .carry_out(async move {
            let (mut tx, grantor, now, epoch) = begin_ending(&own, &call, &Needs::nothing()).await?;
            let before = users::by_id(tx.conn(), id, None).await?.ok_or(Fault::NotFound)?;
            // Another change of it was faster: what was compared is not the password any more.
            if users::password_hash(tx.conn(), id).await?.as_ref() != Some(&kept) {
                return Err(Fault::PreconditionFailed);
            }
            users::set_password(tx.conn(), id, &hash, now).await?;
            users::end_sessions(tx.conn(), id, epoch).await?;
            sessions::set_epoch(tx.conn(), session, epoch).await?;
            mailed_tokens::void(tx.conn(), id, Purpose::PasswordReset).await?;
            let after = users::by_id(tx.conn(), id, None).await?.ok_or(Fault::NotFound)?;
            let event = Event::new("user.password_changed", grantor.actor, Some(&call), subject(id));
            event.before(&before).after(&after).write(&own, tx.conn()).await?;
            if own.post().is_some() {
                let letter = Letter::to(&after, Content::PasswordChanged);
                send(&own, tx.conn(), &after, &letter, now, None).await?;
            }
            own.commit(tx, Invalidation::Of(vec![id.0, session.0]), false).await?;
            own.mail_wanted().notify_one();
            Ok(())
        })
        .await
}

/// Asks the caller for their password again. Whoever has stolen a session guesses no faster than at a login, and
/// both are counted together.
pub(super) async fn re_authenticate(
    authority: &Authority,
    call: &Call,
    field: &str,
    password: &str,
) -> Result<(users::UserRow, keywright_core::PasswordHash), Fault> {
    let (id, _) = myself(call)?;
    let (user, kept) = {
        let mut reader = authority.store().read().await?;
        let user = users::by_id(reader.conn(), id, None).await?.ok_or(Fault::NotFound)?;
        (user, users::password_hash(reader.conn(), id).await?)
    };
    let counted = throttle::count(authority, &user.email.folded(), call.ip_address).await?;
    let right = authority.passwords().verify(PlainPassword::presented(password), kept.as_ref()).await;
    let right = throttle::fairly(authority, &counted, right).await?;
    let Some(kept) = kept.filter(|_| right) else { return Err(Fault::field(field, "is not your password")) };
    throttle::forgive_at_once(authority, &counted).await?;
    Ok((user, kept))
}
