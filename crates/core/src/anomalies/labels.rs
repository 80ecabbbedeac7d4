//! Which countries, networks and user agents a credential comes from, and how surprising another one is.

use serde::{Deserialize, Serialize};

use super::float;

/// Bytes of a label that are remembered.
const MAX_LABEL_BYTES: usize = 64;
/// Label days after which old ones count half, so that habits may change.
const HALVED_FROM: u32 = 512;

/// A label that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    #[serde(rename = "l")]
    label: Box<str>,
    /// The day (counted since 1970) on which it was seen last.
    #[serde(rename = "d")]
    last_day: i64,
    /// On more than one day.
    #[serde(rename = "m")]
    more: bool,
}

/// The labels of one kind, at most `MOST` of them; those seen least recently make room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Labels<const MOST: usize> {
    known: Vec<Known>,
    /// Labels times days on which each was seen.
    label_days: u32,
    /// Labels that were seen on one day alone.
    singletons: u32,
}

/// `AS64496 Example`
fn is_system(label: &str) -> bool {
    label.strip_prefix("AS").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn cut(label: &str) -> &str {
    &label[..label.floor_char_boundary(MAX_LABEL_BYTES)]
}

impl<const MOST: usize> Labels<MOST> {
    /// Whether a label was seen, as far as that is remembered.
    pub(super) fn knows(&self, label: &str) -> bool {
        self.known.iter().any(|known| &*known.label == cut(label))
    }

    /// Whether any label is of the sort of this one. Networks are told as autonomous systems where a database of
    /// places has them, and as prefixes where there is none: those do not compare.
    pub(super) fn has_like(&self, label: &str) -> bool {
        self.known.iter().any(|known| is_system(&known.label) == is_system(label))
    }

    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// How surprising it is that a label is new, in bits: minus the binary logarithm of the probability that the next
    /// one is new, which is estimated by the share of what was seen but once (I. J. Good and A. Turing, 1953), with one
    /// more of each, so that nothing is certain.
    pub(super) fn surprise_bits(&self) -> f64 {
        let share = float(u64::from(self.singletons) + 1) / float(u64::from(self.label_days) + 2);
        -share.min(1.0).log2()
    }

    /// Remembers that a label was seen on a day.
    pub(super) fn learn(&mut self, label: &str, day: i64) {
        let label = cut(label);
        if let Some(known) = self.known.iter_mut().find(|known| &*known.label == label) {
            if known.last_day < day {
                known.last_day = day;
                self.label_days += 1;
                if !known.more {
                    known.more = true;
                    self.singletons = self.singletons.saturating_sub(1);
                }
            }
        } else {
            if self.known.len() >= MOST
                && let Some(oldest) =
                    self.known.iter().enumerate().min_by_key(|(_, known)| known.last_day).map(|(at, _)| at)
            {
                self.known.swap_remove(oldest);
            }
            self.known.push(Known { label: label.into(), last_day: day, more: false });
            self.label_days += 1;
            self.singletons += 1;
        }
        if self.label_days >= HALVED_FROM {
            self.label_days /= 2;
            self.singletons /= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_all_is_as_ever_a_new_one_surprises_more_each_day() {
        let mut labels = Labels::<8>::default();
        let mut before = 0.0;
        for day in 0..60 {
            labels.learn("AS1 One", day);
            assert!(labels.surprise_bits() >= before);
            before = labels.surprise_bits();
        }
        assert!(before > 5.0, "{before}");
    }

    #[test]
    fn who_is_always_somewhere_else_surprises_nobody() {
        let mut labels = Labels::<8>::default();
        for day in 0..60 {
            labels.learn(&format!("AS{day}"), day);
        }
        assert!(labels.surprise_bits() < 0.1, "{}", labels.surprise_bits());
        assert_eq!(labels.len(), 8);
        assert!(labels.knows("AS59") && !labels.knows("AS0"));
    }

    #[test]
    fn autonomous_systems_do_not_compare_with_prefixes() {
        let mut labels = Labels::<8>::default();
        labels.learn("192.0.2.0/24", 1);
        assert!(labels.has_like("198.51.100.0/24") && !labels.has_like("AS64496 Example"));
        labels.learn("AS64496", 2);
        assert!(labels.has_like("AS64497 Other"));
    }

    #[test]
    fn however_long_it_goes_on_little_is_remembered() {
        let mut labels = Labels::<4>::default();
        for day in 0..5_000 {
            labels.learn(&format!("{}{day}", "ä".repeat(100)), day);
        }
        assert!(labels.label_days < HALVED_FROM);
        assert!(serde_json::to_string(&labels).unwrap().len() < 1_000);
    }
}
