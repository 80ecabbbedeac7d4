//! Revocation of what somebody holds in their hand (RFC 7009): who has a token may use it, and may end it. Whether it
//! can be used from where they are, or at this moment, does not matter: to end it only takes away.

use keywright_core::secret::sort_refresh;
use keywright_core::{ActorRef, CredentialId, SessionId, UserId};
use keywright_store::{personal_tokens, refresh_tokens, service_tokens, sessions};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::change::Invalidation;
use crate::fault::Fault;
use crate::sessions::Visitor;
use crate::users::themself;

/// Why what was ended so is revoked, as rows and events tell it.
const REASON: &str = "revoked by whoever had it";

/// What somebody holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// A service token, and who it speaks for.
    Service(CredentialId, ActorRef),
    /// A personal token, and whose it is.
    Personal(CredentialId, UserId),
    /// An access token of a session.
    Session(SessionId),
}

/// Ends it. When this returns, no verification on this node accepts it, nor what was made from it; what had ended
/// before stays as it is.
///
/// # Errors
/// As the store.
pub async fn end(authority: &Authority, visitor: Visitor, held: Held) -> Result<(), Fault> {
    let own = authority.clone();
    authority
        .carry_out(async move {
            match held {
                Held::Service(id, actor) => end_service(&own, &visitor, id, actor).await,
                Held::Personal(id, user) => end_personal(&own, &visitor, id, user).await,
                Held::Session(id) => end_session(&own, &visitor, id, None).await,
            }
        })
        .await
}

/// Ends the session that a refresh token is of, also by one that was used before. Of a client that said who it is,
/// which is `by`, only that one's own; what is nobody's or another's changes nothing.
///
/// # Errors
/// As the store.
pub async fn end_by_refresh(
    authority: &Authority,
    visitor: Visitor,
    presented: Zeroizing<String>,
    by: Option<Uuid>,
) -> Result<(), Fault> {
    let Some(hash) = sort_refresh(presented.as_bytes()) else { return Ok(()) };
    let own = authority.clone();
    authority
        .carry_out(async move {
            let mut reader = own.store().read().await?;
            let row = refresh_tokens::by_hash(reader.conn(), &hash).await?;
            drop(reader);
            match row {
                Some(row) => end_session(&own, &visitor, row.session_id, by).await,
                None => Ok(()),
            }
        })
        .await
}

async fn end_service(
    authority: &Authority,
    visitor: &Visitor,
    id: CredentialId,
    actor: ActorRef,
) -> Result<(), Fault> {
    let mut tx = authority.store().begin_change(&[], &[id.0]).await?;
    let Some(before) = service_tokens::lock_for_change(tx.conn(), None, id).await? else { return Ok(()) };
    if service_tokens::revoke(tx.conn(), id, authority.now(), Some(REASON)).await? {
        let after = service_tokens::by_id(tx.conn(), None, id).await?.ok_or(Fault::NotFound)?;
        let event = Event::new("token.revoked", actor, None, Subject::token(&after)).visitor(visitor);
        let event = event.publisher(after.publisher_id).reason(Some(REASON));
        event.before(&before).after(&after).write(authority, tx.conn()).await?;
    }
    // Also when another node revoked it a moment ago: what that one told may still be on its way here.
    authority.commit(tx, Invalidation::of(id), false).await?;
    Ok(())
}

async fn end_personal(
    authority: &Authority,
    visitor: &Visitor,
    id: CredentialId,
    user: UserId,
) -> Result<(), Fault> {
    let mut tx = authority.store().begin_change(&[user.0], &[id.0]).await?;
    let Some(before) = personal_tokens::of_user_for_change(tx.conn(), user, id, None).await? else {
        return Ok(());
    };
    if personal_tokens::revoke(tx.conn(), user, id, authority.now(), Some(REASON)).await? {
        let after = personal_tokens::of_user(tx.conn(), user, id, None).await?.ok_or(Fault::NotFound)?;
        let subject = Subject { kind: "personal_token", id: Some(id.0), name: None };
        let event = Event::new("personal_token.revoked", themself(user), None, subject).visitor(visitor);
        let others = before.terms.publisher_ids.iter().flatten().copied();
        let event = event.publisher(before.terms.home()).also(others).reason(Some(REASON));
        event.before(&before).after(&after).write(authority, tx.conn()).await?;
    }
    authority.commit(tx, Invalidation::of(id), false).await?;
    Ok(())
}

async fn end_session(
    authority: &Authority,
    visitor: &Visitor,
    id: SessionId,
    by: Option<Uuid>,
) -> Result<(), Fault> {
    let mut tx = authority.store().begin_change(&[], &[id.0]).await?;
    let Some(before) = sessions::by_id(tx.conn(), id).await? else { return Ok(()) };
    let user = before.user_id;
    if by.is_some_and(|by| by != user.0) {
        return Ok(());
    }
    if sessions::revoke(tx.conn(), id, authority.now(), Some(REASON)).await? {
        let after = sessions::by_id(tx.conn(), id).await?.ok_or(Fault::NotFound)?;
        let event = Event::new("session.ended", themself(user), None, Subject::session(id)).visitor(visitor);
        let event = event.publisher(before.publisher_id).reason(Some(REASON));
        event.before(&before).after(&after).write(authority, tx.conn()).await?;
    }
    authority.commit(tx, Invalidation::Of(vec![id.0]), false).await?;
    Ok(())
}
