//! Inviting somebody: to a publisher, to the platform, or to both.

use keywright_core::{
    Actor, BuiltInRole, EmailAddress, Metadata, Name, PasswordHash, PlainToken, PublisherId, RoleId,
    Timestamp, UserId,
};
use keywright_store::mailed_tokens::Purpose;
use keywright_store::memberships::{self, NewMembership};
use keywright_store::publishers::{self, PublisherRow};
use keywright_store::roles::{self, RoleRow};
use keywright_store::users::{self, Changes, NewUser, UserRow, UserStatus};
use keywright_store::{Conn, Tx};
use serde_json::json;
use zeroize::Zeroizing;

use super::{ADMIN, Issued, User, issue, send_invitation, subject};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, Grantor, needs};
use crate::change::{Change, Invalidation};
use crate::entropy;
use crate::fault::Fault;
use crate::idempotency::Held;
use crate::mail::{Content, Letter, Locale, send};
use crate::passwords::context_words;

pub(super) const OPERATOR_ALONE: &str = "is for the local operator alone";

/// A role, as a caller names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleRef {
    /// By its id.
    Id(RoleId),
    /// By its name.
    Name(String),
}

/// An invitation to be made.
pub struct Invite {
    /// To which address.
    pub email: EmailAddress,
    /// What its owner is called.
    pub display_name: Option<Name>,
    /// In which language they are written to.
    pub locale: Option<Locale>,
    /// To which publisher; else the one that the call acts for.
    pub publisher: Option<PublisherId>,
    /// With which role there.
    pub role: Option<RoleRef>,
    /// With which role of the platform.
    pub platform_role: Option<BuiltInRole>,
    /// Their password, which the local operator may set: nothing is left to accept then.
    pub password: Option<Zeroizing<String>>,
    /// Whether the local operator is given the link, and no mail is sent.
    pub show_link: bool,
}

/// The link of an invitation, for the local operator.
#[derive(Debug)]
pub struct Link {
    /// Its secret.
    pub token: PlainToken,
    /// Where it leads; none without `server.public_url` and mail.
    pub url: Option<String>,
    /// Until when it works.
    pub expires_at: Timestamp,
}

/// Somebody who was invited.
#[derive(Debug)]
pub struct Invited {
    /// As an invitation of a new address shows it, whether it was new or not.
    pub user: User,
    /// The link, where the local operator asked for it.
    pub link: Option<Link>,
    /// Whether this is the first answer repeated.
    pub repeated: bool,
}

pub(super) fn link(authority: &Authority, issued: Issued) -> Link {
    let url = authority
        .post()
        .map(|post| format!("{}/account/invitation?token={}", post.base_url(), issued.token.reveal()));
    Link { token: issued.token, url, expires_at: issued.expires_at }
}

/// Invites an address. One that has an account already gets a membership more, and its owner a mail; the
/// caller is told no more than about a new one.
///
/// # Errors
/// [`Fault::Denied`] without `users:admin`, at platform level for a role of the platform;
/// [`Fault::PublisherRequired`]; [`Fault::Invalid`]; [`Fault::AlreadyMember`];
/// [`Fault::ScopeExceedsGrantor`]; [`Fault::MailNotConfigured`]; those of an idempotency key.
pub async fn invite(authority: &Authority, call: Call, mut wanted: Invite) -> Result<Invited, Fault> {
    if call.actor != Actor::Operator && (wanted.show_link || wanted.password.is_some()) {
        let field = if wanted.show_link { "show_link" } else { "password" };
        return Err(Fault::field(field, OPERATOR_ALONE));
    }
    wanted.publisher = wanted.publisher.or(call.publisher);
    if wanted.publisher.is_none() && wanted.platform_role.is_none() {
        return Err(Fault::PublisherRequired);
    }
    if authority.post().is_none() && !wanted.show_link && wanted.password.is_none() {
        return Err(Fault::MailNotConfigured);
    }
    let hash = hash(authority, &wanted).await?;
    let held = Held::take(authority, &call.actor, call.idempotency.clone())?;
    let own = authority.clone();
    authority
        .carry_out(async move {
            // Who is there may change between the look and the lock: then it is begun anew.
            for _ in 0..3 {
                match carry_out(&own, &call, held.as_ref(), &wanted, hash.as_ref()).await {
                    Err(Fault::EmailTaken | Fault::PreconditionFailed) => {}
                    outcome => return outcome,
                }
            }
            Err(Fault::Unavailable("the address is being changed by others".to_owned()))
        })
        .await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    held: Option<&Held>,
    wanted: &Invite,
    hash: Option<&PasswordHash>,
) -> Result<Invited, Fault> {
    let known = users::by_email(authority.store().read().await?.conn(), &wanted.email).await?;
    let known = known.map(|row| row.id);
    let mut needed = needs(ADMIN)?;
    if wanted.platform_role.is_some() {
        needed = needed.at_platform_level();
    }
    let reads: Vec<_> = wanted.publisher.iter().map(|id| id.0).collect();
    let changes: Vec<_> = known.iter().map(|id| id.0).collect();
    let mut change = Change::begin_with(authority, call, &needed, &reads, &changes).await?;
    let outcome = make(authority, call, held, (wanted, hash), known, &mut change).await;
    match outcome {
        Ok(invited) if !invited.repeated => {
            authority.commit(change.tx, Invalidation::Of(changes), call.confirm).await?;
            authority.mail_wanted().notify_one();
            Ok(invited)
        }
        outcome => {
            change.tx.rollback().await;
            outcome
        }
    }
}

