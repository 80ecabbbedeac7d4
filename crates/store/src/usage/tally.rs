//! What a batch of events adds up to.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;

use keywright_core::usage::{LATENCY_CLASSES, endpoint_group, latency_class};
use keywright_core::{CredentialId, Timestamp};
use keywright_verify::{DecisionRecord, Place, RecordCode};
use uuid::Uuid;

use super::{ALL, UNKNOWN};
use crate::places::FoundPlaces;

const HOUR_MICROS: i64 = 3_600_000_000;
const DAY_MICROS: i64 = 24 * HOUR_MICROS;
/// Bytes of a user agent that are told apart.
const MAX_LABEL_BYTES: usize = 200;

/// How often and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) decisions: i64,
    pub(super) failures: i64,
    pub(super) first_at: Timestamp,
    pub(super) last_at: Timestamp,
}

impl Count {
    fn nothing() -> Self {
        let (first_at, last_at) = (Timestamp::from_micros(i64::MAX), Timestamp::from_micros(i64::MIN));
        Self { decisions: 0, failures: 0, first_at, last_at }
    }

    fn add_event(&mut self, event: &DecisionRecord) {
        let occurrences = i64::from(event.occurrences);
        let failures = if event.success() { 0 } else { occurrences };
        self.add(Self {
            decisions: occurrences,
            failures,
            first_at: event.occurred_at,
            last_at: event.occurred_at,
        });
    }

    pub(super) fn add(&mut self, other: Self) {
        self.decisions += other.decisions;
        self.failures += other.failures;
        self.first_at = self.first_at.min(other.first_at);
        self.last_at = self.last_at.max(other.last_at);
    }
}

/// A row of `usage_hourly`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hourly {
    pub(super) count: Count,
    pub(super) latency: [i64; LATENCY_CLASSES],
}

impl Hourly {
    fn nothing() -> Self {
        Self { count: Count::nothing(), latency: [0; LATENCY_CLASSES] }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.count.add(other.count);
        for (sum, count) in self.latency.iter_mut().zip(other.latency) {
            *sum += count;
        }
    }
}

/// Where `usage_hourly` counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct HourKey<'a> {
    pub(super) credential: Uuid,
    pub(super) hour: Timestamp,
    pub(super) group: Cow<'a, str>,
    pub(super) code: &'static str,
    /// Empty where it is not known.
    pub(super) country: &'a str,
}

/// What a client is told by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Source<'a> {
    Address(IpAddr),
    UserAgent(Cow<'a, str>),
    Country(&'a str),
    Network(&'a str),
}

/// Where `usage_sources` counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SourceKey<'a> {
    pub(super) credential: Uuid,
    pub(super) day: Timestamp,
    pub(super) source: Source<'a>,
}

/// Sums over a batch, before too many labels become one.
#[derive(Debug, Default)]
pub(crate) struct Tally<'a> {
    pub(super) hourly: HashMap<HourKey<'a>, Hourly>,
    pub(super) daily: HashMap<(Timestamp, Uuid, &'static str), Count>,
    pub(super) sources: HashMap<SourceKey<'a>, Count>,
    /// Of accepted credentials.
    pub(super) uses: HashMap<Uuid, Count>,
}

fn floor(time: Timestamp, micros: i64) -> Timestamp {
    Timestamp::from_micros(time.as_micros().div_euclid(micros) * micros)
}

/// The engines keep no U+0000, and a label need not be long to be told from others.
fn label(text: &str) -> Cow<'_, str> {
    let text = &text[..text.floor_char_boundary(MAX_LABEL_BYTES)];
    if text.contains(char::is_control) {
        Cow::Owned(text.replace(char::is_control, "\u{FFFD}"))
    } else {
        Cow::Borrowed(text)
    }
}

impl<'a> Tally<'a> {
    /// Adds up events.
    pub(crate) fn of(events: impl Iterator<Item = &'a DecisionRecord>, found: &'a FoundPlaces) -> Self {
        let mut tally = Self::default();
        for event in events {
            tally.add(event, found.of(event.ip_address));
        }
        tally.add_all_together();
        tally
    }

    /// The same of events that another system recorded: nobody knows how long its decisions took, and the uses of its
    /// credentials are those that it has counted itself.
    pub(crate) fn of_another_system(mut self) -> Self {
        self.uses.clear();
        for hourly in self.hourly.values_mut() {
            hourly.latency = [0; LATENCY_CLASSES];
        }
        self
    }

    fn add(&mut self, event: &'a DecisionRecord, place: Option<&'a Place>) {
        let credential = event.credential_id.map_or(UNKNOWN, |CredentialId(id)| id);
        let group = endpoint_group(event.endpoint.as_deref().unwrap_or_default());
        let (hour, code) = (floor(event.occurred_at, HOUR_MICROS), RecordCode::as_str(event.code));
        let country = place.and_then(|place| place.country.as_deref());
        let key = HourKey { credential, hour, group, code, country: country.unwrap_or_default() };
        let hourly = self.hourly.entry(key).or_insert_with(Hourly::nothing);
        hourly.count.add_event(event);
        hourly.latency[latency_class(event.latency_micros)] += i64::from(event.occurrences);
        let day = floor(event.occurred_at, DAY_MICROS);
        let sources = [
            event.ip_address.map(Source::Address),
            event.user_agent.as_deref().map(|agent| Source::UserAgent(label(agent))),
            country.map(Source::Country),
            place.and_then(|place| place.network.as_deref()).map(Source::Network),
        ];
        // Where something was only looked at from, it was not used.
        let sources = if event.success() && !event.is_use() { Default::default() } else { sources };
        for source in sources.into_iter().flatten() {
            let key = SourceKey { credential, day, source };
            self.sources.entry(key).or_insert_with(Count::nothing).add_event(event);
        }
        if event.is_use() && event.credential_id.is_some() {
            self.uses.entry(credential).or_insert_with(Count::nothing).add_event(event);
        }
    }

    /// From the sums of each credential, which are far fewer than the events.
    fn add_all_together(&mut self) {
        let mut hourly: HashMap<HourKey<'a>, Hourly> = HashMap::new();
        for (key, sum) in &self.hourly {
            let day = floor(key.hour, DAY_MICROS);
            for credential in [key.credential, ALL] {
                self.daily.entry((day, credential, key.code)).or_insert_with(Count::nothing).add(sum.count);
            }
            let key = HourKey { credential: ALL, ..key.clone() };
            hourly.entry(key).or_insert_with(Hourly::nothing).add(sum);
        }
        self.hourly.extend(hourly);
        let mut sources: HashMap<SourceKey<'a>, Count> = HashMap::new();
        for (key, count) in &self.sources {
            let key = SourceKey { credential: ALL, ..key.clone() };
            sources.entry(key).or_insert_with(Count::nothing).add(*count);
        }
        self.sources.extend(sources);
    }
}
