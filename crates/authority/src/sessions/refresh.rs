//! Using a refresh token: once, in a family whose next member follows from the one before.
//!
//! The successor of a token is derived from it under the master key, so that a client whose answer was lost
//! gets the very same one again, within ten seconds and as long as nobody has used that. Any other use of a
//! used token means that two have it: the session ends.

use keywright_core::secret::sort_refresh;
use keywright_core::{
    DenialCode, Facts, PlainToken, Requirements, Timestamp, TokenHash, UserId, Wanted, decide,
};
use keywright_store::refresh_tokens::{self, RefreshTokenRow};
use keywright_store::sessions::{self, SessionRow};
use keywright_store::{Tx, grants, users};
use keywright_verify::Loaded;
use zeroize::Zeroizing;

use super::access::{Terms, access_token, ready};
use super::{Attempt, Tokens, Visitor, Who};
use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::change::Invalidation;
use crate::fault::Fault;
use crate::users::themself;

/// A used token gives its successor again for so long, in seconds.
const REPEATED_SECONDS: i64 = 10;
/// Why a session has ended whose refresh token was used twice.
const REUSED: &str = "a refresh token was used again";
/// A session that switches publishers all the while is given up.
const MAX_TRIES: usize = 4;

/// Uses a refresh token.
pub async fn refresh(authority: &Authority, visitor: Visitor, presented: Zeroizing<String>) -> Attempt {
    let Some(hash) = sort_refresh(presented.as_bytes()) else {
        return Attempt::refused(Fault::Denied(DenialCode::Malformed.into()), None);
    };
    let token = PlainToken::from_sealed(presented);
    let own = authority.clone();
    let attempt = authority.carry_out(async move { Ok(attempt(&own, &visitor, &token, &hash).await) }).await;
    attempt.unwrap_or_else(|fault| Attempt::refused(fault, None))
}

async fn attempt(authority: &Authority, visitor: &Visitor, token: &PlainToken, hash: &TokenHash) -> Attempt {
    let mut who = None;
    let outcome = carry_out(authority, visitor, (token, hash), &mut who).await;
    Attempt::of(outcome, who)
}

async fn carry_out(
    authority: &Authority,
    visitor: &Visitor,
    presented: (&PlainToken, &TokenHash),
    who: &mut Option<Who>,
) -> Result<Tokens, Fault> {
    ready(authority).await?;
    for _ in 0..MAX_TRIES {
        let mut reader = authority.store().read().await?;
        let row = refresh_tokens::by_hash(reader.conn(), presented.1).await?.ok_or_else(unknown)?;
        let seen = sessions::by_id(reader.conn(), row.session_id).await?.ok_or_else(unknown)?;
        drop(reader);
        let reads: Vec<_> =
            [Some(seen.user_id.0), seen.publisher_id.map(|id| id.0)].into_iter().flatten().collect();
        let mut tx = authority.store().begin_change(&reads, &[seen.id.0]).await?;
        let session = sessions::by_id(tx.conn(), seen.id).await?.ok_or_else(unknown)?;
        if session.publisher_id != seen.publisher_id {
            tx.rollback().await;
            continue;
        }
        return use_token(authority, tx, visitor, presented, session, who).await;
    }
    Err(Fault::Unavailable("the session changes too often".to_owned()))
}

fn unknown() -> Fault {
    Fault::Denied(DenialCode::NotFound.into())
}

