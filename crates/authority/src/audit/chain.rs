//! The chain: committed security events are numbered and signed in order, each MAC over the one before.
//!
//! Writers never wait for it: they insert rows without a number, and a leased sealer takes them up
//! within a second. The head is signed and put into the log, so that a trail that was cut off and
//! whose head was set back is found by whoever kept a line of the log.

use std::time::Duration;

use keywright_store::security_events::{self, Head, NewSecurityEvent, Seal, SecurityEventRow};
use keywright_store::{Conn, StoreError, leases};
use tracing::{error, info};

use crate::authority::Authority;
use crate::fault::Fault;
use crate::keys::Keys;

/// The lease of the job.
pub(crate) const SEALER: &str = "security event sealer";
const LEASE_TTL: Duration = Duration::from_secs(10);
/// Events sealed in one transaction.
const SLICE: u32 = 500;
/// Events read at once when the chain is checked.
const CHECK_SLICE: u32 = 1_000;

/// Where the chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// The place in the chain.
    pub seq: u64,
    /// The event there, if there is one.
    pub event_id: Option<keywright_core::EventId>,
    /// What is wrong, in words.
    pub problem: String,
}

/// What a check of the chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Events looked at.
    pub checked: u64,
    /// The head, as it is signed.
    pub head: Option<SignedHead>,
    /// Events that have no place yet.
    pub unsealed: u64,
    /// The first place where it does not hold.
    pub broken_at: Option<Break>,
}

/// A head that somebody kept: `SEQ:MAC`, as the log prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHead {
    /// The place of the last event.
    pub seq: u64,
    /// The signature over it.
    pub mac: Vec<u8>,
}

impl std::fmt::Display for SignedHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.seq, hex::encode(&self.mac))
    }
}

impl std::str::FromStr for SignedHead {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (seq, mac) = text.split_once(':').ok_or("a head is SEQ:MAC, as the log prints it")?;
        let seq = seq.parse().map_err(|_| "the place in a head is a number")?;
        let mac = hex::decode(mac)
            .ok()
            .filter(|mac| mac.len() == 32)
            .ok_or("the MAC in a head is 64 hex digits")?;
        Ok(Self { seq, mac })
    }
}

/// The event's bytes, the same on every engine and for ever: each field with its length.
pub(super) fn canonical(event: &NewSecurityEvent) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    let mut put = |field: Option<&[u8]>| match field {
        None => out.push(0),
        Some(bytes) => {
            out.push(1);
            out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
            out.extend_from_slice(bytes);
        }
    };
    let text = |field: &Option<String>| field.as_ref().map(|text| text.as_bytes().to_vec());
    put(Some(event.id.0.as_bytes()));
    put(Some(&event.occurred_at.as_micros().to_be_bytes()));
    put(Some(event.type_.as_bytes()));
    put(Some(event.actor.kind.as_str().as_bytes()));
    put(event.actor.id.as_ref().map(|id| id.as_bytes().as_slice()));
    put(Some(event.actor.name.as_bytes()));
    put(event.subject_id.as_ref().map(|id| id.as_bytes().as_slice()));
    put(event.publisher_id.as_ref().map(|id| id.as_bytes().as_slice()));
    put(event.ip_address.map(|ip| ip.to_string().into_bytes()).as_deref());
    put(event.node_id.as_ref().map(|id| id.0.as_bytes().as_slice()));
    for field in [
        &event.subject_type,
        &event.subject_name,
        &event.user_agent,
        &event.request_id,
        &event.reason,
        &event.before,
        &event.after,
        &event.details,
    ] {
        put(text(field).as_deref());
    }
    out
}

pub(super) const LINK: &[u8] = b"link";
pub(super) const HEAD: &[u8] = b"head";

