//! How much a credential is used at which hour of the week: six weeks of hours, each in a byte.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::float;

/// Hours of a week.
const WEEK: i64 = 168;
/// Weeks that are remembered.
const WEEKS: i64 = 6;
/// Hours that are remembered.
const KEPT: i64 = WEEK * WEEKS;
const BYTES: usize = 1_008;
/// A byte that holds no count.
const NOTHING: u8 = u8::MAX;
/// Steps in which a count doubles: a byte holds up to two million, to 6 %.
const STEPS: f64 = 12.0;
/// What 1.4826 times the median deviation is: the standard deviation, where deviations are normal.
const MAD_TO_SIGMA: f64 = 1.482_6;
/// Hours with use from which on use has a pattern that is told from its absence.
const DENSE_HOURS: usize = 100;
/// The share of hours with use that may lie anywhere: an incident of some hours in six weeks widens no range.
const STRAY_SHARE: f64 = 0.01;
/// And so many of them at least.
const STRAY_LEAST: usize = 3;
/// Hours by which the present level is judged.
const RECENT: i64 = 24;
/// So many of them tell it.
const RECENT_LEAST: usize = 8;

/// Counts of the last six weeks by the hour, on a scale of logarithms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seasons(Box<[u8]>);

impl Default for Seasons {
    fn default() -> Self {
        Self(vec![NOTHING; BYTES].into())
    }
}

impl Serialize for Seasons {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Seasons {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = hex::decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)?;
        if bytes.len() == BYTES {
            Ok(Self(bytes.into()))
        } else {
            Err(serde::de::Error::invalid_length(bytes.len(), &"six weeks of hours"))
        }
    }
}

/// What is expected of an hour, in uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Expected {
    /// In the middle.
    pub(super) typical: f64,
    /// Hardly more than so many.
    pub(super) most: f64,
}

/// How far off use has to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// Standard deviations.
    pub(super) sigmas: f64,
    /// As a factor beyond what has been seen astray.
    pub(super) beyond: f64,
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number between 0 and 254")]
fn code(count: u64) -> u8 {
    (STEPS * float(count.saturating_add(1)).log2()).round().clamp(0.0, f64::from(NOTHING - 1)) as u8
}

/// The natural logarithm of a count and one.
fn log(code: u8) -> f64 {
    f64::from(code) / STEPS * std::f64::consts::LN_2
}

fn place(hour: i64) -> usize {
    usize::try_from(hour.rem_euclid(KEPT)).unwrap_or(0)
}

/// The upper one of the two in the middle.
fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f64::total_cmp).1)
}

impl Seasons {
    /// Keeps the count of an hour (counted since 1970).
    pub(super) fn keep(&mut self, hour: i64, count: u64) {
        self.0[place(hour)] = code(count);
    }

    /// Keeps that nothing was in the hours from `from` on and before `until`.
    pub(super) fn keep_silence(&mut self, from: i64, until: i64) {
        for hour in from.max(until - KEPT)..until {
            self.keep(hour, 0);
        }
    }

    fn at(&self, hour: i64) -> Option<f64> {
        Some(self.0[place(hour)]).filter(|code| *code != NOTHING).map(log)
    }

    /// What was counted at that hour of the week, in the weeks before `hour`, but for `hour` itself.
    fn before(&self, hour: i64) -> impl Iterator<Item = f64> {
        (1..WEEKS).filter_map(move |weeks| self.at(hour - weeks * WEEK))
    }

    /// And with what stands where `hour` will be kept: six weeks ago.
    fn slot(&self, hour: i64) -> Vec<f64> {
        self.before(hour).chain(self.at(hour)).collect()
    }

    /// The hours with use that are remembered.
    pub(super) fn active_hours(&self) -> usize {
        self.0.iter().filter(|code| **code != NOTHING && **code > 0).count()
    }

    /// The hours that are remembered.
    fn known_hours(&self) -> usize {
        self.0.iter().filter(|code| **code != NOTHING).count()
    }

    /// On how many days it was used at each hour of the day, before `hour`.
    pub(super) fn days_by_hour_of_day(&self, hour: i64) -> [usize; 24] {
        let mut days = [0; 24];
        for past in hour - KEPT..hour {
            if self.at(past).is_some_and(|log| log > 0.0) {
                days[usize::try_from(past.rem_euclid(24)).unwrap_or(0)] += 1;
            }
        }
        days
    }

    /// How much more is used of late than in the weeks before, as a logarithm; never less than nothing, so that after
    /// quiet days the usual is no surprise.
    fn growth(&self, hour: i64) -> f64 {
        let residual = |past: i64| {
            let typical = median(&mut self.before(past).collect::<Vec<_>>())?;
            let seen = self.at(past)?;
            (typical.max(seen) > std::f64::consts::LN_2).then_some(seen - typical)
        };
        let mut recent: Vec<f64> = (hour - RECENT..hour).filter_map(residual).collect();
        if recent.len() < RECENT_LEAST { 0.0 } else { median(&mut recent).unwrap_or(0.0).max(0.0) }
    }

    /// What is typical of an hour, before growth; `None` where use is too rare to have a pattern.
    pub(super) fn typical(&self, hour: i64) -> Option<f64> {
        if self.active_hours() < DENSE_HOURS { None } else { Some(self.near(hour)?.exp() - 1.0) }
    }

    fn near(&self, hour: i64) -> Option<f64> {
        let at = |hour: i64| median(&mut self.slot(hour));
        [hour - 1, hour, hour + 1].into_iter().filter_map(at).reduce(f64::max)
    }

