//! Credentials that end soon: one alert for each credential, end and threshold, ever.
//!
//! Thresholds are looked at from the tightest on, so that who is first seen within several is told at the
//! tightest alone. Who was not used for thirty days is dormant, and told with all other dormant ones of the same
//! publisher, in one alert for each threshold and day: nobody depends on them, and each by itself would hide
//! those that somebody does.

use std::collections::BTreeMap;

use keywright_core::{
    AlertKind, AlertSubjectKind, CredentialId, CredentialKind, PublisherId, Severity, Timestamp,
};
use keywright_store::alerts::AlertSubject;
use keywright_store::expiry::{self, After, DormantEnding, Ending, Outdated, Window};
use keywright_store::{Tx, alerts as rows};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::MONITOR;
use crate::alerts::{self, NewAlert};
use crate::authority::Authority;
use crate::change::Invalidation;
use crate::fault::Fault;
use crate::jobs::{Lease, mark};

/// Credentials told, or alerts resolved, in one transaction.
const SLICE: u32 = 1_000;
/// Who was not used for so many days is dormant.
const DORMANT_DAYS: i64 = 30;
/// Dormant credentials that an alert names.
const EXAMPLES: u32 = 20;
/// The name of the job that ends alerts whose cause is gone.
pub(crate) const RESOLVER: &str = "expiry_resolver";

/// How soon somebody should look who is told so many days before the end.
pub const fn severity(threshold_days: u32) -> Severity {
    match threshold_days {
        0..=1 => Severity::Critical,
        2..=7 => Severity::High,
        8..=14 => Severity::Medium,
        _ => Severity::Low,
    }
}

/// Tells whose end has come within a threshold. One node does it at a time; gives how many alerts were opened.
///
/// # Errors
/// As the store. What was told until then stays told.
pub async fn watch(authority: &Authority) -> Result<u64, Fault> {
    let Some(monitoring) = &authority.settings().monitoring else { return Ok(0) };
    // What a raised number revoked must not be told as if it lived.
    mark(authority).await?;
    let Some(lease) = Lease::take(authority, MONITOR).await? else { return Ok(0) };
    let mut thresholds = monitoring.thresholds_days.clone();
    thresholds.sort_unstable();
    let mut opened = resolve_outdated(authority, &lease).await?;
    for days in thresholds {
        for kind in [CredentialKind::Service, CredentialKind::Personal] {
            opened += tell_ending(authority, &lease, kind, days).await?;
        }
        opened += tell_dormant(authority, &lease, days).await?;
    }
    lease.release(authority).await?;
    Ok(opened)
}

fn window(now: Timestamp, days: u32) -> Window {
    Window { now, days, used_since: now.plus_days(-DORMANT_DAYS) }
}

async fn tell_ending(
    authority: &Authority,
    lease: &Lease,
    kind: CredentialKind,
    days: u32,
) -> Result<u64, Fault> {
    let (mut after, mut opened) = (After::NOTHING, 0);
    loop {
        // Who lost the lease in the meantime does nothing more.
        let Some(mut tx) = lease.begin(authority).await? else { return Ok(opened) };
        let window = window(authority.now(), days);
        let ending = expiry::ending(tx.conn(), kind, window, after, SLICE).await?;
        let Some(last) = ending.last() else {
            tx.rollback().await;
            return Ok(opened);
        };
        after = After::of(last);
        opened += tell_slice(authority, &mut tx, days, &ending).await?;
        authority.commit(tx, Invalidation::None, false).await?;
        if ending.len() < SLICE as usize {
            return Ok(opened);
        }
    }
}

async fn tell_slice(authority: &Authority, tx: &mut Tx, days: u32, ending: &[Ending]) -> Result<u64, Fault> {
    let new = ending.iter().map(|ending| alert_of(ending, days)).collect();
    let opened = alerts::open_all(authority, tx, new).await?;
    let ids: BTreeMap<Uuid, _> =
        opened.iter().filter_map(|alert| alert.subject.id.map(|id| (id, alert.id))).collect();
    // One that was told before, and forgotten since, is noted under no alert.
    let of = |ending: &Ending| ids.get(&ending.id.0).copied().unwrap_or(keywright_core::AlertId(Uuid::nil()));
    let told: Vec<_> = ending.iter().map(|ending| (ending, of(ending))).collect();
    expiry::mark(tx.conn(), days, &told).await?;
    Ok(opened.len() as u64)
}