async fn make(
    authority: &Authority,
    call: &Call,
    held: Option<&Held>,
    (wanted, hash): (&Invite, Option<&PasswordHash>),
    known: Option<UserId>,
    Change { tx, grantor, now, .. }: &mut Change,
) -> Result<Invited, Fault> {
    let now = *now;
    if let Some(first) = Held::first::<UserRow>(held, tx.conn(), now).await? {
        let user = User::of(tx.conn(), first.object, call.within()).await?;
        return Ok(Invited { user, link: None, repeated: true });
    }
    let place = place(tx.conn(), call, grantor, wanted).await?;
    if let Some(role) = wanted.platform_role {
        grantor.may_grant(&role.permissions())?;
    }
    let row = match known {
        Some(id) => known_user(tx, id, wanted, now).await?,
        None => new_user(authority, tx.conn(), call, grantor, (wanted, hash), now).await?,
    };
    if let Some((publisher, role)) = &place {
        join(authority, tx, call, grantor, (row.id, publisher, role), now).await?;
    }
    let publisher = place.as_ref().map(|(publisher, _)| publisher.name.as_str().to_owned());
    let link = tell(authority, tx.conn(), wanted, &row, publisher, now).await?;
    let shown = if call.home().is_some() { as_new(&row, wanted, grantor, now) } else { row };
    let user = User::of(tx.conn(), shown, call.within()).await?;
    if let Some(held) = held {
        held.keep_answer(tx.conn(), &call.actor, &user.row, now).await?;
    }
    Ok(Invited { user, link, repeated: false })
}

/// The password that the local operator sets for somebody, judged and hashed.
async fn hash(authority: &Authority, wanted: &Invite) -> Result<Option<PasswordHash>, Fault> {
    let Some(password) = &wanted.password else { return Ok(None) };
    let own = [wanted.email.as_str()].into_iter().chain(wanted.display_name.iter().map(Name::as_str));
    let password = authority.passwords().judge("password", password, context_words(own)).await?;
    authority.passwords().hash(password).await.map(Some)
}

/// The publisher and the role there, which the actor may give.
async fn place(
    mut conn: Conn<'_>,
    call: &Call,
    grantor: &Grantor,
    wanted: &Invite,
) -> Result<Option<(PublisherRow, RoleRow)>, Fault> {
    let Some(id) = wanted.publisher else { return Ok(None) };
    let unknown = || Fault::field("publisher_id", "is no publisher that you may invite to");
    if call.within().is_some_and(|own| own != id) {
        return Err(unknown());
    }
    let publisher = publishers::by_id(conn.reborrow(), id).await?.ok_or_else(unknown)?;
    if !publisher.settings.admits(wanted.email.as_str()) {
        return Err(Fault::field("email", "is of no domain that the publisher allows to log in"));
    }
    let role = match &wanted.role {
        Some(RoleRef::Id(role)) => roles::by_id(conn, Some(id), *role).await?,
        Some(RoleRef::Name(name)) => roles::by_name(conn, id, name).await?,
        None => {
            return Err(Fault::field("role", "is needed: the role that they are to have in the publisher"));
        }
    };
    let role = role.ok_or_else(|| Fault::field("role", "is no role of this publisher"))?;
    grantor.may_grant(&role.permissions)?;
    Ok(Some((publisher, role)))
}

