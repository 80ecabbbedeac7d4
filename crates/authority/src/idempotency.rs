//! Idempotency keys (api.md): a request that creates or rotates can be repeated without doing it twice.

use std::collections::HashSet;
use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use keywright_core::{Actor, PlainToken, Scope, Timestamp, Wanted};
use keywright_store::Conn;
use keywright_store::idempotency::{self, IdempotencyRow};
use keywright_store::service_tokens::ServiceTokenRow;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::authority::Authority;
use crate::fault::Fault;

/// An answer is given again for this long, in seconds.
pub const LIFE_SECONDS: i64 = 24 * 3600;
/// The secret in it only for this long, in seconds.
pub const SECRET_LIFE_SECONDS: i64 = 10 * 60;
const PURPOSE: &str = "keywright idempotency v1";

/// What a caller sent to make a request repeatable.
#[derive(Clone)]
pub struct Idempotency {
    key: Zeroizing<String>,
    body_hash: [u8; 32],
}

impl fmt::Debug for Idempotency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Idempotency(redacted)")
    }
}

/// Shortest and longest key, in characters.
pub const KEY_LENGTH: std::ops::RangeInclusive<usize> = 16..=128;

impl Idempotency {
    /// A key of 16 to 128 visible ASCII characters, with what was asked: the operation and its body.
    ///
    /// # Errors
    /// In words, when the key is none.
    pub fn new(key: &str, operation: &str, body: &[u8]) -> Result<Self, &'static str> {
        if !KEY_LENGTH.contains(&key.len()) || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("Idempotency-Key must be 16 to 128 visible ASCII characters");
        }
        Ok(Self { key: Zeroizing::new(key.to_owned()), body_hash: hash(&[operation.as_bytes(), body]) })
    }

    /// What is stored in the key's stead; of another caller the same key is another one. What was made from a
    /// service token may less than that, and less than others that were made from it: it is not given what those
    /// were given.
    fn key_hash(&self, actor: &Actor) -> [u8; 32] {
        let caller = actor.credential_id().map(|id| id.0).unwrap_or_default();
        let made = actor.bearing().filter(|own| matches!(own.wanted, Wanted::TokenAccess { .. }));
        let scopes = made.and_then(|own| own.claimed.as_ref()?.scopes.as_ref());
        let scopes: Vec<_> = scopes.iter().flat_map(|all| all.iter()).map(Scope::as_str).collect();
        let scopes = scopes.join(" ");
        let parts: [&[u8]; 4] = [caller.as_bytes(), self.key.as_bytes(), b"access token", scopes.as_bytes()];
        hash(if made.is_some() { &parts } else { &parts[..2] })
    }

    /// What was asked, and for which publisher: who acts for several is not told for one of them what was made for
    /// another.
    fn request_hash(&self, actor: &Actor) -> [u8; 32] {
        match actor.bearing().and_then(|own| own.wanted.publisher()) {
            Some(publisher) => hash(&[&self.body_hash, publisher.0.as_bytes()]),
            None => self.body_hash,
        }
    }
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// The keys whose first request runs on this node.
#[derive(Debug, Default)]
pub struct Running(Mutex<HashSet<[u8; 32]>>);

/// Holds a key while its request runs.
pub struct Held {
    authority: Authority,
    idempotency: Idempotency,
    key_hash: [u8; 32],
    request_hash: [u8; 32],
}

impl Drop for Held {
    fn drop(&mut self) {
        self.authority.running().0.lock().remove(&self.key_hash);
    }
}

/// A credential that was made, or is told again.
#[derive(Debug)]
pub struct Minted<T = ServiceTokenRow> {
    /// As it was when it was made.
    pub token: T,
    /// The secret; `None` when the answer is repeated too late.
    pub secret: Option<PlainToken>,
    /// Whether this is the first answer repeated.
    pub repeated: bool,
}

/// Something without a secret that was made, or is told again.
#[derive(Clone, Debug)]
pub struct Made<T> {
    /// As it was when it was made.
    pub object: T,
    /// Whether this is the first answer repeated.
    pub repeated: bool,
}

impl Held {
    /// Takes the key, if there is one.
    ///
    /// # Errors
    /// [`Fault::IdempotencyInProgress`] while its twin runs on this node.
    pub fn take(
        authority: &Authority,
        actor: &Actor,
        idempotency: Option<Idempotency>,
    ) -> Result<Option<Self>, Fault> {
        let Some(idempotency) = idempotency else { return Ok(None) };
        let (key_hash, request_hash) = (idempotency.key_hash(actor), idempotency.request_hash(actor));
        if !authority.running().0.lock().insert(key_hash) {
            return Err(Fault::IdempotencyInProgress);
        }
        Ok(Some(Self { authority: authority.clone(), idempotency, key_hash, request_hash }))
    }

