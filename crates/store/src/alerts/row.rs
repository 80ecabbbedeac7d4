//! An alert as a row.

use keywright_core::{
    ActorKind, ActorRef, AlertId, AlertKind, AlertState, AlertSubjectKind, PublisherId, Severity, Timestamp,
};
use serde_json::{Map, Value};
use sqlx::types::Json;
use uuid::Uuid;

use crate::error::StoreError;
use crate::types::{Time, to_u64};

/// What an alert is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertSubject {
    /// Its kind.
    pub kind: AlertSubjectKind,
    /// Its id, where it has one.
    pub id: Option<Uuid>,
    /// Its name at that moment, where it has one. Of a user none: records outlive what names a person.
    pub name: Option<String>,
}

/// An alert to insert.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAlert {
    /// Its id.
    pub id: AlertId,
    /// The publisher that it concerns; none: the platform.
    pub publisher_id: Option<PublisherId>,
    /// What it is about.
    pub kind: AlertKind,
    /// How soon somebody should look.
    pub severity: Severity,
    /// Which object.
    pub subject: AlertSubject,
    /// One plain sentence.
    pub summary: String,
    /// What was seen, and what was expected.
    pub evidence: Map<String, Value>,
    /// Of all with one key there is one alert, for ever.
    pub dedupe_key: String,
    /// When it was opened.
    pub opened_at: Timestamp,
}

impl NewAlert {
    /// The row as it is after the insert.
    pub fn to_row(&self) -> AlertRow {
        AlertRow {
            id: self.id,
            publisher_id: self.publisher_id,
            kind: self.kind,
            severity: self.severity,
            subject: self.subject.clone(),
            summary: self.summary.clone(),
            evidence: self.evidence.clone(),
            dedupe_key: self.dedupe_key.clone(),
            opened_at: self.opened_at,
            acknowledged: None,
            resolved: None,
            resolved_reason: None,
            version: 1,
        }
    }
}

/// Who said something of an alert, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: ActorRef,
}

/// An alert as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRow {
    /// Its id.
    pub id: AlertId,
    /// The publisher that it concerns; none: the platform.
    pub publisher_id: Option<PublisherId>,
    /// What it is about.
    pub kind: AlertKind,
    /// How soon somebody should look.
    pub severity: Severity,
    /// Which object.
    pub subject: AlertSubject,
    /// One plain sentence.
    pub summary: String,
    /// What was seen, and what was expected.
    pub evidence: Map<String, Value>,
    /// Of all with one key there is one alert, for ever.
    pub dedupe_key: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// That somebody knows.
    pub acknowledged: Option<Said>,
    /// That it is over.
    pub resolved: Option<Said>,
    /// Why it is over, in words.
    pub resolved_reason: Option<String>,
    /// Counts its changes, from 1.
    pub version: u64,
}

impl AlertRow {
    /// What became of it.
    pub const fn state(&self) -> AlertState {
        match (&self.resolved, &self.acknowledged) {
            (Some(_), _) => AlertState::Resolved,
            (None, Some(_)) => AlertState::Acknowledged,
            (None, None) => AlertState::Open,
        }
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct RawAlert {
    id: Uuid,
    publisher_id: Option<Uuid>,
    kind: String,
    severity: String,
    subject_type: String,
    subject_id: Option<Uuid>,
    subject_name: Option<String>,
    summary: String,
    evidence: Json<Map<String, Value>>,
    dedupe_key: String,
    opened_at: Time,
    acknowledged_at: Option<Time>,
    acknowledged_by_type: Option<String>,
    acknowledged_by_id: Option<Uuid>,
    acknowledged_by_name: Option<String>,
    resolved_at: Option<Time>,
    resolved_by_type: Option<String>,
    resolved_by_id: Option<Uuid>,
    resolved_by_name: Option<String>,
    resolved_reason: Option<String>,
    version: i64,
}

pub(super) fn word<T>(word: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
    parse(word).ok_or_else(|| StoreError::corrupt(format_args!("an alert says {word:?}")))
}

fn said(
    at: Option<Time>,
    kind: Option<&str>,
    id: Option<Uuid>,
    name: Option<String>,
) -> Result<Option<Said>, StoreError> {
    let Some(at) = at else { return Ok(None) };
    let kind = word(kind.unwrap_or_default(), ActorKind::parse)?;
    Ok(Some(Said { at: at.into(), by: ActorRef { kind, id, name: name.unwrap_or_default() } }))
}

impl TryFrom<RawAlert> for AlertRow {
    type Error = StoreError;

    fn try_from(raw: RawAlert) -> Result<Self, StoreError> {
        Ok(Self {
            id: AlertId(raw.id),
            publisher_id: raw.publisher_id.map(PublisherId),
            kind: word(&raw.kind, AlertKind::parse)?,
            severity: word(&raw.severity, Severity::parse)?,
            subject: AlertSubject {
                kind: word(&raw.subject_type, AlertSubjectKind::parse)?,
                id: raw.subject_id,
                name: raw.subject_name,
            },
            summary: raw.summary,
            evidence: raw.evidence.0,
            dedupe_key: raw.dedupe_key,
            opened_at: raw.opened_at.into(),
            acknowledged: said(
                raw.acknowledged_at,
                raw.acknowledged_by_type.as_deref(),
                raw.acknowledged_by_id,
                raw.acknowledged_by_name,
            )?,
            resolved: said(
                raw.resolved_at,
                raw.resolved_by_type.as_deref(),
                raw.resolved_by_id,
                raw.resolved_by_name,
            )?,
            resolved_reason: raw.resolved_reason,
            version: to_u64(raw.version),
        })
    }
}