/// An account that is there; a role of the platform is added to it.
async fn known_user(tx: &mut Tx, id: UserId, wanted: &Invite, now: Timestamp) -> Result<UserRow, Fault> {
    let found = users::by_email(tx.conn(), &wanted.email).await?;
    let row = found.filter(|row| row.id == id).ok_or(Fault::PreconditionFailed)?;
    if wanted.password.is_some() {
        return Err(Fault::field("email", "belongs to an account already"));
    }
    if wanted.platform_role.is_none() {
        return Ok(row);
    }
    if wanted.publisher.is_none() && row.platform_role.is_some() {
        return Err(Fault::AlreadyMember);
    }
    let changes = Changes { platform_role: Some(wanted.platform_role), ..Changes::none(now) };
    users::update(tx.conn(), id, row.version, &changes).await?;
    users::by_id(tx.conn(), id, None).await?.ok_or(Fault::NotFound)
}

async fn new_user(
    authority: &Authority,
    mut conn: Conn<'_>,
    call: &Call,
    grantor: &Grantor,
    (wanted, hash): (&Invite, Option<&PasswordHash>),
    now: Timestamp,
) -> Result<UserRow, Fault> {
    let preferences = match wanted.locale {
        Some(locale) => json!({ "locale": locale }).as_object().cloned().unwrap_or_default(),
        None => serde_json::Map::new(),
    };
    let new = NewUser {
        id: UserId::generate(now, entropy::id()),
        email: wanted.email.clone(),
        // Who sets a password for somebody vouches for the address too.
        email_verified_at: wanted.password.as_ref().map(|_| now),
        display_name: wanted.display_name.clone(),
        password_hash: hash.cloned(),
        preferences: Metadata::from_stored(preferences),
        default_publisher_id: wanted.publisher,
        platform_role: wanted.platform_role,
        session_epoch: grantor.epochs.counter,
        created_by: grantor.actor.clone(),
        created_at: now,
    };
    let row = users::insert(conn.reborrow(), &new).await?;
    let kind = if wanted.password.is_some() { "user.created" } else { "user.invited" };
    let event = Event::new(kind, grantor.actor.clone(), Some(call), subject(row.id));
    event.publisher(wanted.publisher).after(&row).write(authority, conn).await?;
    Ok(row)
}

async fn join(
    authority: &Authority,
    tx: &mut Tx,
    call: &Call,
    grantor: &Grantor,
    (user, publisher, role): (UserId, &PublisherRow, &RoleRow),
    now: Timestamp,
) -> Result<(), Fault> {
    if memberships::get(tx.conn(), publisher.id, user).await?.is_some() {
        return Err(Fault::AlreadyMember);
    }
    let new = NewMembership {
        user_id: user,
        publisher_id: publisher.id,
        role_id: role.id,
        session_epoch: 0,
        created_by: grantor.actor.clone(),
        created_at: now,
    };
    memberships::insert(tx.conn(), &new).await?;
    let member = memberships::get(tx.conn(), publisher.id, user).await?.ok_or(Fault::NotFound)?;
    let event = Event::new("member.added", grantor.actor.clone(), Some(call), subject(user));
    event.publisher(Some(publisher.id)).after(&member).write(authority, tx.conn()).await?;
    Ok(())
}

/// Writes to whom was invited: a link to accept, or, to who has an account, that it belongs to one more.
async fn tell(
    authority: &Authority,
    mut conn: Conn<'_>,
    wanted: &Invite,
    row: &UserRow,
    publisher: Option<String>,
    now: Timestamp,
) -> Result<Option<Link>, Fault> {
    if wanted.password.is_some() {
        return Ok(None);
    }
    if row.status() == UserStatus::Invited {
        let issued = issue(conn.reborrow(), row, &row.email, Purpose::Invitation, now).await?;
        if wanted.show_link {
            return Ok(Some(link(authority, issued)));
        }
        send_invitation(authority, conn, row, publisher, &issued, now).await?;
    } else if authority.post().is_some() {
        let publisher = publisher.unwrap_or_else(|| "Keywright".to_owned());
        let letter = Letter::to(row, Content::Added { publisher });
        send(authority, conn, row, &letter, now, None).await?;
    }
    Ok(None)
}

/// What an invitation of a new address would show.
fn as_new(row: &UserRow, wanted: &Invite, grantor: &Grantor, now: Timestamp) -> UserRow {
    UserRow {
        email: wanted.email.clone(),
        email_verified_at: None,
        display_name: wanted.display_name.clone(),
        has_password: false,
        password_changed_at: None,
        preferences: Metadata::default(),
        default_publisher_id: wanted.publisher,
        platform_role: None,
        disabled_at: None,
        disabled_reason: None,
        external_refused_at: None,
        last_login_at: None,
        created_by: grantor.actor.clone(),
        created_at: now,
        updated_at: now,
        ..row.clone()
    }
}
