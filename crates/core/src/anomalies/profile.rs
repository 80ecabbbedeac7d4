//! What is remembered of a credential, and how an hour is taken.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::labels::Labels;
use super::seasons::Seasons;
use super::{AnomalyKind, AnomalyTuning, Bearer, Finding, HourOfUse, detect, float};
use crate::time::Timestamp;

const HOUR_MICROS: i64 = 3_600_000_000;
const DAY_HOURS: i64 = 24;
/// Hours after which the most uses of an hour count half: eight weeks, as who was away comes back.
const USE_HALF_LIFE: f64 = 1_344.0;
/// Hours after which the most denials of an hour count half: two weeks.
const DENIAL_HALF_LIFE: f64 = 336.0;
/// Pairs of countries that are remembered.
const MAX_PAIRS: usize = 16;
/// Days on which a pair of countries has to overlap until it is a habit.
const HABIT_DAYS: u8 = 3;

/// When a credential was seen last in a country.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stay {
    pub(super) country: Box<str>,
    pub(super) until: Timestamp,
}

/// Two countries that a credential is used from at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pair {
    between: [Box<str>; 2],
    last_day: i64,
    days: u8,
}

/// What is remembered of a credential: a few kilobytes, however much it is used and from wherever.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The begin of the first hour that it was seen in.
    pub(super) since: Timestamp,
    /// The begin of the last hour that was taken.
    through: Timestamp,
    pub(super) seasons: Seasons,
    pub(super) countries: Labels<24>,
    pub(super) networks: Labels<48>,
    pub(super) user_agents: Labels<24>,
    /// Where it was used last.
    pub(super) stay: Option<Stay>,
    /// Countries that it is used from at once.
    pairs: Vec<Pair>,
    /// Hours with use.
    pub(super) hours_of_use: u32,
    /// Days with use.
    pub(super) days_of_use: u32,
    /// The begin of the last hour with use.
    pub(super) last_use: Option<Timestamp>,
    /// The longest rest between two uses, in hours.
    pub(super) longest_rest: i64,
    /// The most uses within an hour; what is past counts less and less.
    pub(super) use_peak: f64,
    /// The most denials within an hour, alike.
    pub(super) denial_peak: f64,
    /// When a kind was told last.
    told: BTreeMap<AnomalyKind, Timestamp>,
}

/// The number of an hour since 1970.
pub(super) const fn number(hour: Timestamp) -> i64 {
    hour.as_micros().div_euclid(HOUR_MICROS)
}

impl Profile {
    /// Of a credential that is seen first in the hour that begins then.
    pub fn new(hour: Timestamp) -> Self {
        Self {
            since: hour,
            through: hour.plus_micros(-HOUR_MICROS),
            seasons: Seasons::default(),
            countries: Labels::default(),
            networks: Labels::default(),
            user_agents: Labels::default(),
            stay: None,
            pairs: Vec::new(),
            hours_of_use: 0,
            days_of_use: 0,
            last_use: None,
            longest_rest: 0,
            use_peak: 0.0,
            denial_peak: 0.0,
            told: BTreeMap::new(),
        }
    }

    /// The begin of the last hour that was taken.
    pub fn through(&self) -> Timestamp {
        self.through
    }

    /// Takes an hour (its begin): tells what is odd in it, and learns it. Hours without any decision may be left out.
    /// One that was taken tells nothing again.
    pub fn observe(
        &mut self,
        hour: Timestamp,
        seen: &HourOfUse,
        bearer: Bearer,
        tuning: &AnomalyTuning,
    ) -> Vec<Finding> {
        if hour <= self.through && self.through >= self.since {
            return Vec::new();
        }
        self.seasons.keep_silence(number(self.through).max(number(self.since) - 1) + 1, number(hour));
        let mut findings = detect::all(self, hour, seen, bearer, tuning);
        findings.retain(|finding| tuning.looks_for(finding.kind) && !self.was_told(finding));
        for finding in &findings {
            self.told.insert(finding.kind, hour);
        }
        self.learn(hour, seen);
        findings
    }

