//! Taking what a cache has decided by itself: each decision once, as if it had been made here.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use keywright_core::{Actor, CredentialId, EventId, PublisherId, Timestamp};
use keywright_store::{StoreError, reported_decisions};
use keywright_verify::{DecisionRecord, EventKind, RecordCode};
use uuid::Uuid;

use super::Voucher;
use crate::authority::Authority;
use crate::call::Call;
use crate::fault::{Fault, FieldFault};

/// What lets its bearer report.
const REPORT: &str = "tokens:verify";
/// How old a decision may be when it is reported, in days. For longer than that it is remembered which were taken.
const MAX_AGE_DAYS: i64 = 1;
/// For how long it is remembered, in days.
const REMEMBERED_DAYS: i64 = 2;
/// How far the clock of a cache may be off, in microseconds.
const SLACK_MICROS: i64 = 5_000_000;
/// Rows forgotten in one transaction.
const SLICE: u32 = 2_000;

/// A decision that a cache has made.
#[derive(Clone, Debug)]
pub struct Reported {
    /// Its event, the same in each report.
    pub event_id: Uuid,
    /// By what it was made, sealed.
    pub voucher: String,
    /// How it ended.
    pub code: RecordCode,
    /// It took nothing and was for a look.
    pub looked: bool,
    /// When, by the authority's time.
    pub occurred_at: Timestamp,
    /// The client.
    pub ip_address: Option<IpAddr>,
    /// Its user agent.
    pub user_agent: Option<String>,
    /// The method of its request.
    pub method: Option<String>,
    /// The path.
    pub endpoint: Option<String>,
    /// Cloudflare's id of it.
    pub cloudflare_ray_id: Option<String>,
    /// The id of it.
    pub request_id: Option<String>,
    /// How long the decision took.
    pub latency_micros: u32,
    /// More about a denial: a JSON object.
    pub error_details: Option<String>,
}

/// Takes decisions, all or none; those that were taken before change nothing. When it returns they are in the store, as
/// are the counters that they raise, in one transaction.
///
/// # Errors
/// [`Fault::Denied`] without `tokens:verify`; [`Fault::Invalid`] for one that was not vouched for to this caller, or
/// whose moment cannot be; as the store.
pub async fn report(authority: &Authority, call: &Call, decisions: Vec<Reported>) -> Result<u64, Fault> {
    call.require(REPORT)?;
    let (home, asked_by) = match &call.actor {
        Actor::Bearer(bearing) => (bearing.home, Some(bearing.credential_id)),
        Actor::Operator => (None, None),
    };
    let count = decisions.len() as u64;
    let events = judged(authority, home, asked_by, decisions)?;
    let (own, now) = (authority.clone(), authority.now());
    // In a task of its own: a client that hangs up does not cut a transaction short.
    authority
        .carry_out(async move {
            let tx = own.store().begin().await?;
            match own.store().take_reported(tx, own.node(), events, now).await {
                Ok(_) => Ok(count),
                Err(StoreError::Duplicate(_)) => {
                    Err(Fault::field("decisions", "another event of that moment has one of these ids"))
                }
                Err(error) => Err(error.into()),
            }
        })
        .await
}

fn judged(
    authority: &Authority,
    home: Option<PublisherId>,
    asked_by: Option<CredentialId>,
    decisions: Vec<Reported>,
) -> Result<Vec<DecisionRecord>, Fault> {
    let now = authority.now();
    let (oldest, newest) = (now.plus_days(-MAX_AGE_DAYS), now.plus_micros(SLACK_MICROS));
    // Many decisions are made by one voucher.
    let mut opened: HashMap<String, Option<Voucher>> = HashMap::new();
    let mut seen = HashSet::with_capacity(decisions.len());
    let (mut events, mut faults) = (Vec::with_capacity(decisions.len()), Vec::new());
    for (index, decision) in decisions.into_iter().enumerate() {
        let mut refuse = |field: &str, detail: &str| {
            faults
                .push(FieldFault { field: format!("decisions[{index}].{field}"), detail: detail.to_owned() });
        };
        let voucher = opened
            .entry(decision.voucher.clone())
            .or_insert_with(|| Voucher::open(authority, home, &decision.voucher));
        let Some(voucher) = voucher.as_ref().filter(|voucher| voucher.principal_kind().is_some()) else {
            refuse("voucher", "was not given to this caller");
            continue;
        };
        if !seen.insert(decision.event_id) {
            refuse("event_id", "is in the report already");
        } else if !(oldest..=newest).contains(&decision.occurred_at) {
            refuse("occurred_at", "is in the future, or more than a day ago");
        } else if !voucher.covers(decision.occurred_at, SLACK_MICROS) {
            refuse("occurred_at", "is not within the time for which the voucher was given");
        } else {
            events.push(record(decision, voucher, asked_by));
        }
    }
    if faults.is_empty() { Ok(events) } else { Err(Fault::Invalid(faults)) }
}

fn record(decision: Reported, voucher: &Voucher, asked_by: Option<CredentialId>) -> DecisionRecord {
    let text = |text: Option<String>| text.map(String::into_boxed_str);
    DecisionRecord {
        id: EventId(decision.event_id),
        occurred_at: decision.occurred_at,
        kind: if decision.looked && decision.code == RecordCode::Valid {
            EventKind::Look
        } else {
            EventKind::Verify
        },
        code: decision.code,
        credential_id: Some(voucher.credential_id),
        token_name: voucher.name.as_deref().map(Into::into),
        principal_kind: voucher.principal_kind(),
        principal_id: Some(voucher.principal_id),
        asked_by,
        publisher_id: voucher.publisher_id,
        user_email: None,
        ip_address: decision.ip_address,
        user_agent: text(decision.user_agent),
        method: text(decision.method),
        endpoint: text(decision.endpoint),
        cloudflare_ray_id: text(decision.cloudflare_ray_id),
        request_id: decision.request_id.unwrap_or_default().into(),
        latency_micros: decision.latency_micros,
        stale: false,
        error_details: text(decision.error_details),
        occurrences: 1,
    }
}

/// Forgets which decisions were taken so long ago that none of them would be taken now.
pub(crate) async fn forget(authority: &Authority, now: Timestamp) -> Result<u64, Fault> {
    let mut forgotten = 0;
    loop {
        let mut tx = authority.store().begin().await?;
        let done =
            reported_decisions::delete_older(tx.conn(), now.plus_days(-REMEMBERED_DAYS), SLICE).await?;
        tx.commit().await?;
        forgotten += done;
        if done < u64::from(SLICE) {
            return Ok(forgotten);
        }
    }
}
