//! Emergency revocation: one number is raised, whatever its reach; the rows are marked afterwards.

use keywright_core::key::EXTERNAL;
use keywright_core::{
    CredentialId, Epochs, EventId, PublisherId, ServiceAccountId, Timestamp, UserId, Wanted,
};
use keywright_store::platform::{self, Reached};
use keywright_store::sessions::{self, Reach};
use keywright_store::{
    Tx, external_refusals, memberships, personal_tokens, publishers, service_accounts, service_tokens, users,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::call::{Call, Grantor, Needs, needs};
use crate::change::{Change, Invalidation, authorize, held_by};
use crate::fault::Fault;
use crate::nodes::Confirmations;

/// What lets its bearer do it.
pub const PERMISSION: &str = "emergency:revoke";

/// How far it reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    All,
    /// Whatever acts for a publisher.
    Publisher(PublisherId),
    /// The tokens of a service account.
    Account(ServiceAccountId),
    /// Whatever a user has; within a publisher, what the user has there.
    User(UserId),
}

/// The kinds of credential in its reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one for each kind that there is")]
pub struct Kinds {
    /// Service tokens: all, those of a publisher's accounts, or those of an account.
    pub service: bool,
    /// Personal tokens.
    pub personal: bool,
    /// Sessions, with the access tokens made from them.
    pub sessions: bool,
    /// Tokens of other issuers: they are refused until they are allowed again.
    pub external: bool,
}

/// What to revoke.
#[derive(Clone, Debug)]
pub struct EmergencyRevoke {
    /// Why.
    pub reason: String,
    /// How far it reaches.
    pub scope: Scope,
    /// Which kinds it reaches.
    pub kinds: Kinds,
    /// Spare the credential that calls.
    pub keep_caller: bool,
}

/// What was revoked, and by whom it is in force.
#[derive(Clone, Debug)]
pub struct Revoked {
    /// Service tokens reached.
    pub service: u64,
    /// Personal tokens reached.
    pub personal: u64,
    /// Sessions reached.
    pub sessions: u64,
    /// The security event.
    pub event_id: EventId,
    /// The nodes.
    pub nodes: Confirmations,
}

/// What a caller reaches: whoever belongs to a publisher, nothing beyond it.
fn reach(call: &Call, scope: Scope) -> Result<(Reach, Needs), Fault> {
    let needed = needs(PERMISSION)?;
    Ok(match (scope, call.home()) {
        (Scope::All, _) => (Reach::Platform, needed.at_platform_level()),
        (Scope::Publisher(id), None) => (Reach::Publisher(id), needed),
        (Scope::Publisher(id), Some(home)) if id == home => (Reach::Publisher(id), needed),
        (Scope::Publisher(_), Some(_)) => return Err(Fault::NotFound),
        (Scope::Account(id), _) => (Reach::Account(id), needed),
        (Scope::User(id), None) => (Reach::User(id), needed),
        (Scope::User(id), Some(home)) => (Reach::Membership(id, home), needed),
    })
}

/// Revokes everything in reach: in force on this node when it returns, and on those that confirmed.
///
/// # Errors
/// [`Fault::Denied`] without `emergency:revoke`; [`Fault::NotFound`] for a publisher, an account or a user beyond
/// the caller's publisher.
pub async fn revoke(authority: &Authority, call: Call, wanted: EmergencyRevoke) -> Result<Revoked, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, &wanted).await }).await
}

async fn carry_out(authority: &Authority, call: &Call, wanted: &EmergencyRevoke) -> Result<Revoked, Fault> {
    let (reach, needs) = reach(call, wanted.scope)?;
    // The number comes first, as the epochs come first in every change; a refused actor rolls it back.
    let (mut tx, raised) = if wanted.kinds == Kinds::default() {
        (authority.store().begin_change(&held_by(call, &[]), &[]).await?, None)
    } else {
        let mut tx = authority.store().begin().await?;
        let raised = platform::next_epoch(tx.conn()).await?;
        (tx, Some(raised))
    };
    let (grantor, now) = authorize(authority, call, &mut tx, &needs).await?;
    let mut done = Done::default();
    if let Some(epoch) = raised {
        done = raise(&mut tx, call, wanted, reach, (&grantor, epoch, now)).await?;
    }
    let (subject, publisher) = subject(reach);
    let event = Event::new("emergency.revoked", grantor.actor, Some(call), subject)
        .publisher(publisher.or(done.publisher))
        .reason(Some(&wanted.reason))
        .details(json!({
            "scope": shown(reach),
            "epoch": raised,
            "reached": {"service": done.service, "personal": done.personal, "sessions": done.sessions},
            "external_refused": done.external,
            "kept_caller": call.actor.credential_id().filter(|_| wanted.keep_caller),
        }));
    let event_id = event.write(authority, tx.conn()).await?;
    let invalidation = raised.map_or(Invalidation::None, |epoch| told(wanted, reach, epoch, &done));
    let nodes = authority.commit(tx, invalidation, true).await?;
    authority.mark_wanted().notify_one();
    let Done { service, personal, sessions, .. } = done;
    Ok(Revoked { service, personal, sessions, event_id, nodes })
}