/// The end is in the key: one that was put off is another, and is told anew when it comes near.
fn key(id: CredentialId, days: u32, end: Timestamp) -> String {
    format!("token_expiring:{id}:{days}:{}", end.as_micros())
}

fn alert_of(ending: &Ending, days: u32) -> NewAlert {
    let Ending { id, kind, name, publisher_id, owner_id, expires_at, last_used_at } = ending;
    let (what, owner) = match kind {
        CredentialKind::Personal => ("The personal token", "user_id"),
        _ => ("The service token", "service_account_id"),
    };
    let evidence = json!({
        "token_type": kind.as_str(),
        "expires_at": expires_at,
        "threshold_days": days,
        "last_used_at": last_used_at,
        owner: owner_id,
    });
    NewAlert {
        publisher_id: *publisher_id,
        kind: AlertKind::TokenExpiring,
        severity: severity(days),
        subject: AlertSubject {
            kind: AlertSubjectKind::Credential,
            id: Some(id.0),
            name: Some(name.clone()),
        },
        summary: format!("{what} {name:?} is in use and ends within {}.", in_days(days)),
        evidence: object(evidence),
        dedupe_key: key(*id, days, *expires_at),
        noticed_by: MONITOR,
    }
}

fn in_days(days: u32) -> String {
    if days == 1 { "a day".to_owned() } else { format!("{days} days") }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// One alert for the dormant credentials of each publisher; later ones of the same day are added to it.
async fn tell_dormant(authority: &Authority, lease: &Lease, days: u32) -> Result<u64, Fault> {
    let found = {
        let mut reader = authority.store().read().await?;
        expiry::dormant(reader.conn(), window(authority.now(), days)).await?
    };
    let mut opened = 0;
    for publisher in found.into_iter().map(|found| found.publisher_id) {
        let Some(mut tx) = lease.begin(authority).await? else { return Ok(opened) };
        let window = window(authority.now(), days);
        // Counted again, with the lease held: between the two somebody may have told them.
        let found = expiry::dormant(tx.conn(), window).await?;
        let Some(found) = found.into_iter().find(|found| found.publisher_id == publisher) else {
            tx.rollback().await;
            continue;
        };
        opened += u64::from(tell_dormant_of(authority, &mut tx, window, found).await?);
        authority.commit(tx, Invalidation::None, false).await?;
    }
    Ok(opened)
}

async fn tell_dormant_of(
    authority: &Authority,
    tx: &mut Tx,
    window: Window,
    found: DormantEnding,
) -> Result<bool, Fault> {
    let examples = expiry::dormant_examples(tx.conn(), window, found.publisher_id, EXAMPLES).await?;
    let new = dormant_alert(window, found, &examples);
    let (key, evidence) = (new.dedupe_key.clone(), new.evidence.clone());
    let (alert, is_new) = match alerts::open(authority, tx, new).await? {
        Some(alert) => (alert, true),
        // Told today already, as long as anything of it is left; else tomorrow.
        None => match rows::lock_by_key(tx.conn(), &key).await? {
            Some(alert) => (alert, false),
            None => return Ok(false),
        },
    };
    if !is_new {
        let before = alert.evidence.get("tokens").and_then(Value::as_u64).unwrap_or(0);
        let tokens = before + found.tokens;
        let mut evidence = evidence;
        evidence.insert("tokens".to_owned(), json!(tokens));
        rows::amend(tx.conn(), alert.id, &dormant_summary(tokens, window.days), &evidence).await?;
    }
    expiry::mark_dormant(tx.conn(), window, found.publisher_id, alert.id).await?;
    Ok(is_new)
}

fn dormant_summary(tokens: u64, days: u32) -> String {
    let what = if tokens == 1 {
        "One token that nobody has used for 30 days ends".to_owned()
    } else {
        format!("{tokens} tokens that nobody has used for 30 days end")
    };
    format!("{what} within {}.", in_days(days))
}

fn dormant_alert(
    window: Window,
    DormantEnding { publisher_id, tokens, first_ends_at }: DormantEnding,
    examples: &[(CredentialId, Timestamp)],
) -> NewAlert {
    let example = |(id, end): &(CredentialId, Timestamp)| json!({"credential_id": id, "expires_at": end});
    let evidence = json!({
        "tokens": tokens,
        "threshold_days": window.days,
        "first_ends_at": first_ends_at,
        "dormant_since": window.used_since,
        "examples": examples.iter().map(example).collect::<Vec<_>>(),
    });
    let (kind, whose) = match publisher_id {
        Some(PublisherId(id)) => (AlertSubjectKind::Publisher, id.to_string()),
        None => (AlertSubjectKind::Platform, "platform".to_owned()),
    };
    let day = window.now.start_of_day().as_micros();
    NewAlert {
        publisher_id,
        kind: AlertKind::DormantTokensExpiring,
        severity: Severity::Low,
        subject: AlertSubject { kind, id: publisher_id.map(|id| id.0), name: None },
        summary: dormant_summary(tokens, window.days),
        evidence: object(evidence),
        dedupe_key: format!("dormant_tokens_expiring:{whose}:{}:{day}", window.days),
        noticed_by: MONITOR,
    }
}

const fn reason(why: Outdated) -> &'static str {
    match why {
        Outdated::Revoked => "the credential was revoked",
        Outdated::Rotated => "the credential was rotated",
        Outdated::Removed => "the credential was removed",
        Outdated::Expired => "the credential has expired",
        Outdated::PutOff => "the credential ends later than it did, or never",
    }
}

