//! Logging in.

use keywright_core::{
    DenialCode, EmailAddress, Facts, PasswordHash, PlainPassword, PlainToken, PublisherId, Requirements,
    SessionId, Wanted, address, decide,
};
use keywright_store::memberships::UserPublisher;
use keywright_store::sessions::NewSession;
use keywright_store::users::{self, UserRow};
use keywright_store::{
    Tx, grants, login_networks, memberships, platform, publishers, refresh_tokens, sessions,
};
use zeroize::Zeroizing;

use super::access::{Terms, access_token, ready};
use super::throttle::{self, Counted};
use super::{Attempt, Tokens, Visitor, Who};
use crate::authority::Authority;
use crate::change::Invalidation;
use crate::fault::Fault;
use crate::{entropy, passwords};

/// How often a password is compared when what is kept of it changes all the while.
const MAX_TRIES: usize = 2;

/// A login.
#[derive(Debug)]
pub struct Login {
    /// The address, as it was given.
    pub email: String,
    /// The password, as it was given.
    pub password: PlainPassword,
    /// The publisher to act for; `None`: the user's default one.
    pub publisher: Option<PublisherId>,
}

/// Logs a user in. Nothing of what is answered before the password was right tells whether there is such an
/// account.
pub async fn login(authority: &Authority, visitor: Visitor, wanted: Login) -> Attempt {
    let own = authority.clone();
    let attempt = authority.carry_out(async move { Ok(attempt(&own, &visitor, wanted).await) }).await;
    attempt.unwrap_or_else(|fault| Attempt::refused(fault, None))
}

async fn attempt(authority: &Authority, visitor: &Visitor, wanted: Login) -> Attempt {
    let email = EmailAddress::parse(&wanted.email).ok();
    // What is no address may be a password in the wrong field: it is not kept.
    let mut who = email.as_ref().map(|email| Who {
        user: None,
        email: email.as_str().to_owned(),
        session: None,
        publisher: None,
    });
    let outcome = carry_out(authority, visitor, (email, wanted), &mut who).await;
    Attempt::of(outcome, who)
}

async fn carry_out(
    authority: &Authority,
    visitor: &Visitor,
    (email, wanted): (Option<EmailAddress>, Login),
    who: &mut Option<Who>,
) -> Result<Tokens, Fault> {
    ready(authority).await?;
    let folded = email.as_ref().map_or_else(|| wanted.email.to_lowercase(), EmailAddress::folded);
    let counted = throttle::count(authority, &folded, visitor.ip_address).await?;
    let outcome = try_it(authority, visitor, (email.as_ref(), &wanted), counted, who).await;
    throttle::fairly(authority, &counted, outcome).await
}

async fn try_it(
    authority: &Authority,
    visitor: &Visitor,
    (email, wanted): (Option<&EmailAddress>, &Login),
    counted: Counted,
    who: &mut Option<Who>,
) -> Result<Tokens, Fault> {
    for _ in 0..MAX_TRIES {
        let known = prove(authority, (email, &wanted.password), counted, who).await?;
        let publisher = choose(authority, &known.user, wanted.publisher).await?;
        if let Some(who) = who.as_mut() {
            who.publisher = publisher;
        }
        match open(authority, visitor, &known, publisher).await {
            // Another password was set meanwhile, or another login kept the same one anew.
            Err(Fault::PreconditionFailed) => {}
            outcome => return outcome,
        }
    }
    Err(Fault::InvalidCredentials)
}

/// Compares a password with the one that is kept.
async fn prove(
    authority: &Authority,
    (email, password): (Option<&EmailAddress>, &PlainPassword),
    counted: Counted,
    who: &mut Option<Who>,
) -> Result<Known, Fault> {
    let found = match email {
        Some(email) => {
            let mut reader = authority.store().read().await?;
            users::for_login(reader.conn(), email).await?
        }
        None => None,
    };
    if let (Some(who), Some(found)) = (who.as_mut(), &found) {
        who.user = Some(found.user.id);
    }
    let kept = found.as_ref().and_then(|found| found.password_hash.as_ref());
    let again = || PlainPassword::presented(password.reveal());
    let right = authority.passwords().verify(again(), kept).await?;
    let (Some(found), true) = (found, right) else { return Err(Fault::InvalidCredentials) };
    let Some(kept) = found.password_hash else { return Err(Fault::InvalidCredentials) };
    // Where there is no room for it now, a later login does it.
    let rehashed =
        if passwords::needs_rehash(&kept) { authority.passwords().hash(again()).await.ok() } else { None };
    Ok(Known { user: found.user, kept, rehashed, counted })
}

/// A user whose password was right.
struct Known {
    user: UserRow,
    kept: PasswordHash,
    rehashed: Option<PasswordHash>,
    counted: Counted,
}

