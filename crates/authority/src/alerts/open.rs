//! Opening an alert.

use keywright_core::{ActorRef, AlertKind, PublisherId, Severity};
use keywright_store::Tx;
use keywright_store::alerts::{self, AlertRow, AlertSubject};
use serde_json::{Map, Value};

use super::{Step, tell, tell_all};
use crate::authority::Authority;
use crate::fault::Fault;

/// An alert to be opened.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAlert {
    /// The publisher that it concerns; none: the platform.
    pub publisher_id: Option<PublisherId>,
    /// What it is about.
    pub kind: AlertKind,
    /// How soon somebody should look.
    pub severity: Severity,
    /// Which object.
    pub subject: AlertSubject,
    /// One plain sentence, which names no person and holds no secret.
    pub summary: String,
    /// What was seen, and what was expected.
    pub evidence: Map<String, Value>,
    /// Of all with one key there is one alert, for ever ([`super`] says how to choose it).
    pub dedupe_key: String,
    /// The job that noticed: the actor in the audit trail.
    pub noticed_by: &'static str,
}

impl NewAlert {
    fn into_row(self, authority: &Authority) -> alerts::NewAlert {
        alerts::NewAlert {
            id: authority.new_alert_id(),
            publisher_id: self.publisher_id,
            kind: self.kind,
            severity: self.severity,
            subject: self.subject,
            summary: self.summary,
            evidence: self.evidence,
            dedupe_key: self.dedupe_key,
            opened_at: authority.now(),
        }
    }
}

/// Opens an alert, and tells it, in the caller's transaction. `None` when there is, or was, one with its key:
/// of all that open it at once, one does.
///
/// # Errors
/// As the store.
pub async fn open(authority: &Authority, tx: &mut Tx, new: NewAlert) -> Result<Option<AlertRow>, Fault> {
    let noticed_by = new.noticed_by;
    let row = new.into_row(authority);
    if !alerts::insert(tx.conn(), &row).await? {
        return Ok(None);
    }
    let alert = row.to_row();
    tell(authority, tx, Step::Opened, (ActorRef::system(noticed_by), None), &alert, None).await?;
    Ok(Some(alert))
}

/// The same of many that one job noticed; gives those that were opened.
///
/// # Errors
/// As the store.
pub async fn open_all(
    authority: &Authority,
    tx: &mut Tx,
    new: Vec<NewAlert>,
) -> Result<Vec<AlertRow>, Fault> {
    let Some(job) = new.first().map(|new| new.noticed_by) else { return Ok(Vec::new()) };
    let rows: Vec<_> = new.into_iter().map(|new| new.into_row(authority)).collect();
    let inserted = alerts::insert_all(tx.conn(), &rows).await?;
    let opened = rows.iter().filter(|row| inserted.contains(&row.id)).map(alerts::NewAlert::to_row);
    let opened: Vec<_> = opened.collect();
    tell_all(authority, tx, Step::Opened, job, &opened, None).await?;
    Ok(opened)
}

/// Opens an alert for a condition that comes and goes: none while one of its kind about its subject is not
/// resolved. The present moment is added to its key, as the occurrence. Only one node may do this at a time for
/// one subject: it holds a lease, or the subject is the node itself.
///
/// # Errors
/// As the store.
pub async fn open_while(
    authority: &Authority,
    tx: &mut Tx,
    mut new: NewAlert,
) -> Result<Option<AlertRow>, Fault> {
    if alerts::unresolved(tx.conn(), new.kind, new.subject.id).await?.is_some() {
        return Ok(None);
    }
    new.dedupe_key = format!("{}:{}", new.dedupe_key, authority.now().as_micros());
    open(authority, tx, new).await
}