/// What was done.
#[derive(Default)]
struct Done {
    service: u64,
    personal: u64,
    sessions: u64,
    external: bool,
    spared: Option<CredentialId>,
    /// The publisher of the account that was reached.
    publisher: Option<PublisherId>,
}

/// Writes the number to the reach, and lifts the caller over it if it is to be spared.
async fn raise(
    tx: &mut Tx,
    call: &Call,
    wanted: &EmergencyRevoke,
    reach: Reach,
    (grantor, epoch, now): (&Grantor, u64, Timestamp),
) -> Result<Done, Fault> {
    let Kinds { service, sessions: session, personal, .. } = wanted.kinds;
    let mut done = Done::default();
    let before = count_reached(tx, wanted.kinds, reach, now).await?;
    if wanted.keep_caller {
        done.spared = spare(tx, call, epoch).await?;
    }
    if let (true, Some(tokens)) = (service, tokens_in(reach)) {
        // What an earlier emergency reached is dead already, whether its rows have been marked or are being
        // marked at this moment.
        let in_force = grantor.epochs.service;
        done.service = service_tokens::count_reached(tx.conn(), tokens, in_force, epoch).await?;
    }
    let mut found = match reach {
        Reach::Platform => {
            platform::raise(tx.conn(), epoch, Reached { service, session, personal }).await?;
            true
        }
        Reach::Account(id) => {
            let account = service_accounts::by_id(tx.conn(), call.within(), id).await?;
            done.publisher = account.as_ref().and_then(|account| account.publisher_id);
            account.is_some() && (!service || service_accounts::raise_epoch(tx.conn(), id, epoch).await?)
        }
        Reach::Publisher(id) if service => publishers::raise_service_epoch(tx.conn(), id, epoch).await?,
        _ => true,
    };
    if session {
        found = found && raise_sessions(tx, reach, epoch).await?;
    }
    if personal {
        found = found && raise_personal(tx, reach, epoch).await?;
    }
    let (external, known) =
        if wanted.kinds.external { refuse_external(tx, reach, Some(now)).await? } else { (false, true) };
    done.external = external;
    if !found || !known {
        return Err(Fault::NotFound);
    }
    let after = count_reached(tx, wanted.kinds, reach, now).await?;
    (done.sessions, done.personal) = (before.0.saturating_sub(after.0), before.1.saturating_sub(after.1));
    Ok(done)
}

/// The service tokens within a reach. A user has none.
const fn tokens_in(reach: Reach) -> Option<service_tokens::Reach> {
    match reach {
        Reach::Platform => Some(service_tokens::Reach::Platform),
        Reach::Publisher(id) => Some(service_tokens::Reach::Publisher(id)),
        Reach::Account(id) => Some(service_tokens::Reach::Account(id)),
        Reach::User(_) | Reach::Membership(..) => None,
    }
}

/// Sessions and personal tokens that are alive within a reach; nothing of a kind that is not wanted.
async fn count_reached(tx: &mut Tx, kinds: Kinds, reach: Reach, now: Timestamp) -> Result<(u64, u64), Fault> {
    let sessions = if kinds.sessions { sessions::count_reached(tx.conn(), reach, now).await? } else { 0 };
    let personal =
        if kinds.personal { personal_tokens::count_reached(tx.conn(), reach, now).await? } else { 0 };
    Ok((sessions, personal))
}

/// Writes the number of sessions to a reach below the platform; false when there is no such reach.
async fn raise_sessions(tx: &mut Tx, reach: Reach, epoch: u64) -> Result<bool, Fault> {
    Ok(match reach {
        Reach::Platform | Reach::Account(_) => true,
        Reach::Publisher(id) => publishers::raise_session_epoch(tx.conn(), id, epoch).await?,
        Reach::User(id) => users::end_sessions(tx.conn(), id, epoch).await?,
        Reach::Membership(user, home) => {
            memberships::raise_session_epoch(tx.conn(), home, user, epoch).await?
        }
    })
}

/// The same of personal tokens. An account has none.
async fn raise_personal(tx: &mut Tx, reach: Reach, epoch: u64) -> Result<bool, Fault> {
    Ok(match reach {
        Reach::Platform | Reach::Account(_) => true,
        Reach::Publisher(id) => publishers::raise_personal_epoch(tx.conn(), id, epoch).await?,
        Reach::User(id) => users::end_personal_tokens(tx.conn(), id, epoch).await?,
        Reach::Membership(user, home) => {
            memberships::raise_personal_epoch(tx.conn(), home, user, epoch).await?
        }
    })
}

