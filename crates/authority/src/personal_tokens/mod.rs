//! Personal tokens: one file for each use case.
//!
//! A user makes them in person: what a script bears makes, rotates and changes none. What a token carries is
//! decided at each use, by what its owner may do at that moment; the rules here keep anybody from asking for
//! what they would not get.

mod approve;
mod cleanup;
mod create;
mod of_others;
mod owner;
mod read;
mod revoke;
mod rotate;
mod terms;
mod update;

pub use approve::{approve, approve_of_user};
pub use cleanup::clean_up;
pub use create::{Create, create};
pub use of_others::{get_of_user, list_of_user, revoke_all_of_user, revoke_of_user};
pub use owner::{Approval, Grantable, PublisherWord, grantable};
pub use read::{Mine, get, list, myself, security_events, usage};
pub use revoke::{revoke, revoke_all, revoke_myself};
pub use rotate::rotate;
pub use update::{Rights, Update, update};

use keywright_core::{CredentialName, Epochs, PlainToken, PublisherId, Status, Timestamp, UserId};
use keywright_store::personal_tokens::{self, ListFilter, NewPersonalToken, PersonalTokenRow};
use keywright_store::{Conn, platform};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::owner::Owner;
use crate::audit::{Event, Snapshot, Subject};
use crate::authority::Authority;
use crate::call::{Call, Grantor};
use crate::fault::Fault;
use crate::{entropy, jobs, sessions};

pub use crate::roles::{ADMIN, READ};
/// What lets its bearer make personal tokens.
pub const WRITE: &str = "personal_tokens:write";

/// A personal token, with what the publishers that it is for say of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonalToken {
    /// The row.
    pub row: PersonalTokenRow,
    /// The publishers that it is for and that its owner belongs to, as far as whoever asks may know.
    pub publishers: Vec<PublisherWord>,
}

impl PersonalToken {
    /// Its status at `now` under `epochs`: inactive also while approval is waited for wherever it is for.
    pub fn status(&self, epochs: Epochs, now: Timestamp) -> Status {
        match self.row.status(epochs, now) {
            Status::Active | Status::Superseded if self.awaits_approval() => Status::Inactive,
            status => status,
        }
    }

    fn awaits_approval(&self) -> bool {
        !self.publishers.is_empty() && self.publishers.iter().all(|word| word.approval == Approval::Pending)
    }

    /// The publishers that it is for, as far as whoever asks may know.
    fn reached(&self) -> impl Iterator<Item = PublisherId> {
        self.publishers.iter().map(|word| word.publisher)
    }

    /// One token, as its owner sees it.
    async fn of(mut conn: Conn<'_>, owner: &mut Owner, row: PersonalTokenRow) -> Result<Self, Fault> {
        let mut all = Self::of_all(conn.reborrow(), owner, vec![row]).await?;
        all.pop().ok_or(Fault::NotFound)
    }

    /// A page of tokens. Which status one has depends on what the publishers say that it is for.
    async fn listed(mut conn: Conn<'_>, owner: &mut Owner, filter: ListFilter) -> Result<Vec<Self>, Fault> {
        let mut filter = filter;
        if filter.status.is_some() {
            owner.learn_all(conn.reborrow(), filter.user).await?;
            filter.places = owner.places();
        }
        let rows = personal_tokens::list(conn.reborrow(), &filter).await?;
        Self::of_all(conn, owner, rows).await
    }

    async fn of_all(
        mut conn: Conn<'_>,
        owner: &mut Owner,
        rows: Vec<PersonalTokenRow>,
    ) -> Result<Vec<Self>, Fault> {
        for row in &rows {
            owner.learn(conn.reborrow(), row.terms.publisher_ids.as_deref().unwrap_or_default()).await?;
        }
        let lineages: Vec<_> = rows.iter().map(|row| row.lineage_id).collect();
        let approvals = personal_tokens::approvals_of(conn, &lineages).await?;
        Ok(rows.into_iter().map(|row| Self { publishers: owner.words(&row, &approvals), row }).collect())
    }
}

/// The user who calls in person.
pub(crate) fn in_person(call: &Call) -> Result<UserId, Fault> {
    sessions::caller(call).ok_or(Fault::UserRequired)
}

/// The token, by the id alone: an event outlives the personal data of whom it is about.
fn subject(row: &PersonalTokenRow) -> Subject {
    Subject { kind: "personal_token", id: Some(row.id.0), name: None }
}

/// An event of a token, as it was before and is now: in the trail of the only publisher that it is for, else of the
/// one that the caller acts for, and in those of all others that it reaches or reached.
fn event<'a>(
    kind: &'static str,
    grantor: &Grantor,
    call: &'a Call,
    before: Option<&PersonalToken>,
    now: &PersonalToken,
) -> Event<'a> {
    let event = Event::new(kind, grantor.actor.clone(), Some(call), subject(&now.row));
    let event = match before {
        Some(before) => event.before(&before.row).also(before.reached()),
        None => event,
    };
    event.publisher(now.row.terms.home().or(call.publisher)).also(now.reached()).after(&now.row)
}

/// Of publishers their number alone: whoever reads the events of one is not told of the others.
impl Snapshot for PersonalTokenRow {
    fn snapshot(&self) -> Value {
        let terms = &self.terms;
        json!({
            "user_id": self.user_id,
            "token_hint": self.token_hint,
            "scopes": terms.scopes,
            "inherit_user_permissions": terms.inherit_user_permissions,
            "publishers": terms.publisher_ids.as_ref().map(Vec::len),
            "excluded_publishers": terms.excluded_publisher_ids.len(),
            "rate_limits": terms.rate_limits,
            "ip_allowlist": terms.ip_allowlist,
            "is_active": terms.is_active,
            "expires_at": terms.expires_at,
            "rotated_from_id": self.rotated_from_id,
            "superseded_by_id": self.superseded_by_id,
            "grace_expires_at": self.grace_expires_at,
            "revoked_at": self.revoked_at,
        })
    }
}

/// Makes the secret of a new token and puts its hash and hint into the row.
fn mint(fill: impl FnOnce(&PlainToken) -> NewPersonalToken) -> (PlainToken, NewPersonalToken) {
    let secret = PlainToken::personal(&entropy::token());
    let row = fill(&secret);
    (secret, row)
}

/// Refuses one more live token than a user may have. The user is held.
async fn must_have_room(
    authority: &Authority,
    conn: Conn<'_>,
    user: UserId,
    now: Timestamp,
) -> Result<(), Fault> {
    let most = authority.settings().max_per_user;
    if personal_tokens::count_live(conn, user, now).await? >= most.into() {
        return Err(Fault::TooManyTokens(most));
    }
    Ok(())
}

/// Frees a name that a token bears which was revoked with others and that no job has marked yet. Tells whether
/// it is worth trying again.
async fn free_name(authority: &Authority, call: &Call, name: Option<&CredentialName>) -> Result<bool, Fault> {
    let Some(name) = name else { return Ok(false) };
    let user = in_person(call)?;
    let mut tx = authority.store().begin_change(&[], &[]).await?;
    let epochs = platform::epochs(tx.conn()).await?;
    let Some(row) = personal_tokens::live_by_name(tx.conn(), user, name.as_str()).await? else {
        return Ok(true);
    };
    if !row.is_revoked(epochs) {
        return Ok(false);
    }
    // False: the job was faster.
    personal_tokens::revoke(tx.conn(), user, row.id, authority.now(), Some(jobs::ALL_REVOKED)).await?;
    tx.commit().await?;
    Ok(true)
}