/// The publisher that a session begins with: the one that is named, the user's default one, or the first
/// that may be acted for; none at platform level.
async fn choose(
    authority: &Authority,
    user: &UserRow,
    named: Option<PublisherId>,
) -> Result<Option<PublisherId>, Fault> {
    if named.is_some() {
        return Ok(named);
    }
    let mut reader = authority.store().read().await?;
    let own = memberships::list_of_user(reader.conn(), user.id).await?;
    let is_good = |id: &PublisherId| own.iter().any(|own| own.id == *id && !own.is_suspended);
    let default = user.default_publisher_id.filter(is_good);
    if default.is_some() || user.platform_role.is_some() {
        return Ok(default);
    }
    let first = own.iter().find(|own| !own.is_suspended).or(own.first());
    Ok(first.map(|own: &UserPublisher| own.id))
}

async fn open(
    authority: &Authority,
    visitor: &Visitor,
    known: &Known,
    publisher: Option<PublisherId>,
) -> Result<Tokens, Fault> {
    let reads: Vec<_> = [Some(known.user.id.0), publisher.map(|id| id.0)].into_iter().flatten().collect();
    let mut tx = authority.store().begin_change(&reads, &[]).await?;
    // Committed also when the login is refused for another reason: the password was right.
    throttle::forgive(&mut tx, &known.counted, authority.now()).await?;
    match begin(authority, &mut tx, visitor, known, publisher).await {
        Ok(tokens) => {
            authority.commit(tx, Invalidation::None, false).await?;
            Ok(tokens)
        }
        Err(fault @ (Fault::Denied(_) | Fault::EmailUnverified | Fault::DomainNotAllowed)) => {
            tx.rollback().await;
            throttle::forgive_at_once(authority, &known.counted).await?;
            Err(fault)
        }
        Err(fault) => Err(fault),
    }
}

/// Everything read again, with the user and the publisher held as they are.
async fn begin(
    authority: &Authority,
    tx: &mut Tx,
    visitor: &Visitor,
    known: &Known,
    publisher: Option<PublisherId>,
) -> Result<Tokens, Fault> {
    let user = users::by_id(tx.conn(), known.user.id, None).await?.ok_or(Fault::InvalidCredentials)?;
    let kept = users::password_hash(tx.conn(), user.id).await?;
    if kept.is_none_or(|kept| kept.as_phc() != known.kept.as_phc()) {
        return Err(Fault::PreconditionFailed);
    }
    if user.disabled_at.is_some() {
        return Err(Fault::Denied(DenialCode::PrincipalDisabled.into()));
    }
    if user.email_verified_at.is_none() {
        return Err(Fault::EmailUnverified);
    }
    let epochs = platform::epochs(tx.conn()).await?;
    let terms = Terms::of(authority, tx.conn(), publisher).await?;
    let now = authority.now();
    let expires_at = terms.session_end(now);
    let idle = now.plus_days(authority.settings().sessions.refresh_token_days.into());
    let place = visitor.ip_address.map(|address| authority.store().places().of(address)).unwrap_or_default();
    let new = NewSession {
        id: SessionId::generate(now, entropy::id()),
        user_id: user.id,
        publisher_id: publisher,
        epoch: epochs.counter,
        ip_address: visitor.ip_address,
        country: place.country.map(Into::into),
        user_agent: visitor.user_agent.clone(),
        created_at: now,
        expires_at,
        idle_expires_at: idle.min(expires_at),
    };
    let session = sessions::insert(tx.conn(), &new).await?;
    let wanted = Wanted::Session { id: session.id, publisher };
    let loaded = grants::load(tx.conn(), &wanted).await?.ok_or(Fault::InvalidCredentials)?;
    decide(&loaded.grant, None, loaded.epochs, &Requirements::none(), Facts::at(now))?;
    if let Some(id) = publisher
        && let Some(row) = publishers::by_id(tx.conn(), id).await?
        && !row.settings.admits(user.email.as_str())
    {
        return Err(Fault::DomainNotAllowed);
    }
    let refresh_token = PlainToken::refresh(&Zeroizing::new(*entropy::token()));
    refresh_tokens::insert(tx.conn(), &refresh_token.hash(), session.id, None, now).await?;
    let role = user.platform_role.as_deref();
    let access_token =
        access_token(authority, tx.conn(), (&session, &loaded.grant), role, (terms, now)).await?;
    note(tx, visitor, known, now).await?;
    Ok(Tokens { access_token, refresh_token: Some(refresh_token), session, user, now })
}

/// What a login leaves behind.
async fn note(
    tx: &mut Tx,
    visitor: &Visitor,
    known: &Known,
    now: keywright_core::Timestamp,
) -> Result<(), Fault> {
    users::note_login(tx.conn(), known.user.id, now).await?;
    if let Some(network) = visitor.ip_address.map(address::network) {
        login_networks::note(tx.conn(), known.user.id, network, now).await?;
    }
    if let Some(rehashed) = &known.rehashed {
        users::rehash(tx.conn(), known.user.id, &known.kept, rehashed).await?;
    }
    Ok(())
}