/// With the session, its user and its publisher held, everything is read again.
async fn use_token(
    authority: &Authority,
    mut tx: Tx,
    visitor: &Visitor,
    (token, hash): (&PlainToken, &TokenHash),
    session: SessionRow,
    who: &mut Option<Who>,
) -> Result<Tokens, Fault> {
    let user = users::by_id(tx.conn(), session.user_id, None).await?;
    *who = Some(Who {
        user: Some(session.user_id),
        email: user.as_ref().map(|user| user.email.as_str().to_owned()).unwrap_or_default(),
        session: Some(session.id),
        publisher: session.publisher_id,
    });
    let row = refresh_tokens::by_hash(tx.conn(), hash).await?.ok_or_else(unknown)?;
    let wanted = Wanted::Session { id: session.id, publisher: session.publisher_id };
    let loaded = grants::load(tx.conn(), &wanted).await?.ok_or_else(unknown)?;
    let now = authority.now();
    let terms = Terms::of(authority, tx.conn(), session.publisher_id).await?;
    // Of a user who was deleted the session has ended, as any other that is ended.
    alive(&loaded, &session, terms, now)?;
    let user = user.ok_or_else(unknown)?;
    let next = match row.used_at {
        None => Some(follow(authority, &mut tx, token, hash, &session, now).await?),
        Some(used_at) => repeated(authority, &mut tx, (token, &row), used_at, now).await?,
    };
    let Some(next) = next else {
        reused(authority, tx, visitor, &session, user.id, now).await?;
        return Err(Fault::RefreshReused);
    };
    let days = authority.settings().sessions.refresh_token_days;
    let end = session.expires_at.min(terms.session_end(session.created_at));
    let idle = now.plus_days(days.into()).min(end);
    if row.used_at.is_none() {
        sessions::seen(tx.conn(), session.id, now, idle, visitor.ip_address).await?;
    }
    let session = sessions::by_id(tx.conn(), session.id).await?.ok_or_else(unknown)?;
    let role = user.platform_role.as_deref();
    let access_token =
        access_token(authority, tx.conn(), (&session, &loaded.grant), role, (terms, now)).await?;
    authority.commit(tx, Invalidation::None, false).await?;
    Ok(Tokens { access_token, refresh_token: Some(next), session, user, now })
}

/// Refuses a session that has ended, in whichever way.
fn alive(loaded: &Loaded, session: &SessionRow, terms: Terms, now: Timestamp) -> Result<(), Fault> {
    decide(&loaded.grant, None, loaded.epochs, &Requirements::none(), Facts::at(now))?;
    let ends = [session.idle_expires_at, terms.session_end(session.created_at)];
    if ends.into_iter().any(|end| now.has_reached(Some(end))) {
        return Err(Fault::Denied(DenialCode::Expired.into()));
    }
    Ok(())
}

/// Uses the token, and keeps the hash of the one that follows it.
async fn follow(
    authority: &Authority,
    tx: &mut Tx,
    token: &PlainToken,
    hash: &TokenHash,
    session: &SessionRow,
    now: Timestamp,
) -> Result<PlainToken, Fault> {
    refresh_tokens::use_once(tx.conn(), hash, now).await?;
    let next = authority.keys().successors(token).next();
    let next = next.ok_or_else(|| Fault::Internal("there is no master key".to_owned()))?;
    refresh_tokens::insert(tx.conn(), &next.hash(), session.id, Some(hash), now).await?;
    Ok(next)
}

/// The successor that a used token gave, if it may be given again.
async fn repeated(
    authority: &Authority,
    tx: &mut Tx,
    (token, row): (&PlainToken, &RefreshTokenRow),
    used_at: Timestamp,
    now: Timestamp,
) -> Result<Option<PlainToken>, Fault> {
    if now.has_reached(Some(used_at.plus_seconds(REPEATED_SECONDS))) {
        return Ok(None);
    }
    for next in authority.keys().successors(token) {
        if let Some(child) = refresh_tokens::by_hash(tx.conn(), &next.hash()).await? {
            let is_its_own = child.parent_hash == Some(row.token_hash);
            return Ok(Some(next).filter(|_| is_its_own && child.used_at.is_none()));
        }
    }
    Ok(None)
}

/// Two have the token, and nobody knows who is who.
async fn reused(
    authority: &Authority,
    mut tx: Tx,
    visitor: &Visitor,
    session: &SessionRow,
    user: UserId,
    now: Timestamp,
) -> Result<(), Fault> {
    sessions::revoke(tx.conn(), session.id, now, Some(REUSED)).await?;
    let after = sessions::by_id(tx.conn(), session.id).await?.ok_or_else(unknown)?;
    let event = Event::new("session.reuse_detected", themself(user), None, Subject::session(session.id));
    let event = event.visitor(visitor).publisher(session.publisher_id).reason(Some(REUSED));
    event.before(session).after(&after).write(authority, tx.conn()).await?;
    authority.commit(tx, Invalidation::Of(vec![session.id.0]), false).await?;
    Ok(())
}
