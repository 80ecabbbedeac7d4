//! How this node, and the platform, fare: what is out of order for long enough is told, and is over once it has
//! been in order as long. The bounds stand in [`CONDITIONS`].

use std::collections::HashMap;
use std::time::Duration;

use keywright_core::{AlertKind, AlertSubjectKind, Severity, Timestamp};
use keywright_store::alerts::AlertSubject;
use keywright_store::{alerts as rows, nodes, outbox, platform, signing_keys};
use parking_lot::Mutex;
use serde_json::json;

use super::sustained::{Follows, Sustained};
use crate::alerts::{self, NewAlert};
use crate::authority::Authority;
use crate::change::Invalidation;
use crate::fault::Fault;
use crate::jobs::Lease;

/// The name of the job, and the lease under which one node looks at what is the platform's.
pub(crate) const HEALTH: &str = "health_watch";
/// Between two looks, in seconds.
pub(crate) const LOOK_SECONDS: u64 = 10;
/// A look waits no longer for the store.
const PATIENCE: Duration = Duration::from_secs(2);
/// A node whose last beat is older has left, in seconds.
const GONE_SECONDS: i64 = 60;
/// Alerts of nodes that have left, at a look.
const AT_ONCE: u32 = 100;

/// Whose condition it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Node,
    Platform,
}

/// Something that can be out of order.
struct Condition {
    kind: AlertKind,
    of: Of,
    severity: Severity,
    /// It is out of order above this value.
    worse_than: i64,
    /// What the value is.
    unit: &'static str,
    /// So long, in seconds; and in order again for as long before it is over.
    lasting: i64,
    summary: &'static str,
}

/// Every bound, with its reason.
const CONDITIONS: [Condition; 8] = [
    // Known credentials still answer within the grace; all else is 503. Ten seconds outlast a failover that
    // nobody has to look at.
    Condition {
        kind: AlertKind::StoreUnreachable,
        of: Of::Node,
        severity: Severity::Critical,
        worse_than: 0,
        unit: "failures",
        lasting: 10,
        summary: "The store did not answer.",
    },
    // A miss gives up after 400 ms: above 250 ms the slower half of them comes near.
    Condition {
        kind: AlertKind::StoreLatency,
        of: Of::Node,
        severity: Severity::High,
        worse_than: 250,
        unit: "milliseconds",
        lasting: 60,
        summary: "The store answers slowly.",
    },
    // A burst fills the pool for moments; who waits for half a minute waits for something that is stuck.
    Condition {
        kind: AlertKind::PoolExhausted,
        of: Of::Node,
        severity: Severity::High,
        worse_than: 0,
        unit: "waiting",
        lasting: 30,
        summary: "All connections to the store are in use, and others wait.",
    },
    // Idle, records are stored within two seconds; a minute behind, the audit trail and counters mislead.
    Condition {
        kind: AlertKind::JournalLag,
        of: Of::Node,
        severity: Severity::High,
        worse_than: 60,
        unit: "seconds",
        lasting: 60,
        summary: "Recorded decisions wait too long before they are stored, or cannot be recorded.",
    },
    // From 1.5 s on, what is cached is asked for again; a node that stays above five seconds hears nothing.
    Condition {
        kind: AlertKind::ListenerLag,
        of: Of::Node,
        severity: Severity::High,
        worse_than: 5_000,
        unit: "milliseconds",
        lasting: 15,
        summary: "The node hears of changes late, and asks the store for what it has cached.",
    },
    // Each node counts by itself then: a limit holds, but for each node.
    Condition {
        kind: AlertKind::LimitsAway,
        of: Of::Node,
        severity: Severity::Medium,
        worse_than: 0,
        unit: "away",
        lasting: 30,
        summary: "What counts rate limits for all nodes together cannot be reached; each node counts by itself.",
    },
    // The keeper makes the next key days ahead; a day past its time it has failed more than a thousand times.
    Condition {
        kind: AlertKind::KeyAge,
        of: Of::Platform,
        severity: Severity::High,
        worse_than: 24,
        unit: "hours past its time",
        lasting: 0,
        summary: "The key that signs access tokens was not replaced in time.",
    },
    // The longest pause between two tries of one delivery is an hour.
    Condition {
        kind: AlertKind::DeliveryBacklog,
        of: Of::Platform,
        severity: Severity::Medium,
        worse_than: 2 * 3_600,
        unit: "seconds",
        lasting: 0,
        summary: "Deliveries wait too long.",
    },
];

/// What this process has seen so far.
#[derive(Debug, Default)]
pub(crate) struct Health {
    conditions: Mutex<HashMap<&'static str, Sustained>>,
    /// Since when the store did not answer, if that could not be told yet; boot-time microseconds.
    owed: Mutex<Option<i64>>,
}

