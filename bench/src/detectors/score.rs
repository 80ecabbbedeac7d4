//! How good the detectors are: precision, recall, time to detection.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use keywright_core::anomalies::{AnomalyKind, Finding};

use super::client::{DAYS, Kind, LEARNING_DAYS};
use super::incident::Incident;

/// Hours after the end of an incident within which an alert still belongs to it.
const AFTERWARDS: i64 = 1;

/// An incident as it is scored.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) kind: AnomalyKind,
    pub(super) hours: (i64, i64),
    /// Whether an alert of the second kind says what an incident of the first one is.
    pub(super) fits: fn(AnomalyKind, AnomalyKind) -> bool,
}

impl From<Incident> for Told {
    fn from(incident: Incident) -> Self {
        Self { kind: incident.kind, hours: incident.hours, fits: Incident::is_told_by }
    }
}

/// A credential, or an address, with what befell it and what was found.
pub(super) struct Case {
    pub(super) client: Option<Kind>,
    pub(super) incident: Option<Told>,
    /// With the hours in which they were found.
    pub(super) findings: Vec<(i64, Finding)>,
}

#[derive(Clone, Debug, Default)]
struct Tally {
    incidents: u64,
    /// Told by a kind that says what it is.
    told: u64,
    /// Told by whatever.
    noticed: u64,
    /// Hours from the begin of an incident to the end of the hour that told it.
    delays: Vec<i64>,
    true_alerts: u64,
    false_alerts: u64,
}

/// What was scored.
#[derive(Clone, Debug, Default)]
pub(super) struct Score {
    kinds: BTreeMap<AnomalyKind, Tally>,
    false_by_client: BTreeMap<String, u64>,
    credentials: u64,
}

fn share(part: u64, of: u64) -> f64 {
    if of == 0 { f64::NAN } else { part as f64 / of as f64 }
}

impl Score {
    pub(super) fn add(&mut self, case: &Case) {
        self.credentials += u64::from(case.client.is_some());
        let within = |hour: i64| {
            case.incident
                .as_ref()
                .is_some_and(|told| (told.hours.0..told.hours.1 + AFTERWARDS).contains(&hour))
        };
        for (hour, finding) in &case.findings {
            let tally = self.kinds.entry(finding.kind).or_default();
            if within(*hour) {
                tally.true_alerts += 1;
            } else {
                tally.false_alerts += 1;
                let client =
                    case.client.map_or("addresses".to_owned(), |kind| format!("{kind:?}").to_lowercase());
                *self.false_by_client.entry(format!("{client}: {}", finding.kind)).or_default() += 1;
            }
        }
        if let Some(told) = &case.incident {
            let mut inside = case.findings.iter().filter(|(hour, _)| within(*hour));
            let tally = self.kinds.entry(told.kind).or_default();
            tally.incidents += 1;
            tally.noticed += u64::from(inside.clone().next().is_some());
            if let Some((hour, _)) = inside.find(|(_, finding)| (told.fits)(told.kind, finding.kind)) {
                tally.told += 1;
                tally.delays.push(hour + 1 - told.hours.0);
            }
        }
    }

    fn all(&self) -> Tally {
        let mut all = Tally::default();
        for tally in self.kinds.values() {
            all.incidents += tally.incidents;
            all.told += tally.told;
            all.noticed += tally.noticed;
            all.true_alerts += tally.true_alerts;
            all.false_alerts += tally.false_alerts;
            all.delays.extend(&tally.delays);
        }
        all
    }

    /// The share of alerts that belong to an incident.
    pub(super) fn precision(&self) -> f64 {
        self.all().precision()
    }

    /// The share of incidents that were told as what they are.
    pub(super) fn recall(&self) -> f64 {
        self.all().recall()
    }

    /// The figures as a table of Markdown.
    pub(super) fn to_markdown(&self) -> String {
        let mut text = String::from(
            "| kind | incidents | told as such | told at all | recall | alerts | false | precision | hours to the alert, \
             half / nine of ten |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        );
        for (kind, tally) in &self.kinds {
            tally.write(&mut text, kind.as_str());
        }
        let all = self.all();
        all.write(&mut text, "**all**");
        let weeks = self.credentials * u64::try_from((DAYS - LEARNING_DAYS) / 7).unwrap_or(0);
        let rate = 1_000.0 * all.false_alerts as f64 / weeks as f64;
        let _ = writeln!(
            text,
            "\n{} credentials, {weeks} weeks of them scored; {rate:.1} false alerts in a thousand weeks of a credential.",
            self.credentials
        );
        if !self.false_by_client.is_empty() {
            let mut by_client: Vec<_> = self.false_by_client.iter().collect();
            by_client.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            let list: Vec<String> =
                by_client.into_iter().map(|(what, count)| format!("{what} {count}")).collect();
            let _ = writeln!(text, "\nFalse alerts by client and kind: {}.", list.join(", "));
        }
        text
    }
}

impl Tally {
    fn precision(&self) -> f64 {
        share(self.true_alerts, self.true_alerts + self.false_alerts)
    }

    fn recall(&self) -> f64 {
        share(self.told, self.incidents)
    }

    fn write(&self, text: &mut String, what: &str) {
        let mut delays = self.delays.clone();
        delays.sort_unstable();
        let quantile = |share: f64| {
            let place = (share * delays.len().saturating_sub(1) as f64).round() as usize;
            delays.get(place).map_or("–".to_owned(), ToString::to_string)
        };
        let number = |value: f64| if value.is_nan() { "–".to_owned() } else { format!("{value:.3}") };
        let _ = writeln!(
            text,
            "| {what} | {} | {} | {} | {} | {} | {} | {} | {} / {} |",
            self.incidents,
            self.told,
            self.noticed,
            number(self.recall()),
            self.true_alerts + self.false_alerts,
            self.false_alerts,
            number(self.precision()),
            quantile(0.5),
            quantile(0.9)
        );
    }
}
