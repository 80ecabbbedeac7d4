//! From what a caller presents to a credential that may be decided on: one place for the gate, for
//! verification, and for the edge.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use keywright_authority::{Authority, external_identities};
use keywright_core::{
    Bearer, Bearing, Decision, DenialCode, Facts, Grant, Mapping, PublisherId, Requirements, Timestamp,
    TokenHash, Wanted, address,
};
use keywright_verify::tokens::Asked;
use keywright_verify::{Known, Limiter, Lookup, Read, Taken, Unread};
use tracing::warn;

use super::App;

/// How often a token is looked at again when the keys are changed again and again meanwhile.
const MAX_READS: usize = 4;
/// Nobody waits longer for the first use of an identity to be written down.
const PIN_TIMEOUT: Duration = Duration::from_secs(2);

/// A credential that is known.
#[derive(Clone, Debug)]
pub struct Found {
    /// What is known of it.
    pub known: Known,
    /// At which moment of the boot-time clock.
    pub at: i64,
    /// By what it was asked for.
    pub wanted: Wanted,
    /// The publisher that it belongs to, and beyond which it reaches nothing; none at platform level.
    pub home: Option<PublisherId>,
    /// It is asked about for another publisher than the one that it is for.
    pub elsewhere: bool,
}

impl Found {
    /// Who makes a change by it, from an address.
    pub fn bearing(&self, address: Option<IpAddr>) -> Bearing {
        let grant = self.known.grant();
        Bearing {
            wanted: self.wanted.clone(),
            credential_id: grant.credential_id,
            credential_name: grant.name.to_string(),
            principal: grant.principal_ref(),
            home: self.home,
            claimed: self.known.claimed().cloned(),
            address,
        }
    }

    /// Decides on it, as it is at the moment at which it was found, used from an address; what it takes of its
    /// budgets is taken once it is known to be good, and before its scopes are looked at.
    pub async fn decide(
        &self,
        app: &App,
        limiter: &Limiter,
        wanted: &Requirements,
        address: Option<IpAddr>,
        cost: u32,
    ) -> Verdict {
        let now = app.authority().clock().at(self.at);
        let mut verdict = Verdict { decision: self.admit(now, address), taken: None };
        if verdict.decision.is_err() {
            return verdict;
        }
        if let Some(bounds) = self.known.grant().bounds.as_deref().filter(|bounds| !bounds.budgets.is_empty())
        {
            verdict.taken = if limiter.counts_here() {
                limiter.take_here(&bounds.budgets, cost, now)
            } else {
                // Boxed, so that the future of a hit, which is moved about, stays small.
                Box::pin(limiter.take(&bounds.budgets, cost, now)).await
            };
        }
        verdict.decision = match verdict.taken {
            Some(Taken { granted: false, .. }) => Err(DenialCode::RateLimited.into()),
            _ => self.known.carries(wanted),
        };
        verdict
    }

    fn admit(&self, now: Timestamp, address: Option<IpAddr>) -> Decision {
        self.known.admit(Facts { now, address })?;
        if self.elsewhere {
            // The scopes that it has are those of another publisher.
            return Err(DenialCode::WrongPublisher.into());
        }
        Ok(())
    }
}

/// What was decided on a credential.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The decision.
    pub decision: Decision,
    /// What became of its budgets; none of one that is not limited, or was refused before they are looked at.
    pub taken: Option<Taken>,
}

/// What a look-up found.
pub enum Looked {
    /// A credential.
    Known(Found),
    /// None of ours.
    Denied(DenialCode),
    /// The answer cannot be known now.
    Unavailable,
}

/// Looks a credential up, as it is for the publisher that is asked about, in the cache first. `now` was read
/// from the boot-time clock just now.
pub async fn look_up(
    app: &App,
    (credential, publisher): (&[u8], Option<PublisherId>),
    client: Option<IpAddr>,
    now: i64,
) -> Looked {
    match Bearer::sort(credential) {
        Bearer::Service(hash) => token(app, Wanted::Token { hash, publisher }, client, now).await,
        Bearer::Personal(hash) => token(app, Wanted::Personal { hash, publisher }, client, now).await,
        Bearer::Jwt(token) => {
            let hash = TokenHash::of(token);
            if let Some(found) = remembered(app, &hash, publisher, now) {
                return Looked::Known(found);
            }
            // Boxed, so that the future of a hit, which is moved about, stays small.
            Box::pin(read(app, (hash, token), publisher, client)).await
        }
        Bearer::Malformed => Looked::Denied(DenialCode::Malformed),
    }
}

async fn token(app: &App, wanted: Wanted, client: Option<IpAddr>, now: i64) -> Looked {
    let key = wanted.key();
    let looked = match app.authority().verifier().peek_at(&key, now) {
        Some(found) => (found, now),
        None => resolve(app.authority(), &wanted, client).await,
    };
    token_found(looked, wanted)
}

/// Asks the store. That takes its time: the decision is made at the moment at which it is made.
async fn resolve(authority: &Authority, wanted: &Wanted, client: Option<IpAddr>) -> (Lookup, i64) {
    // Boxed, for the same reason as above.
    let found = Box::pin(authority.verifier().resolve(wanted, client.map(address::network))).await;
    (found, authority.clock().boot_micros())
}

