//! Sessions: logins, the tokens made from them, and their ends.

mod access;
mod cleanup;
mod end;
mod login;
mod read;
mod refresh;
mod switch;
pub(crate) mod throttle;

pub(crate) use access::{ready, signing};
pub use cleanup::clean_up;
pub(crate) use cleanup::{CLEANER, KEPT_DAYS, NETWORK_DAYS};
pub use end::{end, end_all, end_of_user, log_out};
pub use login::{Login, login};
pub use read::{MySession, list, list_of_user, myself};
pub use refresh::refresh;
pub use switch::switch;
pub(crate) use throttle::FORGOTTEN_AFTER_SECONDS;

use std::net::IpAddr;

use keywright_core::{PlainToken, PublisherId, SessionId, Timestamp, UserId, Wanted};
use keywright_store::sessions::SessionRow;
use keywright_store::users::UserRow;
use keywright_verify::RecordCode;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::audit::{Snapshot, Subject};
use crate::call::Call;
use crate::fault::Fault;

/// What lets its bearer see the sessions of others.
pub const READ: &str = "users:read";
/// What lets its bearer end the sessions of others.
pub const ADMIN: &str = "users:admin";

/// Who comes to the door without a credential.
#[derive(Clone, Debug, Default)]
pub struct Visitor {
    /// The request's id.
    pub request_id: String,
    /// The client's address.
    pub ip_address: Option<IpAddr>,
    /// The client's user agent.
    pub user_agent: Option<String>,
}

/// What a user is given.
#[derive(Debug)]
pub struct Tokens {
    /// The access token.
    pub access_token: AccessToken,
    /// The refresh token, where there is another one.
    pub refresh_token: Option<PlainToken>,
    /// The session, as it is now.
    pub session: SessionRow,
    /// Whose it is.
    pub user: UserRow,
    /// When it was made.
    pub now: Timestamp,
}

/// An access token (RFC 9068), to be given to its user and to nobody else.
pub struct AccessToken {
    /// The token.
    text: Zeroizing<String>,
    /// Its end.
    pub expires_at: Timestamp,
}

impl AccessToken {
    pub(crate) fn new(text: Zeroizing<String>, expires_at: Timestamp) -> Self {
        Self { text, expires_at }
    }

    /// The secret itself. Every call of this is a place to look at in a review.
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

impl std::fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccessToken(redacted)")
    }
}

/// A login, or the use of a refresh token: whatever came of it is recorded before it is answered.
#[derive(Debug)]
pub struct Attempt {
    /// How it ended.
    pub code: RecordCode,
    /// Whom it was about, where that is known.
    pub who: Option<Who>,
    /// What is answered.
    pub outcome: Result<Tokens, Fault>,
}

/// Whom an attempt was about.
#[derive(Clone, Debug)]
pub struct Who {
    /// The user; `None` when an address was given that no user has.
    pub user: Option<UserId>,
    /// The address.
    pub email: String,
    /// The session, where there is one.
    pub session: Option<SessionId>,
    /// The publisher, where there is one.
    pub publisher: Option<PublisherId>,
}

impl Attempt {
    fn refused(fault: Fault, who: Option<Who>) -> Self {
        Self { code: code_of(&fault), who, outcome: Err(fault) }
    }

    fn of(outcome: Result<Tokens, Fault>, who: Option<Who>) -> Self {
        match outcome {
            Ok(tokens) => {
                let who = Who {
                    user: Some(tokens.user.id),
                    email: tokens.user.email.as_str().to_owned(),
                    session: Some(tokens.session.id),
                    publisher: tokens.session.publisher_id,
                };
                Self { code: RecordCode::Valid, who: Some(who), outcome: Ok(tokens) }
            }
            Err(fault) => Self::refused(fault, who),
        }
    }
}

fn code_of(fault: &Fault) -> RecordCode {
    match fault {
        Fault::Denied(denial) => denial.code.into(),
        Fault::InvalidCredentials => RecordCode::InvalidCredentials,
        Fault::TooManyAttempts { .. } => RecordCode::TooManyAttempts,
        Fault::EmailUnverified => RecordCode::EmailUnverified,
        Fault::DomainNotAllowed => RecordCode::DomainNotAllowed,
        Fault::RefreshReused => RecordCode::RefreshReused,
        _ => RecordCode::Unavailable,
    }
}

/// The user who calls in person; none when it is no user, and none when it is a token that a user has made: what
/// a script bears speaks for its maker's works, not for their account.
pub(crate) fn caller(call: &Call) -> Option<UserId> {
    let bearing = call.actor.bearing()?;
    let in_person = bearing.principal.kind == keywright_core::ActorKind::User
        && !matches!(bearing.wanted, Wanted::Personal { .. });
    bearing.principal.id.filter(|_| in_person).map(UserId)
}

/// The session behind a call; none when it bears no access token of ours.
pub(crate) fn calling_session(call: &Call) -> Option<SessionId> {
    match call.actor.bearing()?.wanted {
        Wanted::Session { id, .. } => Some(id),
        _ => None,
    }
}

impl Subject {
    /// A session.
    pub fn session(id: SessionId) -> Self {
        Self { kind: "session", id: Some(id.0), name: None }
    }
}

impl Snapshot for SessionRow {
    fn snapshot(&self) -> Value {
        json!({
            "user_id": self.user_id,
            "publisher_id": self.publisher_id,
            "ip_address": self.ip_address,
            "user_agent": self.user_agent,
            "created_at": self.created_at,
            "last_seen_at": self.last_seen_at,
            "expires_at": self.expires_at,
            "revoked_at": self.revoked_at,
        })
    }
}
