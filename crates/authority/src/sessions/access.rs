//! Access tokens: what they say (RFC 9068 §2.2, and the payload of the reference text).

use std::sync::Arc;

use keywright_core::id::EventId;
use keywright_core::{Grant, PublisherId, ScopeSet, SessionId, Timestamp, UserId};
use keywright_store::sessions::SessionRow;
use keywright_store::{Conn, memberships, publishers};
use serde::Serialize;

use super::AccessToken;
use crate::authority::Authority;
use crate::fault::Fault;
use crate::signing_keys::{Kind, Signer, signer};
use crate::{entropy, signing_keys};

/// The client that all tokens are made for: this server has no others that are registered.
const CLIENT_ID: &str = "keywright";
/// Most publishers that a token names: with more it would not fit into a header. `GET /auth/me` has all.
const MAX_PUBLISHERS: usize = 50;
/// Why nobody can log in.
pub(super) const NO_ISSUER: &str =
    "Nobody can log in before server.public_url says under which address clients reach this server.";

#[derive(Serialize)]
struct Claims<'a> {
    sub: UserId,
    r#type: &'static str,
    email: &'a str,
    publisher_id: Option<PublisherId>,
    publishers: Vec<PublisherId>,
    role: Option<&'a str>,
    permissions: &'a ScopeSet,
    session_id: SessionId,
    exp: i64,
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    jti: String,
    client_id: &'static str,
}

/// How long what is made for a publisher, or for the platform, may live.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    access_minutes: u32,
    session_days: u32,
}

impl Terms {
    /// The configured terms, or less where the publisher asks for less.
    pub(super) async fn of(
        authority: &Authority,
        conn: Conn<'_>,
        publisher: Option<PublisherId>,
    ) -> Result<Self, Fault> {
        let configured = authority.settings().sessions;
        let mut terms =
            Self { access_minutes: configured.access_token_minutes, session_days: configured.session_days };
        if let Some(id) = publisher
            && let Some(row) = publishers::by_id(conn, id).await?
        {
            let least = |own: u32, asked: Option<u32>| asked.map_or(own, |asked| own.min(asked));
            terms.access_minutes = least(terms.access_minutes, row.settings.access_token_max_minutes);
            terms.session_days = least(terms.session_days, row.settings.session_max_days);
        }
        Ok(terms)
    }

    /// The end of a session that began at a moment.
    pub(super) fn session_end(self, began: Timestamp) -> Timestamp {
        began.plus_days(self.session_days.into())
    }
}

/// Makes an access token of a session, for the publisher that it acts for. `grant` is what that session may
/// do there, read and decided on in this transaction.
pub(super) async fn access_token(
    authority: &Authority,
    mut conn: Conn<'_>,
    (session, grant): (&SessionRow, &Grant),
    platform_role: Option<&str>,
    (terms, now): (Terms, Timestamp),
) -> Result<AccessToken, Fault> {
    let ((iss, aud), signer) = signing(authority, conn.reborrow(), now).await?;
    let own = memberships::list_of_user(conn, session.user_id).await?;
    let acting = session.publisher_id;
    let others = own.into_iter().map(|publisher| publisher.id).filter(|id| Some(*id) != acting);
    let end = session.expires_at.min(terms.session_end(session.created_at));
    let expires_at = end.min(now.plus_seconds(i64::from(terms.access_minutes) * 60));
    let role = match acting {
        Some(_) => grant.tenancy().and_then(|tenancy| tenancy.role.as_ref()).map(|role| &*role.name),
        None => platform_role,
    };
    let claims = Claims {
        sub: session.user_id,
        r#type: "user",
        email: grant.user().map_or(&grant.name, |user| &user.email),
        publisher_id: acting,
        publishers: acting.into_iter().chain(others).take(MAX_PUBLISHERS).collect(),
        role,
        permissions: &grant.scopes,
        session_id: session.id,
        exp: expires_at.as_seconds(),
        iss,
        aud,
        iat: now.as_seconds(),
        jti: EventId::generate(now, entropy::id()).to_string(),
        client_id: CLIENT_ID,
    };
    Ok(AccessToken::new(signer.sign(Kind::AccessToken, &claims)?, expires_at))
}

/// What all that is signed at this moment says of where it comes from and whom it is for, and who signs it.
pub(crate) async fn signing<'a>(
    authority: &'a Authority,
    conn: Conn<'_>,
    now: Timestamp,
) -> Result<((&'a str, &'a str), Arc<Signer>), Fault> {
    let said = authority.settings().jwt.issuer_and_audience().ok_or(Fault::NotConfigured(NO_ISSUER))?;
    let signer = signer(authority, conn, now).await?;
    Ok((said, signer.ok_or_else(|| Fault::Unavailable("there is no signing key yet".to_owned()))?))
}

/// Makes sure that there is a key to sign with: the job that makes the first one may be slower than the
/// first user.
pub(crate) async fn ready(authority: &Authority) -> Result<(), Fault> {
    if authority.settings().jwt.issuer.is_none() {
        return Err(Fault::NotConfigured(NO_ISSUER));
    }
    if !authority.signers().have_signed() {
        signing_keys::keep(authority).await?;
    }
    Ok(())
}
