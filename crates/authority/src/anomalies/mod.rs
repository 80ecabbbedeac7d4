//! Anomalies: looks at each hour once its decisions are stored, and opens an alert for what is odd.
//!
//! **Once.** What is remembered of a credential and the alerts about an hour are written in one transaction, and the
//! hour of a credential is taken by a compare-and-set: whoever is killed at any step, and whoever does the same at
//! once, tells nothing twice and leaves nothing out.

mod gather;

use keywright_core::alert::AlertSubjectKind;
use keywright_core::anomalies::{AnomalyKind, AnomalyTuning, Bearer, Finding, Guessers, HourOfUse, Profile};
use keywright_core::{AlertKind, CredentialId, CredentialKind, Severity, Timestamp};
use keywright_store::alerts::AlertSubject;
use keywright_store::anomalies::{self, Slice, WatchedToken};
use keywright_store::authentication_events::{self, AuthenticationEventFilter};
use keywright_store::security_events::SortOrder;
use keywright_store::{Reader, journals, leases};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

use crate::alerts::{self, NewAlert};
use crate::authority::Authority;
use crate::change::Invalidation;
use crate::fault::Fault;

/// The job, its lease, and who notices.
pub const WATCH: &str = "anomaly_watch";
const LEASE: Duration = Duration::from_mins(5);
/// Credentials that are looked at in one transaction.
const SLICE: u32 = 200;
/// Hours that are looked back on at the first time: as long as a profile remembers them.
const FIRST_DAYS: i64 = 42;
/// What is older than this is learned and not told: nobody can act on it any more.
const TOLD_HOURS: i64 = 72;
/// Profiles are kept so long after the last use: as long as usage is.
const KEPT_DAYS: i64 = 400;
/// Attempts with unknown tokens within an hour below which an address is not looked at.
const LEAST_ATTEMPTS: u32 = 20;
/// Addresses that are looked at.
const MOST_GUESSERS: u32 = 500;
/// Events that are named in the evidence.
const SAMPLES: u32 = 5;

/// Looks at the hours that are over and stored, and that nobody has looked at; tells how many alerts were opened.
/// One node does it at a time.
///
/// # Errors
/// As the store. What was done until then stays done.
pub async fn watch(authority: &Authority) -> Result<u64, Fault> {
    let mut opened = 0;
    while take_lease(authority).await? {
        let Some(hour) = next_hour(authority).await? else { break };
        opened += look_at(authority, hour).await?;
    }
    Ok(opened)
}

/// Takes the lease, or extends it; false while another node has it.
async fn take_lease(authority: &Authority) -> Result<bool, Fault> {
    let mut tx = authority.store().begin().await?;
    let lease = leases::acquire(tx.conn(), WATCH, authority.node(), authority.now(), LEASE).await?;
    tx.commit().await?;
    Ok(lease.is_some())
}

/// The next hour, if it is over and all that was decided in it is stored.
async fn next_hour(authority: &Authority) -> Result<Option<Timestamp>, Fault> {
    let now = authority.now();
    let mut reader = authority.store().read().await?;
    // What a missed journal holds comes late: it is learned from then, and was told as missing.
    let moved_through = journals::moved_through(reader.conn()).await?.heard.min(now);
    let next = if let Some(through) = anomalies::watched(reader.conn()).await?.0 {
        through.plus_seconds(3_600)
    } else {
        let first = anomalies::first_hour(reader.conn(), now.plus_days(-FIRST_DAYS)).await?;
        first.unwrap_or_else(|| now.start_of_hour().plus_seconds(-3_600))
    };
    Ok((next.plus_seconds(3_600) <= moved_through).then_some(next))
}