/// The sealer's pass: numbers and MACs what is committed and has no place yet. Tells how many.
///
/// # Errors
/// As the store. [`Fault::Internal`] when the head does not hold: nothing is sealed then.
pub async fn seal(authority: &Authority) -> Result<usize, Fault> {
    if !security_events::is_any_unsealed(authority.store().read().await?.conn()).await? {
        return Ok(0);
    }
    let mut tx = authority.store().begin().await?;
    let lease = leases::acquire(tx.conn(), SEALER, authority.node(), authority.now(), LEASE_TTL).await?;
    tx.commit().await?;
    let Some(fencing) = lease else { return Ok(0) };
    let sealed = seal_all(authority).await;
    // At once: a command of the operator, or a node that lacks the key, must not keep others from it.
    let mut tx = authority.store().begin().await?;
    leases::release(tx.conn(), SEALER, authority.node(), fencing).await?;
    tx.commit().await?;
    // What has a place in the trail is told to those who are to hear of it.
    authority.dispatch_wanted().notify_one();
    sealed
}

async fn seal_all(authority: &Authority) -> Result<usize, Fault> {
    let mut sealed = 0;
    loop {
        let done = seal_slice(authority).await?;
        sealed += done;
        if done < SLICE as usize {
            return Ok(sealed);
        }
    }
}

async fn seal_slice(authority: &Authority) -> Result<usize, Fault> {
    let keys = authority.keys();
    let mut tx = authority.store().begin().await?;
    let old = security_events::head(tx.conn()).await?;
    // Holds the head where it is: a node whose lease has run out may still be sealing.
    if !security_events::advance_head(tx.conn(), old.seq, &old).await? {
        return Ok(0);
    }
    let mut last = link_of_head(tx.conn(), keys, &old).await?;
    let rows = security_events::unsealed(tx.conn(), SLICE).await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let mut seq = old.seq;
    let mut seals = Vec::with_capacity(rows.len());
    for row in &rows {
        seq += 1;
        let (key_id, mac) = keys.chain_mac(&[LINK, &seq.to_be_bytes(), &last, &canonical(&row.event)]);
        last.clone_from(&mac);
        seals.push(Seal { id: row.event.id, seq, key_id: key_id.to_owned(), mac });
    }
    if security_events::seal(tx.conn(), &seals).await? != rows.len() as u64 {
        return Err(Fault::Internal("a security event was sealed past the head of the chain".to_owned()));
    }
    let (key_id, mac) = keys.chain_mac(&[HEAD, &seq.to_be_bytes(), &last]);
    let head =
        Head { seq, mac: mac.clone(), key_id: Some(key_id.to_owned()), sealed_at: Some(authority.now()) };
    if !security_events::advance_head(tx.conn(), old.seq, &head).await? {
        return Err(Fault::Internal(
            "the head of the security event chain moved while it was held".to_owned(),
        ));
    }
    tx.commit().await?;
    info!(head = %SignedHead { seq, mac }, key_id, "the security event chain has a new head");
    Ok(rows.len())
}

/// The MAC of the last event, once the head's signature over it holds.
async fn link_of_head(conn: Conn<'_>, keys: &Keys, head: &Head) -> Result<Vec<u8>, Fault> {
    if head.seq == 0 {
        return Ok(Vec::new());
    }
    let last = security_events::sealed_range(conn, head.seq, 1).await?.into_iter().next();
    let mac = last.filter(|row| row.seq == Some(head.seq)).and_then(|row| row.mac);
    let key_id = head.key_id.as_deref().unwrap_or_default();
    match mac {
        Some(mac) if keys.chain_mac_holds(key_id, &[HEAD, &head.seq.to_be_bytes(), &mac], &head.mac) => {
            Ok(mac)
        }
        _ if !keys.knows(key_id) => Err(Fault::Internal(format!(
            "the chain's head was signed by the master key {key_id}, which is not configured"
        ))),
        _ => {
            error!(
                seq = head.seq,
                "the security event chain does not end where its head says; run `keywright events verify`"
            );
            Err(Fault::Internal("the head of the security event chain does not hold".to_owned()))
        }
    }
}

