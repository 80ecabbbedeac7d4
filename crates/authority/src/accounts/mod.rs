//! What people do with their own accounts: one file for each use case.
//!
//! Links from mails stand for their owner. Looking at one uses nothing up; of many who use one at once one
//! wins.

mod accept;
mod change_email;
mod change_password;
mod profile;
mod request;
mod reset;
mod verify_email;

pub use accept::{Accept, accept};
pub use change_email::{confirm_email_change, request_email_change};
pub use change_password::change_password;
pub use profile::{Profile, update_profile};
pub use request::{request_reset, request_verification};
pub use reset::confirm_reset;
pub use verify_email::verify_email;

use keywright_core::{Name, SessionId, Timestamp, TokenHash, UserId, secret};
use keywright_store::mailed_tokens::{self, MailedTokenRow, Purpose};
use keywright_store::users::{self, UserRow};

use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;
use crate::passwords::context_words;
use crate::sessions;

/// Whether a link can be used now, and by whom. Looking uses nothing up.
///
/// # Errors
/// [`Fault::LinkNotUsable`].
pub async fn look_at_link(authority: &Authority, token: &str, purpose: Purpose) -> Result<UserRow, Fault> {
    Ok(Opened::of(authority, token, purpose).await?.user)
}

/// A link that can be used, as far as is known before the change.
struct Opened {
    hash: TokenHash,
    row: MailedTokenRow,
    user: UserRow,
}

impl Opened {
    async fn of(authority: &Authority, token: &str, purpose: Purpose) -> Result<Self, Fault> {
        let hash = secret::sort_mailed(token.as_bytes()).ok_or(Fault::LinkNotUsable)?;
        let mut reader = authority.store().read().await?;
        let row = mailed_tokens::by_hash(reader.conn(), &hash, purpose).await?;
        let row = row.filter(|row| row.is_good(authority.now())).ok_or(Fault::LinkNotUsable)?;
        let user = users::by_id(reader.conn(), row.user_id, None).await?;
        let user = user.filter(|user| user.disabled_at.is_none()).ok_or(Fault::LinkNotUsable)?;
        Ok(Self { hash, row, user })
    }

    /// Uses it up, in the change that it lets its bearer make, and reads its user again.
    async fn use_up(
        &self,
        tx: &mut keywright_store::Tx,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<UserRow, Fault> {
        if !mailed_tokens::use_up(tx.conn(), &self.hash, purpose, now).await? {
            return Err(Fault::LinkNotUsable);
        }
        let user = users::by_id(tx.conn(), self.user.id, None).await?;
        user.filter(|user| user.disabled_at.is_none()).ok_or(Fault::LinkNotUsable)
    }
}

/// The user behind a call, and the session that they call with.
fn myself(call: &Call) -> Result<(UserId, SessionId), Fault> {
    let credential = call.actor.credential_id().ok_or(Fault::UserRequired)?;
    let user = sessions::caller(call).ok_or(Fault::UserRequired)?;
    Ok((user, SessionId(credential.0)))
}

/// What a guesser would try first for this person's password.
async fn context_of(
    authority: &Authority,
    user: &UserRow,
    name: Option<&Name>,
) -> Result<Vec<String>, Fault> {
    let belongings = users::belongings(authority.store().read().await?.conn(), [user.id], None).await?;
    let names = belongings.iter().map(|own| own.publisher_name.as_str());
    let own = [user.email.as_str()].into_iter().chain(user.display_name.iter().chain(name).map(Name::as_str));
    Ok(context_words(own.chain(names)))
}