/// Looks at an hour.
async fn look_at(authority: &Authority, hour: Timestamp) -> Result<u64, Fault> {
    let mut opened = 0;
    let mut after = CredentialId(Uuid::nil());
    loop {
        let mut reader = authority.store().read().await?;
        let slice = anomalies::next_slice(reader.conn(), hour, after, SLICE).await?;
        let Some(slice) = slice else { break };
        opened += look_at_slice(authority, reader, &slice).await?;
        after = slice.until;
    }
    opened += look_at_addresses(authority, hour).await?;
    let mut tx = authority.store().begin().await?;
    anomalies::forget(tx.conn(), authority.now().plus_days(-KEPT_DAYS), SLICE).await?;
    tx.commit().await?;
    Ok(opened)
}

/// A credential after an hour, with what was odd in it.
struct Looked {
    token: WatchedToken,
    profile: Profile,
    alerts: Vec<NewAlert>,
}

async fn look_at_slice(authority: &Authority, mut reader: Reader, slice: &Slice) -> Result<u64, Fault> {
    let hours = gather::hours(&mut reader, slice).await?;
    let mut profiles: BTreeMap<CredentialId, Profile> =
        anomalies::profiles(reader.conn(), slice).await?.into_iter().collect();
    let is_told = authority.now().micros_since(slice.hour) < TOLD_HOURS * 3_600_000_000;
    let mut all = Vec::new();
    for token in anomalies::tokens(reader.conn(), slice).await? {
        let Some(seen) = hours.get(&token.id) else { continue };
        let profile = profiles.remove(&token.id).unwrap_or_else(|| Profile::new(slice.hour));
        if let Some((mut looked, findings)) = look(token, profile, slice.hour, seen) {
            for finding in findings.into_iter().filter(|_| is_told) {
                let samples = samples(&mut reader, &looked.token, &finding).await?;
                looked.alerts.push(alert(&looked.token, &finding, &samples));
            }
            all.push(looked);
        }
    }
    drop(reader);
    let mut tx = authority.store().begin().await?;
    let mut opened = 0;
    for Looked { token, profile, alerts } in all {
        if anomalies::keep_profile(tx.conn(), token.id, slice.hour, &profile).await? {
            opened += alerts::open_all(authority, &mut tx, alerts).await?.len() as u64;
        }
    }
    authority.commit(tx, Invalidation::None, false).await?;
    Ok(opened)
}

/// `None` when the hour was taken before.
fn look(
    token: WatchedToken,
    mut profile: Profile,
    hour: Timestamp,
    seen: &HourOfUse,
) -> Option<(Looked, Vec<Finding>)> {
    if profile.through() >= hour {
        return None;
    }
    let tuning = token.settings.as_ref().map(|settings| settings.anomalies.clone()).unwrap_or_default();
    let bearer = if token.kind == CredentialKind::Personal { Bearer::Person } else { Bearer::Service };
    let findings = profile.observe(hour, seen, bearer, &tuning);
    Some((Looked { token, profile, alerts: Vec::new() }, findings))
}

/// Looks at the addresses that tried unknown tokens, and notes that the hour is done.
async fn look_at_addresses(authority: &Authority, hour: Timestamp) -> Result<u64, Fault> {
    let mut reader = authority.store().read().await?;
    let (through, mut known): (_, Guessers) = anomalies::watched(reader.conn()).await?;
    let seen = anomalies::guessers(reader.conn(), hour, LEAST_ATTEMPTS, MOST_GUESSERS).await?;
    drop(reader);
    let is_told = authority.now().micros_since(hour) < TOLD_HOURS * 3_600_000_000;
    let findings = known.observe(hour, &seen, AnomalyTuning::default().sensitivity);
    let mut tx = authority.store().begin().await?;
    if !anomalies::advance(tx.conn(), through, hour, &known).await? {
        tx.rollback().await;
        return Ok(0);
    }
    let alerts = findings.iter().filter(|_| is_told).map(alert_of_address).collect();
    let opened = alerts::open_all(authority, &mut tx, alerts).await?.len() as u64;
    authority.commit(tx, Invalidation::None, false).await?;
    Ok(opened)
}

