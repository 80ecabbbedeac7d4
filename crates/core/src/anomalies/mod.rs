//! Anomalies: what a credential was never seen to do before, learned from its hourly roll-ups
//! (lifecycle.md, Watching).
//!
//! A [`Profile`] remembers a credential in a few kilobytes, however much it is used. [`Profile::observe`] takes one hour
//! after the other, tells what is odd in it, and learns it. Nothing here asks a store: an hour is a value.

mod countries;
mod detect;
mod guessing;
mod labels;
mod profile;
mod seasons;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

pub use guessing::{Guesser, Guessers};
pub use profile::Profile;

/// What is odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnomalyKind {
    /// Far more use than at this hour of the week before.
    Volume,
    /// Far more denials than before.
    DenialBurst,
    /// Use from a country where the credential never was.
    NewCountry,
    /// Use from a network where the credential never was.
    NewNetwork,
    /// Use from two countries sooner than anybody travels.
    ImpossibleTravel,
    /// Use at an hour of the day far from all hours of use.
    UnusualHour,
    /// Use after a long rest.
    DormantAwake,
    /// Attempts after revocation or expiry from where the credential never was: a leak's signature.
    TokenExpiredInUse,
    /// One address that tries many unknown tokens.
    UnknownTokens,
}

impl AnomalyKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Volume,
        Self::DenialBurst,
        Self::NewCountry,
        Self::NewNetwork,
        Self::ImpossibleTravel,
        Self::UnusualHour,
        Self::DormantAwake,
        Self::TokenExpiredInUse,
        Self::UnknownTokens,
    ];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::DenialBurst => "denial_burst",
            Self::NewCountry => "new_country",
            Self::NewNetwork => "new_network",
            Self::ImpossibleTravel => "impossible_travel",
            Self::UnusualHour => "unusual_hour",
            Self::DormantAwake => "dormant_awake",
            Self::TokenExpiredInUse => "token_expired_in_use",
            Self::UnknownTokens => "unknown_tokens",
        }
    }

    /// The kind that is written so.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for AnomalyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How little it takes for something to be odd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sensitivity {
    /// Only what is gross.
    Low,
    /// What the benchmark was tuned for.
    #[default]
    Normal,
    /// Also what is slight; more false alarms.
    High,
}

impl Sensitivity {
    const fn pick<T: Copy>(self, low: T, normal: T, high: T) -> T {
        match self {
            Self::Low => low,
            Self::Normal => normal,
            Self::High => high,
        }
    }
}

/// Days of history below which nothing is compared with it, unless somebody says otherwise.
pub const DEFAULT_HISTORY_DAYS: u32 = 14;

/// What a publisher says of anomalies of its credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnomalyTuning {
    /// How little it takes.
    pub sensitivity: Sensitivity,
    /// Kinds that are not looked for.
    pub off: Vec<AnomalyKind>,
    /// Days of history before anything is compared with it.
    pub history_days: u32,
}

impl Default for AnomalyTuning {
    fn default() -> Self {
        Self { sensitivity: Sensitivity::default(), off: Vec::new(), history_days: DEFAULT_HISTORY_DAYS }
    }
}

impl AnomalyTuning {
    /// Whether a kind is looked for.
    pub fn looks_for(&self, kind: AnomalyKind) -> bool {
        !self.off.contains(&kind)
    }
}

/// Who bears a credential: people travel and change networks, services seldom do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// A service.
    Service,
    /// A person, by a personal token.
    Person,
}

/// A label that was seen within an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The country, network or user agent.
    pub label: String,
    /// Accepted uses. Of networks and user agents: of the whole day so far.
    pub accepted: u64,
    /// Denials, alike.
    pub denied: u64,
    /// The first of them within the hour. Of networks and user agents: of the day.
    pub first_at: Timestamp,
    /// The last of them, alike.
    pub last_at: Timestamp,
}

/// What was decided about a credential within an hour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HourOfUse {
    /// Accepted uses.
    pub accepted: u64,
    /// Denials because it was revoked or expired.
    pub ended: u64,
    /// Other denials.
    pub denied: u64,
    /// The first attempt after its end, and the last one, if any.
    pub ended_between: Option<(Timestamp, Timestamp)>,
    /// Countries (ISO 3166-1 alpha-2) within the hour; those that are known.
    pub countries: Vec<Seen>,
    /// Networks whose first use on that day falls into the hour.
    pub networks: Vec<Seen>,
    /// User agents whose first use on that day falls into the hour.
    pub user_agents: Vec<Seen>,
}

/// What was expected, in uses, denials or attempts an hour.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpectedRange {
    /// In the middle.
    pub typical: f64,
    /// Hardly more than so many.
    pub most: f64,
}

/// Something odd, with what a person needs to check it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What kind it is.
    pub kind: AnomalyKind,
    /// The begin of the hour.
    pub hour: Timestamp,
    /// One plain sentence.
    pub sentence: String,
    /// What was expected, where there is a range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<ExpectedRange>,
    /// How many there were.
    pub seen: u64,
    /// The country, network or address in question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The user agent, where it is new too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// A count as a number to reckon with.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) const fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_as_they_are_written() {
        for kind in AnomalyKind::ALL {
            assert_eq!(AnomalyKind::from_text(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
