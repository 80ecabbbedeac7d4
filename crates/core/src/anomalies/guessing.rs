//! Addresses that try many unknown tokens, among them those that always do: clients with a wrong token.

use serde::{Deserialize, Serialize};

use super::{AnomalyKind, ExpectedRange, Finding, Sensitivity, float};
use crate::time::Timestamp;

/// Addresses that are remembered.
const MOST: usize = 256;
/// Hours after which an address is forgotten.
const FORGOTTEN_AFTER: i64 = 14 * 24 * 3_600_000_000;
/// Hours in which an address is told but once.
const TOLD_FOR: i64 = 24 * 3_600_000_000;
/// Of its usual number an address keeps so much each hour, so that a habit ends.
const KEPT_SHARE: f64 = 0.98;

/// Attempts with unknown or malformed tokens from an address within an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guesser {
    /// The address.
    pub address: String,
    /// How many.
    pub attempts: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Usual {
    address: Box<str>,
    /// Attempts an hour, the most of late.
    attempts: f64,
    last_at: Timestamp,
    told_at: Option<Timestamp>,
}

/// The addresses that try unknown tokens. At most 256: those that tried least make room.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Guessers {
    usual: Vec<Usual>,
    /// The last hour that was looked at.
    through: Option<Timestamp>,
}

impl Guessers {
    /// The begin of the last hour that was looked at.
    pub fn through(&self) -> Option<Timestamp> {
        self.through
    }

    /// Tells which addresses of an hour (its begin) guess, and learns what they do. An hour that was looked at tells
    /// nothing again.
    pub fn observe(&mut self, hour: Timestamp, seen: &[Guesser], sensitivity: Sensitivity) -> Vec<Finding> {
        if self.through.is_some_and(|through| through >= hour) {
            return Vec::new();
        }
        self.through = Some(hour);
        self.usual.retain(|usual| hour.micros_since(usual.last_at) < FORGOTTEN_AFTER);
        let mut findings = Vec::new();
        for Guesser { address, attempts } in seen {
            let known = self.usual.iter().position(|usual| *usual.address == **address);
            let known = known.unwrap_or_else(|| self.place_for(address, hour));
            let usual = &mut self.usual[known];
            let (least, factor) = sensitivity.pick((1_000, 8.0), (200, 4.0), (60, 3.0));
            let most = (usual.attempts * factor).max(float(least));
            let told = usual.told_at.is_some_and(|told| hour.micros_since(told) < TOLD_FOR);
            if float(*attempts) > most && !told {
                usual.told_at = Some(hour);
                findings.push(Finding {
                    kind: AnomalyKind::UnknownTokens,
                    hour,
                    sentence: format!(
                        "{address} tried tokens that nobody has {attempts} times within an hour; no more than {most:.0} are \
                         expected from one address."
                    ),
                    expected: Some(ExpectedRange { typical: usual.attempts, most }),
                    seen: *attempts,
                    place: Some(address.clone()),
                    user_agent: None,
                });
            }
            usual.attempts = (usual.attempts * KEPT_SHARE).max(float(*attempts));
            usual.last_at = hour;
        }
        findings
    }

    fn place_for(&mut self, address: &str, hour: Timestamp) -> usize {
        if self.usual.len() >= MOST
            && let Some(least) = self
                .usual
                .iter()
                .enumerate()
                .min_by(|(_, a), (_, b)| a.attempts.total_cmp(&b.attempts))
                .map(|(at, _)| at)
        {
            self.usual.swap_remove(least);
        }
        self.usual.push(Usual { address: address.into(), attempts: 0.0, last_at: hour, told_at: None });
        self.usual.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(number: i64) -> Timestamp {
        Timestamp::EPOCH.plus_seconds(number * 3_600)
    }

    fn observe(guessers: &mut Guessers, number: i64, attempts: u64) -> usize {
        let seen = [Guesser { address: "192.0.2.1".to_owned(), attempts }];
        guessers.observe(hour(number), &seen, Sensitivity::Normal).len()
    }

    #[test]
    fn a_guesser_is_told_once_and_a_client_with_a_wrong_token_not_again() {
        let mut guessers = Guessers::default();
        assert_eq!(observe(&mut guessers, 1, 60), 0);
        assert_eq!(observe(&mut guessers, 2, 5_000), 1);
        assert_eq!(observe(&mut guessers, 2, 500_000), 0, "an hour is looked at once");
        for number in 3..100 {
            assert_eq!(observe(&mut guessers, number, 5_000), 0);
        }
        assert_eq!(observe(&mut guessers, 100, 50_000), 1);
    }

    #[test]
    fn many_addresses_take_no_more_room() {
        let mut guessers = Guessers::default();
        for number in 0..1_000 {
            let seen = [Guesser { address: format!("2001:db8::{number:x}"), attempts: 1_000 }];
            assert_eq!(guessers.observe(hour(number), &seen, Sensitivity::Normal).len(), 1);
        }
        assert!(guessers.usual.len() <= MOST);
    }
}