impl Health {
    fn note(&self, condition: &Condition, bad: bool, now: i64) -> Follows {
        let mut conditions = self.conditions.lock();
        conditions.entry(condition.kind.as_str()).or_default().note(bad, now, condition.lasting * 1_000_000)
    }

    fn settle(&self, condition: &Condition, bad: bool) {
        if let Some(seen) = self.conditions.lock().get_mut(condition.kind.as_str()) {
            seen.settle(bad);
        }
    }

    fn since(&self, condition: &Condition) -> Option<i64> {
        self.conditions.lock().get(condition.kind.as_str())?.since()
    }
}

/// What a look saw of this node.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// How long the store took, in microseconds; none when it did not answer.
    store_micros: Option<i64>,
    waiting: usize,
    journal_seconds: i64,
    journal_writable: bool,
    listener_micros: i64,
    limits_away: bool,
}

impl Seen {
    fn value(&self, kind: AlertKind) -> i64 {
        match kind {
            AlertKind::StoreUnreachable => i64::from(self.store_micros.is_none()),
            AlertKind::StoreLatency => self.store_micros.unwrap_or(0) / 1_000,
            AlertKind::PoolExhausted => i64::try_from(self.waiting).unwrap_or(i64::MAX),
            AlertKind::JournalLag if !self.journal_writable => i64::MAX,
            AlertKind::JournalLag => self.journal_seconds,
            AlertKind::ListenerLag => self.listener_micros / 1_000,
            AlertKind::LimitsAway => i64::from(self.limits_away),
            _ => 0,
        }
    }
}

async fn see(authority: &Authority) -> Seen {
    let boot_micros = || authority.clock().boot_micros();
    let began = boot_micros();
    let ask = async {
        let mut reader = authority.store().read().await?;
        platform::epochs(reader.conn()).await
    };
    let answered = matches!(tokio::time::timeout(PATIENCE, ask).await, Ok(Ok(_)));
    let pool = authority.store().pool();
    let journal = authority.own_journal().get().map(|own| own.status(authority.now()));
    Seen {
        store_micros: answered.then(|| boot_micros() - began),
        waiting: if pool.idle == 0 && pool.size >= pool.max { pool.waiting } else { 0 },
        journal_seconds: journal.map_or(0, |journal| journal.lag_micros / 1_000_000),
        journal_writable: journal.is_none_or(|journal| journal.writable),
        listener_micros: authority.verifier().freshness().lag_micros(boot_micros()).unwrap_or(i64::MAX),
        limits_away: authority.limiter().is_some_and(|limiter| limiter.status().away),
    }
}

/// Looks how this node fares and, if no other node does so, the platform. Gives how many alerts were opened or
/// resolved.
///
/// # Errors
/// As the store, when it answers at all.
pub async fn look(authority: &Authority) -> Result<u64, Fault> {
    let (seen, health) = (see(authority).await, authority.health());
    let now = authority.clock().boot_micros();
    let mut done = 0;
    for condition in CONDITIONS.iter().filter(|condition| condition.of == Of::Node) {
        let value = seen.value(condition.kind);
        let bad = value > condition.worse_than;
        let follows = health.note(condition, bad, now);
        if seen.store_micros.is_none() {
            // It is told as soon as there is somebody to tell it to.
            if condition.kind == AlertKind::StoreUnreachable && follows == Follows::Tell {
                *health.owed.lock() = health.since(condition);
            }
            continue;
        }
        let owed = if condition.kind == AlertKind::StoreUnreachable { *health.owed.lock() } else { None };
        done += match (owed, follows) {
            (Some(since), _) => {
                let told = tell(authority, condition, value, since).await?;
                *health.owed.lock() = None;
                told
            }
            (None, Follows::Tell) => {
                tell(authority, condition, value, health.since(condition).unwrap_or(now)).await?
            }
            (None, Follows::Over) => end(authority, condition).await?,
            (None, Follows::Nothing) => 0,
        };
    }
    if seen.store_micros.is_none() {
        return Ok(0);
    }
    done += look_at_platform(authority).await?;
    Ok(done + end_of_departed(authority).await?)
}

fn subject(authority: &Authority, of: Of) -> AlertSubject {
    match of {
        Of::Node => AlertSubject {
            kind: AlertSubjectKind::Node,
            id: Some(authority.node().0),
            name: authority.own_journal().get().map(|own| own.address().to_owned()),
        },
        Of::Platform => AlertSubject { kind: AlertSubjectKind::Platform, id: None, name: None },
    }
}