/// Checks the whole chain, and that it goes through `known`, a head that somebody kept.
///
/// # Errors
/// As the store; a chain that does not hold is no error but an answer.
pub async fn verify(authority: &Authority, known: Option<&SignedHead>) -> Result<Verified, Fault> {
    let mut reader = authority.store().read().await?;
    let unsealed = security_events::unsealed_count(reader.conn()).await?;
    let mut check = Check { keys: authority.keys(), known, seq: 0, last: Vec::new() };
    let mut head = match security_events::head(reader.conn()).await {
        Err(StoreError::Corrupt(problem)) => {
            let broken_at = Some(Break { seq: 0, event_id: None, problem });
            return Ok(Verified { checked: 0, head: None, unsealed, broken_at });
        }
        head => head?,
    };
    let mut limit = CHECK_SLICE;
    let broken_at = loop {
        let rows = match security_events::sealed_range(reader.conn(), check.seq + 1, limit).await {
            // One of them. Which, they tell one by one.
            Err(StoreError::Corrupt(_)) if limit > 1 => {
                limit = 1;
                continue;
            }
            Err(StoreError::Corrupt(problem)) => {
                break Some(Break { seq: check.seq + 1, event_id: None, problem });
            }
            rows => rows?,
        };
        if rows.is_empty() {
            break check.end(&head);
        }
        // After the rows: the sealer goes on meanwhile, and the head is never older than they are.
        head = security_events::head(reader.conn()).await?;
        if let Some(found) = rows.iter().find_map(|row| check.next(row, head.seq)) {
            break Some(found);
        }
    };
    let signed = (head.seq > 0).then_some(SignedHead { seq: head.seq, mac: head.mac });
    Ok(Verified { checked: check.seq, head: signed, unsealed, broken_at })
}

struct Check<'a> {
    keys: &'a Keys,
    known: Option<&'a SignedHead>,
    seq: u64,
    last: Vec<u8>,
}

impl Check<'_> {
    fn next(&mut self, row: &SecurityEventRow, head: u64) -> Option<Break> {
        let expected = self.seq + 1;
        let broken = |problem: &str| {
            Some(Break { seq: expected, event_id: Some(row.event.id), problem: problem.to_owned() })
        };
        if row.seq != Some(expected) {
            return Some(Break {
                seq: expected,
                event_id: None,
                problem: "the event at this place is missing".to_owned(),
            });
        }
        if expected > head {
            return broken("an event lies beyond the head of the chain");
        }
        let (Some(key_id), Some(mac)) = (&row.key_id, &row.mac) else {
            return broken("the event has a place but no MAC");
        };
        if !self.keys.knows(key_id) {
            return broken(&format!(
                "the event was sealed by the master key {key_id}, which is not configured"
            ));
        }
        let parts: [&[u8]; 4] = [LINK, &expected.to_be_bytes(), &self.last, &canonical(&row.event)];
        if !self.keys.chain_mac_holds(key_id, &parts, mac) {
            return broken("the event, or its place, was altered");
        }
        self.seq = expected;
        self.last.clone_from(mac);
        match self.known {
            Some(known) if known.seq == expected && !self.signed(key_id, known) => {
                broken("the chain does not go through the head that was given")
            }
            _ => None,
        }
    }

    fn signed(&self, key_id: &str, head: &SignedHead) -> bool {
        self.keys.chain_mac_holds(key_id, &[HEAD, &head.seq.to_be_bytes(), &self.last], &head.mac)
    }

    fn end(&self, head: &Head) -> Option<Break> {
        let broken = |seq, problem: &str| Some(Break { seq, event_id: None, problem: problem.to_owned() });
        if self.seq < head.seq {
            return broken(self.seq + 1, "the chain is cut off before its head");
        }
        if let Some(known) = self.known.filter(|known| known.seq > self.seq || known.seq == 0) {
            return broken(known.seq, "the chain ends before the head that was given");
        }
        let signed = SignedHead { seq: head.seq, mac: head.mac.clone() };
        if head.seq > 0 && !self.signed(head.key_id.as_deref().unwrap_or_default(), &signed) {
            return broken(head.seq, "the head of the chain was altered");
        }
        None
    }
}