    /// What is expected of an hour before anything of it is kept; `None` where use is too rare to have a pattern.
    ///
    /// The middle is the median of the same hour of the week and its two neighbours (clocks are set by an hour twice a
    /// year, and jobs slip), moved by the growth of late. The range is the wider of robust deviations and of what has been
    /// seen astray.
    pub(super) fn expect(&self, hour: i64, reach: Reach) -> Option<Expected> {
        if self.active_hours() < DENSE_HOURS {
            return None;
        }
        let at = |hour: i64| median(&mut self.slot(hour));
        let growth = self.growth(hour);
        let middle = self.near(hour)? + growth;
        // What is usual at this hour on another day of the week may be made up for on this one.
        let busiest = (1..7).filter_map(|days| at(hour - days * 24)).fold(middle - growth, f64::max) + growth;
        let mut residuals = self.residuals(hour);
        let stray = stray(&mut residuals);
        let mut deviations: Vec<f64> = residuals.iter().map(|residual| residual.abs()).collect();
        let spread = median(&mut deviations).unwrap_or(0.0) * MAD_TO_SIGMA;
        // Counts of single events vary by the root of their number.
        let noise = middle.exp().max(1.0).powf(-0.5);
        // Few weeks know their median badly.
        let weeks = float(self.known_hours() as u64) / float(WEEK as u64);
        let sigma = spread.max(noise).max(0.1) * (1.0 + 1.0 / weeks.max(1.0));
        let most =
            (middle + (reach.sigmas * sigma).max(stray + reach.beyond.ln())).max(busiest + reach.beyond.ln());
        Some(Expected { typical: middle.exp() - 1.0, most: most.exp() - 1.0 })
    }

    /// How far each hour with use, or with use expected, lay from the median of its hour of the week.
    fn residuals(&self, hour: i64) -> Vec<f64> {
        let mut residuals = Vec::with_capacity(BYTES);
        for slot in hour - WEEK..hour {
            let mut logs = self.slot(slot);
            let Some(typical) = median(&mut logs) else { continue };
            residuals.extend(logs.iter().filter(|log| **log > 0.0 || typical > 0.0).map(|log| log - typical));
        }
        residuals
    }
}

/// Above the middle lies hardly anything more than so much.
fn stray(residuals: &mut [f64]) -> f64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below the number of hours")]
    let share = (STRAY_SHARE * float(residuals.len() as u64)).floor() as usize;
    if residuals.is_empty() {
        return 0.0;
    }
    let place = residuals.len().saturating_sub(1 + share.max(STRAY_LEAST));
    *residuals.select_nth_unstable_by(place, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REACH: Reach = Reach { sigmas: 5.0, beyond: 1.5 };

    #[test]
    fn a_count_is_kept_to_a_few_percent() {
        for count in [0, 1, 2, 3, 10, 99, 1_000, 123_456, 2_000_000] {
            let kept = log(code(count)).exp() - 1.0;
            assert!((kept - float(count)).abs() <= 0.06 * float(count), "{count}: {kept}");
        }
        assert_eq!(code(u64::MAX), NOTHING - 1);
    }

    fn daily(weeks: i64, count: impl Fn(i64) -> u64) -> Seasons {
        let mut seasons = Seasons::default();
        for hour in 0..weeks * WEEK {
            seasons.keep(hour, count(hour));
        }
        seasons
    }

    #[test]
    fn each_hour_of_the_week_has_its_own_range() {
        let seasons = daily(6, |hour| if (8..18).contains(&(hour % 24)) { 1_000 } else { 20 });
        let (night, noon) =
            (seasons.expect(KEPT + 3, REACH).unwrap(), seasons.expect(KEPT + 12, REACH).unwrap());
        assert!((night.typical - 20.0).abs() < 2.0 && night.most < 400.0, "{night:?}");
        assert!((noon.typical - 1_000.0).abs() < 60.0 && noon.most < 4_000.0, "{noon:?}");
    }

    #[test]
    fn an_incident_of_some_hours_widens_no_range() {
        let calm = daily(6, |_| 100);
        let mut hit = calm.clone();
        for hour in 500..508 {
            hit.keep(hour, 50_000);
        }
        let most = |seasons: &Seasons| seasons.expect(KEPT, REACH).unwrap().most;
        assert!((most(&calm) - most(&hit)).abs() < 1.0, "{} {}", most(&calm), most(&hit));
    }

    #[test]
    fn growth_of_late_moves_the_range() {
        let mut seasons = daily(6, |_| 100);
        for hour in KEPT..KEPT + 24 {
            seasons.keep(hour, 220);
        }
        let expected = seasons.expect(KEPT + 24, REACH).unwrap();
        assert!((expected.typical - 220.0).abs() < 15.0, "{expected:?}");
    }

    #[test]
    fn rare_use_has_no_pattern() {
        assert_eq!(daily(6, |hour| u64::from(hour % WEEK == 3) * 500).expect(KEPT, REACH), None);
    }

    proptest! {
        #[test]
        fn what_is_stored_is_read_back(counts in prop::collection::vec(any::<u32>(), 0..40)) {
            let mut seasons = Seasons::default();
            for (hour, count) in (0_i64..).zip(&counts) {
                seasons.keep(hour * 31, u64::from(*count));
            }
            let text = serde_json::to_string(&seasons).unwrap();
            prop_assert_eq!(serde_json::from_str::<Seasons>(&text).unwrap(), seasons);
        }

        #[test]
        fn the_range_is_finite_and_holds_the_middle(counts in prop::collection::vec(any::<u16>(), 168..1_100)) {
            let mut seasons = Seasons::default();
            for (hour, count) in (0_i64..).zip(&counts) {
                seasons.keep(hour, u64::from(*count));
            }
            let expected = seasons.expect(i64::try_from(counts.len()).unwrap(), REACH).unwrap();
            prop_assert!(expected.typical.is_finite() && expected.most.is_finite());
            prop_assert!(expected.most >= expected.typical);
        }
    }
}
