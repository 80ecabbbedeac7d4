//! From what a caller presents to a credential that may be decided on: one place for the gate, for
//! verification, and for the edge.

use std::net::IpAddr;

use keywright_authority::Authority;
use keywright_core::{
    Bearer, Bearing, Decision, Denial, DenialCode, PublisherId, Requirements, TokenHash, Wanted, address,
};
use keywright_verify::tokens::Asked;
use keywright_verify::{Known, Lookup, Read, Unread};

use super::App;

/// How often a token is looked at again when the keys are changed again and again meanwhile.
const MAX_READS: usize = 4;

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
    /// Who makes a change by it.
    pub fn bearing(&self) -> Bearing {
        let grant = self.known.grant();
        Bearing {
            wanted: self.wanted.clone(),
            credential_id: grant.credential_id,
            credential_name: grant.name.to_string(),
            principal: grant.principal_ref(),
            home: self.home,
            claimed: self.known.claimed().cloned(),
        }
    }

    /// Decides on it, as it is at the moment at which it was found.
    ///
    /// # Errors
    /// The denial.
    pub fn decide(&self, app: &App, wanted: &Requirements) -> Decision {
        let authority = app.authority();
        let decision = authority.verifier().decide_at(&self.known, wanted, authority.clock().at(self.at));
        match decision {
            // The scopes that it has are those of another publisher.
            Ok(()) | Err(Denial { code: DenialCode::InsufficientScope, .. }) if self.elsewhere => {
                Err(DenialCode::WrongPublisher.into())
            }
            decision => decision,
        }
    }
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
        Bearer::Service(hash) => {
            let wanted = Wanted::Token { hash, publisher };
            let key = wanted.key();
            let looked = match app.authority().verifier().peek_at(&key, now) {
                Some(found) => (found, now),
                None => resolve(app.authority(), &wanted, client).await,
            };
            token_found(looked, wanted)
        }
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

/// Asks the store. That takes its time: the decision is made at the moment at which it is made.
async fn resolve(authority: &Authority, wanted: &Wanted, client: Option<IpAddr>) -> (Lookup, i64) {
    // Boxed, for the same reason as above.
    let found = Box::pin(authority.verifier().resolve(wanted, client.map(address::network))).await;
    (found, authority.clock().boot_micros())
}

fn token_found((found, at): (Lookup, i64), wanted: Wanted) -> Looked {
    match found {
        Lookup::Known(known) => Looked::Known(Found { known, at, wanted, home: None, elsewhere: false }),
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
            let holds = app.tokens().holds(hash, &read, known.epochs, authority.clock().at(now));
            holds.then(|| jwt_found(&read, asked, known, now))
        }
        Lookup::Unknown | Lookup::Unavailable => None,
    }
}

fn jwt_found(read: &Read, Asked { wanted, elsewhere, .. }: Asked, known: Known, at: i64) -> Found {
    Found { known: read.with(known), at, wanted, home: read.home(), elsewhere }
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
            Lookup::Unknown => return Looked::Denied(DenialCode::NotFound),
            Lookup::Unavailable => return Looked::Unavailable,
        };
        if tokens.holds(&hash, &read, known.epochs, authority.clock().at(at)) {
            return Looked::Known(jwt_found(&read, asked, known, at));
        }
        if tokens.renew(known.epochs).await.is_err() {
            return Looked::Unavailable;
        }
    }
    Looked::Unavailable
}