const fn alert_kind(kind: AnomalyKind) -> AlertKind {
    match kind {
        AnomalyKind::Volume => AlertKind::Volume,
        AnomalyKind::DenialBurst => AlertKind::DenialBurst,
        AnomalyKind::NewCountry => AlertKind::NewCountry,
        AnomalyKind::NewNetwork => AlertKind::NewNetwork,
        AnomalyKind::ImpossibleTravel => AlertKind::ImpossibleTravel,
        AnomalyKind::UnusualHour => AlertKind::UnusualHour,
        AnomalyKind::DormantAwake => AlertKind::DormantAwake,
        AnomalyKind::TokenExpiredInUse => AlertKind::TokenExpiredInUse,
        AnomalyKind::UnknownTokens => AlertKind::UnknownTokens,
    }
}

/// By how much each kind is a sign that somebody else has the credential.
const fn severity(kind: AnomalyKind) -> Severity {
    match kind {
        AnomalyKind::ImpossibleTravel | AnomalyKind::TokenExpiredInUse => Severity::High,
        AnomalyKind::UnusualHour => Severity::Low,
        _ => Severity::Medium,
    }
}

/// Some events of the hour, as a person would look them up.
async fn samples(reader: &mut Reader, token: &WatchedToken, finding: &Finding) -> Result<Vec<Uuid>, Fault> {
    let denials = matches!(finding.kind, AnomalyKind::DenialBurst | AnomalyKind::TokenExpiredInUse);
    let filter = AuthenticationEventFilter {
        credential_id: Some(token.id),
        since: Some(finding.hour),
        until: Some(finding.hour.plus_seconds(3_600)),
        success: Some(!denials),
        order: SortOrder::Descending,
        limit: SAMPLES,
        ..AuthenticationEventFilter::default()
    };
    let events = authentication_events::list(reader.conn(), &filter).await?;
    Ok(events.into_iter().map(|event| event.id.0).collect())
}

fn alert(token: &WatchedToken, finding: &Finding, samples: &[Uuid]) -> NewAlert {
    let mut evidence = evidence(finding);
    evidence.insert("sample_event_ids".to_owned(), json!(samples));
    let (since, until) = (finding.hour, finding.hour.plus_seconds(3_600));
    let events =
        format!("/api/v1/audit/authentication-events?credential_id={}&since={since}&until={until}", token.id);
    evidence.insert("events".to_owned(), json!(events));
    let (what, name) = match token.kind {
        // Users are kept by id alone, and what they name their tokens with them.
        CredentialKind::Personal => ("a personal token".to_owned(), None),
        _ => (format!("the service token {:?}", token.name), Some(token.name.clone())),
    };
    NewAlert {
        publisher_id: token.publisher_id,
        kind: alert_kind(finding.kind),
        severity: severity(finding.kind),
        subject: AlertSubject { kind: AlertSubjectKind::Credential, id: Some(token.id.0), name },
        summary: format!("About {what}: {}", finding.sentence),
        evidence,
        dedupe_key: format!("{}:{}:{since}", finding.kind, token.id),
        noticed_by: WATCH,
    }
}

fn alert_of_address(finding: &Finding) -> NewAlert {
    let place = finding.place.as_deref().unwrap_or_default();
    let mut evidence = evidence(finding);
    let (since, until) = (finding.hour, finding.hour.plus_seconds(3_600));
    let events = format!("/api/v1/audit/authentication-events?ip={place}&since={since}&until={until}");
    evidence.insert("events".to_owned(), json!(events));
    NewAlert {
        publisher_id: None,
        kind: alert_kind(finding.kind),
        severity: severity(finding.kind),
        subject: AlertSubject { kind: AlertSubjectKind::Platform, id: None, name: None },
        summary: finding.sentence.clone(),
        evidence,
        dedupe_key: format!("{}:{place}:{since}", finding.kind),
        noticed_by: WATCH,
    }
}

fn evidence(finding: &Finding) -> Map<String, Value> {
    match json!(finding) {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
