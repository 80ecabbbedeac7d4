//! Acting for another publisher in the same session.

use keywright_core::{DenialCode, Facts, PublisherId, Requirements, Wanted, decide};
use keywright_store::{grants, publishers, sessions, users};

use super::access::{Terms, access_token, ready};
use super::{Tokens, caller, calling_session};
use crate::authority::Authority;
use crate::call::{Call, Needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;

/// Gives an access token for another of the user's publishers, or for the platform; refreshes give the same
/// from then on. Those that were given before stay good until their end.
///
/// # Errors
/// [`Fault::NotFound`] when the caller bears no access token; [`Fault::Denied`] with `wrong_publisher` or
/// `publisher_suspended`; [`Fault::DomainNotAllowed`].
pub async fn switch(
    authority: &Authority,
    call: Call,
    publisher: Option<PublisherId>,
) -> Result<Tokens, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, publisher).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    publisher: Option<PublisherId>,
) -> Result<Tokens, Fault> {
    let (Some(id), Some(user)) = (calling_session(call), caller(call)) else { return Err(Fault::NotFound) };
    ready(authority).await?;
    let reads: Vec<_> = publisher.iter().map(|id| id.0).collect();
    let Change { mut tx, now, .. } =
        Change::begin_with(authority, call, &Needs::nothing(), &reads, &[id.0]).await?;
    let user = users::by_id(tx.conn(), user, None).await?.ok_or(Fault::NotFound)?;
    let loaded = grants::load(tx.conn(), &Wanted::Session { id, publisher }).await?.ok_or(Fault::NotFound)?;
    decide(&loaded.grant, None, loaded.epochs, &Requirements::none(), Facts::at(now))?;
    if publisher.is_none() && user.platform_role.is_none() {
        return Err(Fault::Denied(DenialCode::WrongPublisher.into()));
    }
    if let Some(id) = publisher
        && let Some(row) = publishers::by_id(tx.conn(), id).await?
        && !row.settings.admits(user.email.as_str())
    {
        return Err(Fault::DomainNotAllowed);
    }
    sessions::set_publisher(tx.conn(), id, publisher).await?;
    let session = sessions::by_id(tx.conn(), id).await?.ok_or(Fault::NotFound)?;
    let terms = Terms::of(authority, tx.conn(), publisher).await?;
    if now.has_reached(Some(terms.session_end(session.created_at))) {
        return Err(Fault::Denied(DenialCode::Expired.into()));
    }
    let role = user.platform_role.as_deref();
    let access_token =
        access_token(authority, tx.conn(), (&session, &loaded.grant), role, (terms, now)).await?;
    authority.commit(tx, Invalidation::None, call.confirm).await?;
    Ok(Tokens { access_token, refresh_token: None, session, user, now })
}
