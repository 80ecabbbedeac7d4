//! Where credentials were found that should be nowhere.

use keywright_core::{
    ActorRef, CredentialId, CredentialKind, PublisherId, SessionId, Timestamp, TokenHash, UserId,
};
use uuid::Uuid;

use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::mailed_tokens::Purpose;
use crate::types::Time;

statements! {
    FIND_SERVICE = ["SELECT id FROM service_tokens WHERE token_hash = $1"];
    FIND_PERSONAL = ["SELECT id, user_id FROM personal_tokens WHERE token_hash = $1"];
    /// Also by one that was used before: whoever has that has the family.
    FIND_SESSION = [
        "SELECT s.id, s.user_id FROM refresh_tokens r JOIN sessions s ON s.id = r.session_id \
         WHERE r.token_hash = $1"
    ];
    FIND_MAILED = ["SELECT user_id, purpose FROM mailed_tokens WHERE token_hash = $1"];
    /// Of all that report one place at once, one is kept.
    INSERT = [
        "INSERT INTO leaks (credential_id, place_hash, credential_kind, publisher_id, found_in, source, revoked, \
         reported_by_type, reported_by_id, reported_by_name, reported_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (credential_id, place_hash) DO NOTHING"
    ];
    OF_CREDENTIAL = [
        "SELECT found_in, source, revoked, reported_at FROM leaks WHERE credential_id = $1 \
         ORDER BY reported_at DESC, place_hash LIMIT $2"
    ];
}

/// A token that somebody has the plain text of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeakedToken {
    /// A service token.
    Service(CredentialId),
    /// A personal token, and whose it is.
    Personal(CredentialId, UserId),
    /// The session of a refresh token or of an access token, and whose it is.
    Session(SessionId, UserId),
    /// The token of a link in a mail, what it is for, and whom it was sent to.
    Mailed(TokenHash, Purpose, UserId),
}

impl LeakedToken {
    /// Its id; a link has none.
    pub const fn id(self) -> Option<CredentialId> {
        match self {
            Self::Service(id) | Self::Personal(id, _) => Some(id),
            Self::Session(id, _) => Some(CredentialId(id.0)),
            Self::Mailed(..) => None,
        }
    }

    /// Whose it is; a service token is no user's.
    pub const fn user(self) -> Option<UserId> {
        match self {
            Self::Service(_) => None,
            Self::Personal(_, user) | Self::Session(_, user) | Self::Mailed(_, _, user) => Some(user),
        }
    }
}

/// The token with a hash; of kind [`CredentialKind::User`] it is that of a refresh token.
///
/// # Errors
/// As any query.
pub async fn find(
    conn: Conn<'_>,
    kind: CredentialKind,
    hash: &TokenHash,
) -> Result<Option<LeakedToken>, StoreError> {
    let hash = hash.as_bytes().as_slice();
    match kind {
        CredentialKind::Service => {
            let id = on!(conn, |c| sqlx::query_scalar::<DB, Uuid>(FIND_SERVICE.text::<DB>())
                .bind(hash)
                .fetch_optional(c))?;
            Ok(id.map(|id| LeakedToken::Service(CredentialId(id))))
        }
        CredentialKind::Personal => {
            let ids: Option<(Uuid, Uuid)> =
                on!(conn, |c| sqlx::query_as::<DB, _>(FIND_PERSONAL.text::<DB>())
                    .bind(hash)
                    .fetch_optional(c))?;
            Ok(ids.map(|(id, user)| LeakedToken::Personal(CredentialId(id), UserId(user))))
        }
        CredentialKind::User => {
            let ids: Option<(Uuid, Uuid)> =
                on!(conn, |c| sqlx::query_as::<DB, _>(FIND_SESSION.text::<DB>())
                    .bind(hash)
                    .fetch_optional(c))?;
            Ok(ids.map(|(id, user)| LeakedToken::Session(SessionId(id), UserId(user))))
        }
        CredentialKind::External => Ok(None),
    }
}

/// The link in a mail whose token has a hash, whatever it is for.
///
/// # Errors
/// As any query.
pub async fn find_mailed(conn: Conn<'_>, hash: &TokenHash) -> Result<Option<LeakedToken>, StoreError> {
    let found: Option<(Uuid, String)> = on!(conn, |c| sqlx::query_as::<DB, _>(FIND_MAILED.text::<DB>())
        .bind(hash.as_bytes().as_slice())
        .fetch_optional(c))?;
    let Some((user, purpose)) = found else { return Ok(None) };
    let purpose = Purpose::parse(&purpose)
        .ok_or_else(|| StoreError::corrupt(format_args!("unknown purpose {purpose:?}")))?;
    Ok(Some(LeakedToken::Mailed(*hash, purpose, UserId(user))))
}

/// Who told of a leak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeakSource {
    /// Somebody who may.
    Report,
    /// GitHub's secret scanning.
    GitHub,
}

impl LeakSource {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::GitHub => "github",
        }
    }
}

/// A leak to be kept.
#[derive(Clone, Debug)]
pub struct NewLeak<'a> {
    /// The credential.
    pub credential_id: CredentialId,
    /// Its kind.
    pub kind: CredentialKind,
    /// The publisher that it concerns.
    pub publisher_id: Option<PublisherId>,
    /// Where it was found.
    pub found_in: &'a str,
    /// The hash of that: a place is kept once.
    pub place_hash: [u8; 32],
    /// Who told of it.
    pub source: LeakSource,
    /// Whether the report revoked it: it was not over before.
    pub revoked: bool,
    /// Who reported it.
    pub reported_by: &'a ActorRef,
    /// When.
    pub reported_at: Timestamp,
}

/// Keeps a leak; false when it was reported from there before.
///
/// # Errors
/// As any query.
pub async fn insert(conn: Conn<'_>, new: &NewLeak<'_>) -> Result<bool, StoreError> {
    let by = new.reported_by;
    let done = change!(conn, INSERT; new.credential_id.0, new.place_hash.as_slice(), new.kind.as_str(), new.publisher_id.map(|id| id.0), new.found_in, new.source.as_str(), new.revoked, by.kind.as_str(), by.id, by.name.as_str(), Time(new.reported_at))?;
    Ok(done == 1)
}

/// Where a credential was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeakRow {
    /// The place.
    pub found_in: String,
    /// Who told of it: [`LeakSource::as_str`].
    pub source: String,
    /// Whether the report revoked it.
    pub revoked: bool,
    /// When it was reported.
    pub reported_at: Timestamp,
}

/// Where a credential was found, the latest report first.
///
/// # Errors
/// As any query.
pub async fn of_credential(
    conn: Conn<'_>,
    credential: CredentialId,
    limit: u32,
) -> Result<Vec<LeakRow>, StoreError> {
    let rows: Vec<(String, String, bool, Time)> =
        on!(conn, |c| sqlx::query_as::<DB, _>(OF_CREDENTIAL.text::<DB>())
            .bind(credential.0)
            .bind(i64::from(limit))
            .fetch_all(c))?;
    let row = |(found_in, source, revoked, at): (_, _, _, Time)| LeakRow {
        found_in,
        source,
        revoked,
        reported_at: at.into(),
    };
    Ok(rows.into_iter().map(row).collect())
}