/// Lifts the calling credential over the number.
async fn spare(tx: &mut Tx, call: &Call, epoch: u64) -> Result<Option<CredentialId>, Fault> {
    let Some(id) = call.actor.credential_id() else { return Ok(None) };
    let wanted = call.actor.bearing().map(|bearing| &bearing.wanted);
    let lifted = match wanted {
        Some(Wanted::Session { id, .. }) => sessions::set_epoch(tx.conn(), *id, epoch).await?,
        Some(Wanted::Personal { .. }) => personal_tokens::set_epoch(tx.conn(), id, epoch).await?,
        _ => service_tokens::set_epoch(tx.conn(), id, epoch).await?,
    };
    Ok(Some(id).filter(|_| lifted))
}

/// Refuses tokens of other issuers within a reach, or allows them again: whether that was done, and whether
/// there is such a reach. A membership has no such mark: whoever is locked out of one publisher is removed from
/// it.
async fn refuse_external(tx: &mut Tx, reach: Reach, since: Option<Timestamp>) -> Result<(bool, bool), Fault> {
    Ok(match reach {
        Reach::Platform => {
            external_refusals::of_platform(tx.conn(), since).await?;
            (true, true)
        }
        Reach::Publisher(id) => (true, external_refusals::of_publisher(tx.conn(), id, since).await?),
        Reach::User(id) => (true, external_refusals::of_user(tx.conn(), id, since).await?),
        Reach::Membership(user, home) => (false, memberships::get(tx.conn(), home, user).await?.is_some()),
        // Its tokens are ours.
        Reach::Account(_) => (false, true),
    })
}

/// The one notification. The platform's numbers are compared in memory; what lies within another reach depends
/// on its id.
fn told(wanted: &EmergencyRevoke, reach: Reach, epoch: u64, done: &Done) -> Invalidation {
    let spared = done.spared;
    match reach {
        Reach::Platform => Invalidation::Raised {
            epochs: Epochs {
                service: if wanted.kinds.service { epoch } else { 0 },
                session: if wanted.kinds.sessions { epoch } else { 0 },
                personal: if wanted.kinds.personal { epoch } else { 0 },
                counter: epoch,
                keys: 0,
            },
            spared,
        }
        .with(done.external.then_some(EXTERNAL)),
        Reach::Publisher(PublisherId(id))
        | Reach::Account(ServiceAccountId(id))
        | Reach::User(UserId(id))
        | Reach::Membership(UserId(id), _) => {
            let caller: Option<Uuid> = spared.map(|id| id.0);
            Invalidation::Of(caller.into_iter().chain([id]).collect())
        }
    }
}

/// Allows tokens of other issuers again that an emergency refuses. In force on this node when it returns.
///
/// # Errors
/// [`Fault::Denied`] without `emergency:revoke`; [`Fault::NotFound`] as with [`revoke`].
pub async fn allow_external(authority: &Authority, call: Call, scope: Scope) -> Result<Confirmations, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { allow(&own, &call, scope).await }).await
}

async fn allow(authority: &Authority, call: &Call, scope: Scope) -> Result<Confirmations, Fault> {
    let (reach, needs) = reach(call, scope)?;
    let id = match reach {
        Reach::Platform => EXTERNAL,
        Reach::Publisher(PublisherId(id)) | Reach::User(UserId(id)) | Reach::Membership(UserId(id), _) => id,
        // No token of another issuer acts as an account.
        Reach::Account(_) => {
            return Err(Fault::field("scope.service_account_id", "has no tokens of other issuers"));
        }
    };
    let Change { mut tx, grantor, .. } = Change::begin_with(authority, call, &needs, &[], &[id]).await?;
    let (_, known) = refuse_external(&mut tx, reach, None).await?;
    if !known {
        return Err(Fault::NotFound);
    }
    let (subject, publisher) = subject(reach);
    let event = Event::new("external.allowed", grantor.actor, Some(call), subject).publisher(publisher);
    event.details(json!({"scope": shown(reach)})).write(authority, tx.conn()).await?;
    authority.commit(tx, Invalidation::Of(vec![id]), call.confirm).await
}

fn subject(reach: Reach) -> (Subject, Option<PublisherId>) {
    let of = |kind, id| Subject { kind, id: Some(id), name: None };
    match reach {
        Reach::Platform => (Subject::platform(), None),
        Reach::Publisher(id) => (of("publisher", id.0), Some(id)),
        Reach::Account(id) => (of("service_account", id.0), None),
        Reach::User(id) => (of("user", id.0), None),
        Reach::Membership(user, home) => (of("user", user.0), Some(home)),
    }
}

fn shown(reach: Reach) -> Value {
    match reach {
        Reach::Platform => json!({"all": true}),
        Reach::Publisher(id) => json!({"publisher_id": id}),
        Reach::Account(id) => json!({"service_account_id": id}),
        Reach::User(id) => json!({"user_id": id}),
        Reach::Membership(user, home) => json!({"user_id": user, "publisher_id": home}),
    }
}
