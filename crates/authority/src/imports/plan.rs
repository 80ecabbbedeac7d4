//! Which events of another system are read, and which of them are kept.

use keywright_core::Timestamp;
use keywright_store::auth2::{EventSpan, SourceMoment};
use keywright_store::imports::{Progress, SourcePlace};
use keywright_verify::DecisionRecord;

use crate::authority::Authority;

/// Before where the last run ended: what was written by transactions that were open then lies there.
const OVERLAP_MICROS: i64 = 3_600_000_000;

/// Where a run begins, and what it goes on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) span: EventSpan,
    pub(super) progress: Progress,
    /// Beyond it nothing was ever taken.
    pub(super) mark: Option<SourcePlace>,
}

/// What is read: `earliest` is the oldest moment that is kept, `since` what was asked for.
pub(super) fn plan(known: &[Progress], source: &str, earliest: i64, since: Option<i64>, until: i64) -> Plan {
    let own = known.iter().find(|progress| progress.source == source);
    let mut progress = own.cloned().unwrap_or_else(|| Progress::none(source));
    let begin = since.unwrap_or(earliest).max(earliest);
    let goes_on = since.is_none() && progress.events_from.is_some_and(|from| from <= begin);
    let interrupted =
        progress.run_at.filter(|at| progress.run_from.is_some_and(|from| from <= begin) && begin <= *at);
    let last = progress.last.map(|(at, _)| at);
    let behind = interrupted.or(last.filter(|_| goes_on)).map(|at| at.saturating_sub(OVERLAP_MICROS));
    let from = behind.map_or(begin, |behind| behind.max(begin));
    if interrupted.is_none() {
        (progress.run_from, progress.run_at) = (Some(from), None);
    }
    if last.is_none_or(|last| from > last) {
        // What lies between is not there.
        progress.events_from = None;
    }
    Plan {
        span: EventSpan { from: SourceMoment(from), to: SourceMoment(until) },
        progress,
        mark: known.iter().filter_map(|progress| progress.last).max(),
    }
}

/// Moments before which events are not kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) successes: Timestamp,
    pub(super) failures: Timestamp,
}

impl Bounds {
    pub(super) fn of(authority: &Authority, now: Timestamp) -> Self {
        let settings = authority.settings();
        let days_ago = |days: u32| now.plus_days(-i64::from(days));
        Self {
            successes: days_ago(settings.retention_days),
            failures: days_ago(settings.failure_retention_days.max(settings.retention_days)),
        }
    }

    pub(super) fn admits(self, event: &DecisionRecord) -> bool {
        event.occurred_at >= if event.success() { self.successes } else { self.failures }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const DAY: i64 = 86_400_000_000;

    fn progress(run: Option<(i64, i64)>, events_from: Option<i64>, last: Option<i64>) -> Progress {
        let last = last.map(|at| (at, Uuid::from_u128(1)));
        let (run_from, run_at) = run.unzip();
        Progress { source: "a".to_owned(), run_from, run_at, events_from, last }
    }

    fn begins(known: &Progress, since: Option<i64>) -> (i64, Option<i64>, Option<i64>) {
        let plan = plan(std::slice::from_ref(known), "a", 10 * DAY, since, 1_000 * DAY);
        (plan.span.from.0, plan.progress.run_from, plan.progress.events_from)
    }

    #[test]
    fn a_run_begins_where_nothing_can_be_missing() {
        let day = |number: i64| number * DAY;
        let behind = |number: i64| number * DAY - OVERLAP_MICROS;
        for (known, since, from, run_from, events_from) in [
            // Nothing was taken.
            (progress(None, None, None), None, day(10), day(10), None),
            (progress(None, None, None), Some(day(30)), day(30), day(30), None),
            (progress(None, None, None), Some(day(1)), day(10), day(10), None),
            // A run that was killed goes on from where it was, and its begin is remembered.
            (progress(Some((day(9), day(50))), None, Some(day(50))), None, behind(50), day(9), None),
            (
                progress(Some((day(30), day(50))), None, Some(day(50))),
                Some(day(30)),
                behind(50),
                day(30),
                None,
            ),
            (progress(Some((day(9), day(40))), None, Some(day(70))), None, behind(40), day(9), None),
            // One that began later than what is asked for now leaves a hole, and so does one that ended earlier.
            (progress(Some((day(30), day(50))), None, Some(day(50))), None, day(10), day(10), None),
            (progress(Some((day(9), day(50))), None, Some(day(50))), Some(day(60)), day(60), day(60), None),
            // All was taken before: what came since.
            (progress(None, Some(day(9)), Some(day(50))), None, behind(50), behind(50), Some(day(9))),
            // Asked for again, it is looked at again; what is left out is missing from then on.
            (progress(None, Some(day(9)), Some(day(50))), Some(day(20)), day(20), day(20), Some(day(9))),
            (progress(None, Some(day(9)), Some(day(50))), Some(day(60)), day(60), day(60), None),
        ] {
            assert_eq!(begins(&known, since), (from, Some(run_from), events_from), "{known:?} {since:?}");
        }
    }

    #[test]
    fn nothing_is_looked_for_beyond_what_any_import_has_taken() {
        let other = Progress { source: "b".to_owned(), ..progress(None, Some(1), Some(70 * DAY)) };
        let known = [progress(None, Some(1), Some(50 * DAY)), other];
        let plan = plan(&known, "a", 10 * DAY, None, 1_000 * DAY);
        assert_eq!(plan.mark.map(|(at, _)| at), Some(70 * DAY));
        assert_eq!(plan.progress.last.map(|(at, _)| at), Some(50 * DAY));
    }
}