    /// Whether what is found was told of late: an incident is told once, not by the hour.
    fn was_told(&self, finding: &Finding) -> bool {
        let quiet_hours = match finding.kind {
            AnomalyKind::TokenExpiredInUse | AnomalyKind::ImpossibleTravel => 7 * DAY_HOURS,
            AnomalyKind::NewCountry | AnomalyKind::NewNetwork => 0,
            _ => DAY_HOURS,
        };
        let since = |told: &Timestamp| number(finding.hour) - number(*told);
        self.told.get(&finding.kind).is_some_and(|told| since(told) < quiet_hours)
    }

    /// Whether there is enough of it to compare with.
    pub(super) fn has_history(&self, hour: Timestamp, tuning: &AnomalyTuning) -> bool {
        number(hour) - number(self.since) >= i64::from(tuning.history_days) * DAY_HOURS
    }

    /// Whether it is used from both countries at once as a habit.
    pub(super) fn is_habit(&self, a: &str, b: &str) -> bool {
        self.pairs.iter().any(|pair| pair.is(a, b) && pair.days >= HABIT_DAYS)
    }

    fn learn(&mut self, hour: Timestamp, seen: &HourOfUse) {
        let (at, day) = (number(hour), number(hour).div_euclid(DAY_HOURS));
        let passed = float((at - number(self.through)).max(0).unsigned_abs());
        let faded = |half_life: f64| 0.5_f64.powf(passed / half_life);
        self.use_peak = (self.use_peak * faded(USE_HALF_LIFE)).max(float(seen.accepted));
        self.denial_peak = (self.denial_peak * faded(DENIAL_HALF_LIFE)).max(float(seen.denied));
        self.seasons.keep(at, seen.accepted);
        self.through = hour;
        if seen.accepted == 0 {
            return;
        }
        if let Some(last) = self.last_use {
            self.longest_rest = self.longest_rest.max(at - number(last));
        }
        if self.last_use.is_none_or(|last| number(last).div_euclid(DAY_HOURS) < day) {
            self.days_of_use += 1;
        }
        self.hours_of_use += 1;
        self.last_use = Some(hour);
        self.learn_places(day, seen);
    }

    fn learn_places(&mut self, day: i64, seen: &HourOfUse) {
        for hop in detect::hops(self.stay.as_ref(), &seen.countries) {
            self.learn_pair(day, [hop.from, hop.to]);
        }
        let accepted = |seen: &&super::Seen| seen.accepted > 0;
        for country in seen.countries.iter().filter(accepted) {
            self.countries.learn(&country.label, day);
            if self.stay.as_ref().is_none_or(|stay| stay.until <= country.last_at) {
                self.stay = Some(Stay { country: country.label.as_str().into(), until: country.last_at });
            }
        }
        for network in seen.networks.iter().filter(accepted) {
            self.networks.learn(&network.label, day);
        }
        for agent in seen.user_agents.iter().filter(accepted) {
            self.user_agents.learn(&agent.label, day);
        }
    }

    fn learn_pair(&mut self, day: i64, between: [String; 2]) {
        let [a, b] = between;
        if let Some(pair) = self.pairs.iter_mut().find(|pair| pair.is(&a, &b)) {
            if pair.last_day < day {
                (pair.last_day, pair.days) = (day, pair.days.saturating_add(1));
            }
            return;
        }
        if self.pairs.len() >= MAX_PAIRS
            && let Some(oldest) =
                self.pairs.iter().enumerate().min_by_key(|(_, pair)| pair.last_day).map(|(at, _)| at)
        {
            self.pairs.swap_remove(oldest);
        }
        self.pairs.push(Pair { between: [a.into(), b.into()], last_day: day, days: 1 });
    }
}

impl Pair {
    fn is(&self, a: &str, b: &str) -> bool {
        let [own_a, own_b] = &self.between;
        (&**own_a, &**own_b) == (a, b) || (&**own_a, &**own_b) == (b, a)
    }
}