    /// The first answer, if it was given already.
    ///
    /// # Errors
    /// [`Fault::IdempotencyInProgress`] while its twin runs on another node,
    /// [`Fault::IdempotencyMismatch`] when it was for another request, or for another publisher.
    pub async fn repeated<T: DeserializeOwned>(
        &self,
        conn: Conn<'_>,
        now: Timestamp,
    ) -> Result<Option<Minted<T>>, Fault> {
        let Some(row) = self.first_answer(conn, now).await? else { return Ok(None) };
        let token = read(&row.answer)?;
        let in_time = !now.has_reached(Some(row.created_at.plus_seconds(SECRET_LIFE_SECONDS)));
        let secret = row.sealed_secret.filter(|_| in_time).and_then(|sealed| self.open(&sealed));
        Ok(Some(Minted { token, secret, repeated: true }))
    }

    /// The first answer of a request that makes no secret, if it was given already.
    ///
    /// # Errors
    /// As [`Held::repeated`].
    pub async fn repeated_answer<T: DeserializeOwned>(
        &self,
        conn: Conn<'_>,
        now: Timestamp,
    ) -> Result<Option<T>, Fault> {
        self.first_answer(conn, now).await?.map(|row| read(&row.answer)).transpose()
    }

    /// What the first request with the key made, where there is a key and there was a first one.
    pub(crate) async fn first<T: DeserializeOwned>(
        held: Option<&Self>,
        conn: Conn<'_>,
        now: Timestamp,
    ) -> Result<Option<Made<T>>, Fault> {
        let Some(held) = held else { return Ok(None) };
        let first = held.repeated_answer(conn, now).await?;
        Ok(first.map(|object| Made { object, repeated: true }))
    }

    /// Keeps what was made under the key, where there is one, and hands it on.
    pub(crate) async fn keep_made<T: Serialize>(
        held: Option<&Self>,
        conn: Conn<'_>,
        actor: &Actor,
        object: T,
        now: Timestamp,
    ) -> Result<Made<T>, Fault> {
        if let Some(held) = held {
            held.keep_answer(conn, actor, &object, now).await?;
        }
        Ok(Made { object, repeated: false })
    }

    async fn first_answer(
        &self,
        mut conn: Conn<'_>,
        now: Timestamp,
    ) -> Result<Option<IdempotencyRow>, Fault> {
        if !idempotency::try_lock(conn.reborrow(), &self.key_hash).await? {
            return Err(Fault::IdempotencyInProgress);
        }
        let Some(row) = idempotency::find(conn.reborrow(), &self.key_hash).await? else { return Ok(None) };
        if now.has_reached(Some(row.created_at.plus_seconds(LIFE_SECONDS))) {
            idempotency::forget(conn, &self.key_hash).await?;
            return Ok(None);
        }
        if row.body_hash != self.request_hash {
            return Err(Fault::IdempotencyMismatch);
        }
        Ok(Some(row))
    }

    fn open(&self, sealed: &[u8]) -> Option<PlainToken> {
        let plain = self.authority.keys().open(PURPOSE, self.idempotency.key.as_bytes(), sealed).ok()?;
        let text = std::str::from_utf8(&plain).ok()?;
        Some(PlainToken::from_sealed(Zeroizing::new(text.to_owned())))
    }

    /// Keeps the first answer, in the transaction that it tells of.
    ///
    /// # Errors
    /// As the store.
    pub async fn keep(
        &self,
        conn: Conn<'_>,
        actor: &Actor,
        token: &impl Serialize,
        secret: &PlainToken,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let keys = self.authority.keys();
        let sealed = keys.seal(PURPOSE, self.idempotency.key.as_bytes(), secret.reveal().as_bytes());
        self.keep_row(conn, actor, token, Some(sealed), now).await
    }

    /// The same for an answer without a secret.
    ///
    /// # Errors
    /// As the store.
    pub async fn keep_answer(
        &self,
        conn: Conn<'_>,
        actor: &Actor,
        answer: &impl Serialize,
        now: Timestamp,
    ) -> Result<(), Fault> {
        self.keep_row(conn, actor, answer, None, now).await
    }

    async fn keep_row(
        &self,
        conn: Conn<'_>,
        actor: &Actor,
        answer: &impl Serialize,
        sealed_secret: Option<Vec<u8>>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let record = IdempotencyRow {
            key_hash: self.key_hash.to_vec(),
            body_hash: self.request_hash.to_vec(),
            actor_id: actor.credential_id().map(|id| id.0),
            answer: serde_json::to_string(answer).map_err(|error| Fault::Internal(error.to_string()))?,
            sealed_secret,
            created_at: now,
        };
        idempotency::insert(conn, &record).await?;
        Ok(())
    }
}

fn read<T: DeserializeOwned>(answer: &str) -> Result<T, Fault> {
    serde_json::from_str(answer).map_err(|error| Fault::Internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_16_to_128_visible_characters() {
        for good in ["0123456789abcdef", &"x".repeat(128)] {
            assert!(Idempotency::new(good, "op", b"").is_ok());
        }
        for bad in
            ["short", "has a space in it!", "tab\tin the middle", &"x".repeat(129), "ümläut-ümläut-ümläut"]
        {
            assert!(Idempotency::new(bad, "op", b"").is_err(), "{bad}");
        }
    }
}
