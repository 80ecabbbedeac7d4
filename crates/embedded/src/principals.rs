//! Principals, made once for what is known of a credential.

use std::sync::Arc;

use keywright_client::Principal;
use keywright_server::http::auth::in_process::told;
use keywright_verify::cache::Entry;
use keywright_verify::{Known, VerifiedToken};
use quick_cache::sync::Cache;
use uuid::Uuid;

/// Principals kept. One is some hundred bytes; one that was not kept costs some microseconds.
const CAPACITY: usize = 10_000;

/// A credential, the publisher that it was decided for, and for a JWT where it lies in memory: of one session there are
/// several.
type Key = (Uuid, Option<Uuid>, usize);

/// A principal, and what it was made from. That is held, so that no other lies at its address. It lies in the cache itself:
/// behind one pointer more a decision would wait for one cache line more.
#[derive(Clone)]
struct Made {
    entry: Arc<Entry>,
    _token: Option<Arc<VerifiedToken>>,
    principal: Principal,
}

/// Principals of credentials that were accepted.
pub(crate) struct Principals(Cache<Key, Made>);

impl Principals {
    pub(crate) fn new() -> Self {
        Self(Cache::new(CAPACITY))
    }

    /// Who a credential speaks for; none where its scopes are none, which cannot be.
    pub(crate) fn of(&self, known: &Known) -> Option<Principal> {
        let key = key(known);
        if let Some(made) = self.0.get(&key)
            && Arc::ptr_eq(&made.entry, &known.entry)
        {
            return Some(made.principal);
        }
        let principal = Principal::of(told(known)?)?;
        let made = Made {
            entry: Arc::clone(&known.entry),
            _token: known.token.clone(),
            principal: principal.clone(),
        };
        self.0.insert(key, made);
        Some(principal)
    }
}

fn key(known: &Known) -> Key {
    let grant = known.grant();
    let token = known.token.as_ref().map_or(0, |token| Arc::as_ptr(token).addr());
    (grant.credential_id.0, grant.publisher().map(|id| id.0), token)
}
