//! Alerts.

use keywright_api::WireEnum;
use keywright_api::actor::Subject;
use keywright_api::alert::{Alert, AlertKind, AlertState, Severity};
use keywright_store::alerts::{AlertRow, Said};

use super::{actor, time};

/// An alert.
pub fn alert(row: &AlertRow) -> Alert {
    let at = |said: &Option<Said>| said.as_ref().map(|said| time(said.at));
    let by = |said: &Option<Said>| said.as_ref().map(|said| actor(&said.by));
    Alert {
        id: row.id.0,
        publisher_id: row.publisher_id.map(|id| id.0),
        kind: AlertKind::from_word(row.kind.as_str()).unwrap_or(AlertKind::TokenExpiring),
        severity: Severity::from_word(row.severity.as_str()).unwrap_or(Severity::Critical),
        state: AlertState::from_word(row.state().as_str()).unwrap_or(AlertState::Open),
        subject: Subject {
            kind: row.subject.kind.as_str().to_owned(),
            id: row.subject.id,
            name: row.subject.name.clone(),
        },
        summary: row.summary.clone(),
        evidence: row.evidence.clone(),
        dedupe_key: row.dedupe_key.clone(),
        opened_at: time(row.opened_at),
        acknowledged_at: at(&row.acknowledged),
        acknowledged_by: by(&row.acknowledged),
        resolved_at: at(&row.resolved),
        resolved_by: by(&row.resolved),
        resolved_reason: row.resolved_reason.clone(),
    }
}

/// A kind, as it is stored.
pub fn stored_alert_kind(kind: AlertKind) -> Option<keywright_core::AlertKind> {
    keywright_core::AlertKind::parse(kind.as_str())
}

/// A severity, as it is stored.
pub fn stored_severity(severity: Severity) -> Option<keywright_core::Severity> {
    keywright_core::Severity::parse(severity.as_str())
}

/// A state, as rows have it.
pub fn stored_alert_state(state: AlertState) -> Option<keywright_core::AlertState> {
    keywright_core::AlertState::parse(state.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_have_the_same_words_for_alerts() {
        fn words<T: WireEnum>() -> Vec<&'static str> {
            T::ALL.iter().map(|one| one.as_str()).collect()
        }
        let kinds: Vec<_> = keywright_core::AlertKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(words::<AlertKind>(), kinds);
        let severities: Vec<_> = keywright_core::Severity::ALL.iter().map(|one| one.as_str()).collect();
        assert_eq!(words::<Severity>(), severities);
        let states: Vec<_> = keywright_core::AlertState::ALL.iter().map(|one| one.as_str()).collect();
        assert_eq!(words::<AlertState>(), states);
    }
}