/// Resolves alerts about credentials that were revoked, rotated or removed, have expired, or end later now. One
/// node does it at a time; gives how many credentials these were.
///
/// # Errors
/// As the store.
pub async fn resolve(authority: &Authority) -> Result<u64, Fault> {
    if authority.settings().monitoring.is_none() {
        return Ok(0);
    }
    let Some(lease) = Lease::take(authority, RESOLVER).await? else { return Ok(0) };
    let resolved = resolve_outdated(authority, &lease).await?;
    lease.release(authority).await?;
    Ok(resolved)
}

async fn resolve_outdated(authority: &Authority, lease: &Lease) -> Result<u64, Fault> {
    let mut done = 0;
    loop {
        let Some(mut tx) = lease.begin(authority).await? else { return Ok(done) };
        let (outdated, more) = expiry::outdated(tx.conn(), authority.now(), SLICE).await?;
        let mut by_reason: BTreeMap<Outdated, Vec<Uuid>> = BTreeMap::new();
        for (id, why) in &outdated {
            by_reason.entry(*why).or_default().push(id.0);
        }
        for (why, ids) in &by_reason {
            let about = (AlertKind::TokenExpiring, ids.as_slice());
            alerts::resolve_all(authority, &mut tx, about, RESOLVER, reason(*why)).await?;
            expiry::forget(tx.conn(), ids).await?;
        }
        let unmarked = rows::unmarked(tx.conn(), AlertKind::DormantTokensExpiring, SLICE).await?;
        for alert in &unmarked {
            let why = "the credentials are gone, are in use, or were told of again";
            alerts::resolve_by_key(authority, &mut tx, &alert.dedupe_key, RESOLVER, why).await?;
        }
        done += outdated.len() as u64;
        if outdated.is_empty() && unmarked.is_empty() && !more {
            tx.commit().await.map_err(Fault::from)?;
            return Ok(done);
        }
        authority.commit(tx, Invalidation::None, false).await?;
        if !more && unmarked.len() < SLICE as usize {
            return Ok(done);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_told_later_is_told_more_urgently() {
        let severities: Vec<_> = [30, 14, 7, 1].map(severity).into();
        assert_eq!(severities, Severity::ALL);
        for days in 1..400 {
            assert!(severity(days).is_at_least(severity(days + 1)), "{days}");
        }
    }
}