fn token_found((found, at): (Lookup, i64), wanted: Wanted) -> Looked {
    match found {
        Lookup::Known(known) => {
            let home = known.grant().home();
            Looked::Known(Found { known, at, wanted: settle(wanted, home), home, elsewhere: false })
        }
        Lookup::Unknown => Looked::Denied(DenialCode::NotFound),
        Lookup::Unavailable => Looked::Unavailable,
    }
}

/// A token that was verified before, about a credential in the cache: nobody is asked.
fn remembered(app: &App, hash: &TokenHash, publisher: Option<PublisherId>, now: i64) -> Option<Found> {
    let authority = app.authority();
    let read = app.tokens().peek(hash)?;
    let asked = read.asked(publisher);
    match authority.verifier().peek_at(&asked.key, now)? {
        Lookup::Known(known) => {
            let holds = app.tokens().holds(hash, &read, known.epochs, now);
            holds.then(|| jwt_found(&read, asked, known, now))
        }
        Lookup::Unknown | Lookup::Unavailable => None,
    }
}

fn jwt_found(read: &Read, Asked { wanted, elsewhere, .. }: Asked, known: Known, at: i64) -> Found {
    let home = read.home().or_else(|| settled(&wanted, known.grant()));
    Found { known: read.with(known), at, wanted: settle(wanted, home), home, elsewhere }
}

/// By whom a change is made is read again for the very publisher that was decided for.
fn settle(wanted: Wanted, home: Option<PublisherId>) -> Wanted {
    if wanted.publisher().is_none() && home.is_some() { wanted.within(home) } else { wanted }
}

/// The publisher beyond which a user of another issuer reaches nothing: the one whose role gives what they may
/// do, and for an issuer that speaks for some publishers only, the one that they act for. What was made from a
/// service token belongs where that does.
fn settled(wanted: &Wanted, grant: &Grant) -> Option<PublisherId> {
    let identity = match wanted {
        Wanted::External { identity, .. } => identity,
        Wanted::TokenAccess { .. } => return grant.home(),
        Wanted::Token { .. } | Wanted::Personal { .. } | Wanted::Session { .. } => return None,
    };
    let Mapping::User { publishers, .. } = &identity.mapping else { return None };
    let tenancy = grant.tenancy()?;
    let of_platform = tenancy.role.as_ref().is_some_and(|role| role.id.is_none());
    (!of_platform || publishers.is_some()).then_some(tenancy.id)
}

/// Verifies a token, and asks for the credential behind it.
async fn read(
    app: &App,
    (hash, token): (TokenHash, &[u8]),
    publisher: Option<PublisherId>,
    client: Option<IpAddr>,
) -> Looked {
    let (authority, tokens) = (app.authority(), app.tokens());
    for _ in 0..MAX_READS {
        let read = match tokens.read(hash, token, authority.verifier().epochs()).await {
            Ok(read) => read,
            Err(Unread::Denied(code)) => return Looked::Denied(code),
            Err(Unread::Unavailable) => return Looked::Unavailable,
        };
        let asked = read.asked(publisher);
        let (found, at) = resolve(authority, &asked.wanted, client).await;
        let known = match found {
            Lookup::Known(known) => known,
            Lookup::Unknown if read.was_nobody(at) => return Looked::Denied(DenialCode::NotFound),
            Lookup::Unknown => match pin(app, &asked).await {
                Ok(true) => continue,
                Ok(false) => {
                    read.note_nobody(at);
                    return Looked::Denied(DenialCode::NotFound);
                }
                Err(Unread::Denied(code)) => return Looked::Denied(code),
                Err(Unread::Unavailable) => return Looked::Unavailable,
            },
            Lookup::Unavailable => return Looked::Unavailable,
        };
        if tokens.holds(&hash, &read, known.epochs, at) {
            return Looked::Known(jwt_found(&read, asked, known, at));
        }
        if tokens.renew(known.epochs).await.is_err() {
            return Looked::Unavailable;
        }
    }
    Looked::Unavailable
}

/// An identity of another issuer that nobody has used yet becomes the user with its address.
async fn pin(app: &App, asked: &Asked) -> Result<bool, Unread> {
    let Wanted::External { identity, .. } = &asked.wanted else { return Ok(false) };
    let (authority, identity) = (app.authority().clone(), Arc::clone(identity));
    // On the runtime of the store's connections; a client that hangs up does not end it.
    let pinning =
        app.tokens().runtime().spawn(async move { external_identities::pin(&authority, &identity).await });
    match tokio::time::timeout(PIN_TIMEOUT, pinning).await {
        Ok(Ok(Ok(pinned))) => {
            app.authority().verifier().forget_unknown(asked.key);
            Ok(pinned)
        }
        Ok(Ok(Err(fault))) => {
            warn!(%fault, "an identity of another issuer could not be pinned");
            Err(Unread::Unavailable)
        }
        Ok(Err(_)) | Err(_) => Err(Unread::Unavailable),
    }
}
