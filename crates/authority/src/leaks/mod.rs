//! Leaks: credentials whose plain text was found where it should not be. Whoever has found one could use it; it is
//! revoked at once, and its owner is told where it was.

mod end;
mod github;
mod report;
mod tell;

pub use github::of_github;
pub use report::report;

use keywright_core::secret::{sort_mailed, sort_refresh};
use keywright_core::{ActorRef, Bearer, CredentialId, CredentialKind, PublisherId, TokenHash, Wanted};
use keywright_store::leaks::{self, LeakSource, LeakedToken};
use keywright_store::mailed_tokens::Purpose;
use keywright_store::{Conn, sessions};
use uuid::Uuid;

use crate::authority::Authority;
use crate::call::Call;
use crate::fault::Fault;
use end::end_all;

/// What lets its bearer report leaks.
pub const REPORT: &str = "leaks:report";
/// Who notices.
const NOTICED_BY: &str = "leak_response";

/// Something that may be a credential, and where it was found. Its plain text ends here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// What it leads to, if it has the form of something of ours.
    trace: Option<Trace>,
    /// Where it was found.
    found_in: String,
}

/// What a text leads to, before anybody has looked whether it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Trace {
    /// A credential of that kind, by the hash of its token or, of a user, of a refresh token.
    Token(CredentialKind, TokenHash),
    /// A link in a mail.
    Mailed(TokenHash),
    /// What an access token was made from.
    Access(Wanted),
}

impl Leak {
    /// Of a text that was found somewhere. An access token is known by its signature alone, which whoever calls this
    /// has looked at: `made_from` is what one of our own was made from.
    pub fn new(text: &str, made_from: Option<Wanted>, found_in: impl Into<String>) -> Self {
        let trace = match Bearer::sort(text.as_bytes()) {
            Bearer::Service(hash) => Some(Trace::Token(CredentialKind::Service, hash)),
            Bearer::Personal(hash) => Some(Trace::Token(CredentialKind::Personal, hash)),
            Bearer::Jwt(_) => made_from.map(Trace::Access),
            // Whoever has a refresh token has the session.
            Bearer::Malformed => sort_refresh(text.as_bytes())
                .map(|hash| Trace::Token(CredentialKind::User, hash))
                .or_else(|| sort_mailed(text.as_bytes()).map(Trace::Mailed)),
        };
        Self { trace, found_in: found_in.into() }
    }

    /// What stands for it in the alert: an access token is not what it was made from.
    fn is_access_token(&self) -> bool {
        matches!(self.trace, Some(Trace::Access(_)))
    }
}

/// What a leak led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundKind {
    /// A credential; a refresh token and an access token are their session's.
    Credential(CredentialKind, CredentialId),
    /// A link in a mail.
    Mailed(Purpose),
}

/// A credential that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: FoundKind,
    /// Its name; a session and a link have none.
    pub name: Option<String>,
    /// Whether this report revoked it; else it was revoked, or over, before.
    pub revoked: bool,
}

/// Who reports, and what they reach.
struct Reporter<'a> {
    actor: ActorRef,
    call: Option<&'a Call>,
    source: LeakSource,
    within: Option<PublisherId>,
}

/// What was reported, each with what is there of it.
type Traced = Vec<(Leak, Option<LeakedToken>)>;

/// Looks for all that is meant, in the same order.
async fn find_all(authority: &Authority, all: Vec<Leak>) -> Result<Traced, Fault> {
    let mut reader = authority.store().read().await?;
    let mut traced = Vec::with_capacity(all.len());
    for leak in all {
        let token = match &leak.trace {
            Some(trace) => find(reader.conn(), trace).await?,
            None => None,
        };
        traced.push((leak, token));
    }
    Ok(traced)
}

async fn find(conn: Conn<'_>, trace: &Trace) -> Result<Option<LeakedToken>, Fault> {
    Ok(match trace {
        Trace::Token(kind, hash) => leaks::find(conn, *kind, hash).await?,
        Trace::Mailed(hash) => leaks::find_mailed(conn, hash).await?,
        Trace::Access(Wanted::Session { id, .. }) => {
            let session = sessions::by_id(conn, *id).await?;
            session.map(|session| LeakedToken::Session(session.id, session.user_id))
        }
        Trace::Access(Wanted::TokenAccess { id, .. }) => Some(LeakedToken::Service(*id)),
        Trace::Access(_) => None,
    })
}

/// The users whose tokens these are, and the tokens: what a change of them reads and changes.
fn held(traced: &Traced) -> (Vec<Uuid>, Vec<Uuid>) {
    let tokens = || traced.iter().filter_map(|(_, token)| *token);
    let users = tokens().filter_map(LeakedToken::user).map(|user| user.0);
    (users.collect(), tokens().filter_map(LeakedToken::id).map(|id| id.0).collect())
}