async fn tell(
    authority: &Authority,
    condition: &Condition,
    value: i64,
    since_boot_micros: i64,
) -> Result<u64, Fault> {
    let now = authority.now();
    let lasted = authority.clock().boot_micros() - since_boot_micros;
    let subject = subject(authority, condition.of);
    let whose = subject.id.map_or_else(|| "platform".to_owned(), |id| id.to_string());
    let evidence = json!({
        "value": (value != i64::MAX).then_some(value),
        "unit": condition.unit,
        "expected_at_most": condition.worse_than,
        "since": now.plus_micros(-lasted),
        "lasting_seconds": condition.lasting,
    });
    let new = NewAlert {
        publisher_id: None,
        kind: condition.kind,
        severity: condition.severity,
        subject,
        summary: condition.summary.to_owned(),
        evidence: evidence.as_object().cloned().unwrap_or_default(),
        dedupe_key: format!("{}:{whose}", condition.kind.as_str()),
        noticed_by: HEALTH,
    };
    let mut tx = authority.store().begin().await?;
    let opened = alerts::open_while(authority, &mut tx, new).await?;
    authority.commit(tx, Invalidation::None, false).await?;
    authority.health().settle(condition, true);
    Ok(u64::from(opened.is_some()))
}

async fn end(authority: &Authority, condition: &Condition) -> Result<u64, Fault> {
    let about = (condition.kind, subject(authority, condition.of).id);
    let mut tx = authority.store().begin().await?;
    let resolved =
        alerts::resolve_by_subject(authority, &mut tx, about, HEALTH, "it is in order again").await?;
    authority.commit(tx, Invalidation::None, false).await?;
    authority.health().settle(condition, false);
    Ok(resolved)
}

async fn look_at_platform(authority: &Authority) -> Result<u64, Fault> {
    // Not given back: the node that has looked before knows for how long it has been so.
    if Lease::take(authority, HEALTH).await?.is_none() {
        return Ok(0);
    }
    let (now, boot) = (authority.now(), authority.clock().boot_micros());
    let (key_hours, waiting_seconds) = {
        let mut reader = authority.store().read().await?;
        let signing = signing_keys::signing(reader.conn(), now).await?;
        let waiting = outbox::waiting(reader.conn()).await?;
        let due =
            |active_from: Timestamp| active_from.plus_days(authority.settings().jwt.rotation_days.into());
        let past = signing.map_or(0, |key| now.micros_since(due(key.active_from)) / 3_600_000_000);
        (past, waiting.oldest_at.map_or(0, |oldest| now.micros_since(oldest) / 1_000_000))
    };
    let mut done = 0;
    for condition in CONDITIONS.iter().filter(|condition| condition.of == Of::Platform) {
        let value = if condition.kind == AlertKind::KeyAge { key_hours } else { waiting_seconds };
        done += match authority.health().note(condition, value > condition.worse_than, boot) {
            Follows::Tell => tell(authority, condition, value, boot).await?,
            Follows::Over => end(authority, condition).await?,
            Follows::Nothing => 0,
        };
    }
    Ok(done)
}

/// A node that has left has nothing out of order.
async fn end_of_departed(authority: &Authority) -> Result<u64, Fault> {
    let mut reader = authority.store().read().await?;
    let told = rows::unresolved_of_nodes(reader.conn(), AT_ONCE).await?;
    let others = told.into_iter().filter(|alert| alert.subject.id != Some(authority.node().0));
    let others: Vec<_> = others.collect();
    if others.is_empty() {
        return Ok(0);
    }
    let live = if authority.has_peers() {
        nodes::live(reader.conn(), authority.now().plus_seconds(-GONE_SECONDS)).await?
    } else {
        Vec::new()
    };
    drop(reader);
    let has_left = |alert: &&rows::AlertRow| !live.iter().any(|node| Some(node.id.0) == alert.subject.id);
    let mut resolved = 0;
    for alert in others.iter().filter(has_left) {
        let mut tx = authority.store().begin().await?;
        let done = alerts::resolve_by_key(authority, &mut tx, &alert.dedupe_key, HEALTH, "the node has left");
        resolved += u64::from(done.await?);
        authority.commit(tx, Invalidation::None, false).await?;
    }
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_condition_stands_once_in_the_table() {
        let mut kinds: Vec<_> = CONDITIONS.iter().map(|condition| condition.kind.as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), CONDITIONS.len());
    }

    #[test]
    fn a_node_in_order_has_no_value_beyond_its_bound() {
        let calm = Seen {
            store_micros: Some(2_000),
            waiting: 0,
            journal_seconds: 1,
            journal_writable: true,
            listener_micros: 600_000,
            limits_away: false,
        };
        let ill = Seen {
            store_micros: Some(400_000),
            waiting: 3,
            journal_seconds: 61,
            journal_writable: true,
            listener_micros: i64::MAX,
            limits_away: true,
        };
        let bad = |seen: &Seen| {
            let of_node = CONDITIONS.iter().filter(|condition| condition.of == Of::Node);
            of_node.filter(|condition| seen.value(condition.kind) > condition.worse_than).count()
        };
        assert_eq!((bad(&calm), bad(&ill)), (0, 5));
        assert_eq!(bad(&Seen { store_micros: None, ..calm }), 1);
        assert_eq!(bad(&Seen { journal_writable: false, ..calm }), 1);
    }
}
