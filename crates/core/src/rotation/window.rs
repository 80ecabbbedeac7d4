//! Maintenance windows: when they open, by the clock of a place, and for how long.
//!
//! A cron expression is about the time that a clock on a wall shows. Where that jumps ahead, an opening that falls
//! into the gap happens at its end; where it is set back, an opening happens the first time only. So each opening
//! happens once, whatever the clock does.

use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::time::Timestamp;

/// The most characters of an expression.
pub const MAX_CRON: usize = 100;
/// The most characters of the name of a time zone.
pub const MAX_ZONE: usize = 64;
/// How long a window is open, in minutes: at least so long that a scheduler that looks once a minute meets it.
pub const DURATION_MINUTES: std::ops::RangeInclusive<u32> = 5..=10_080;
/// An expression that finds no moment within so many years finds none at all: the 29th of February is the rarest.
const SEARCHED_YEARS: i16 = 9;

/// When a window opens, and for how long.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: croner::Cron,
    duration_minutes: u32,
    zone: TimeZone,
}

/// Why something is no schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Not an expression of five fields.
    #[error("is not a cron expression of five fields, such as \"0 2 * * SUN\"")]
    Cron,
    /// It never happens.
    #[error("never happens")]
    Never,
    /// No such zone.
    #[error("is not the name of an IANA time zone, such as \"Europe/Berlin\"")]
    Zone,
    /// Too short or too long.
    #[error("must be from 5 to 10080")]
    Duration,
}

impl ScheduleError {
    /// The field that is wrong.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Cron | Self::Never => "cron",
            Self::Zone => "time_zone",
            Self::Duration => "duration_minutes",
        }
    }
}

/// A time zone by its IANA name, from the database that is built in: the same on every node.
///
/// # Errors
/// [`ScheduleError::Zone`].
pub fn time_zone(name: &str) -> Result<TimeZone, ScheduleError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_+-".contains(c);
    if name.is_empty() || name.len() > MAX_ZONE || !name.chars().all(plain) {
        return Err(ScheduleError::Zone);
    }
    TimeZone::get(name).map_err(|_| ScheduleError::Zone)
}

impl Schedule {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong, and with which field.
    pub fn parse(cron: &str, duration_minutes: u32, zone: &str) -> Result<Self, ScheduleError> {
        if !DURATION_MINUTES.contains(&duration_minutes) {
            return Err(ScheduleError::Duration);
        }
        let zone = time_zone(zone)?;
        if cron.len() > MAX_CRON || !cron.is_ascii() || cron.bytes().any(|b| b.is_ascii_control()) {
            return Err(ScheduleError::Cron);
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(cron).map_err(|_| ScheduleError::Cron)?;
        let schedule = Self { cron, duration_minutes, zone };
        let begin = DateTime::constant(2026, 1, 1, 0, 0, 0, 0);
        match schedule.after_civil(begin) {
            Some(first) if first.year() - begin.year() <= SEARCHED_YEARS => Ok(schedule),
            _ => Err(ScheduleError::Never),
        }
    }

    /// How long it is open.
    pub const fn duration_minutes(&self) -> u32 {
        self.duration_minutes
    }

    /// Whether the window is open at this moment.
    pub fn is_open_at(&self, moment: Timestamp) -> bool {
        let length = i64::from(self.duration_minutes) * 60;
        self.opens_after(moment.plus_seconds(-length)).is_some_and(|opened| opened <= moment)
    }

    /// When the window opens next, after this moment.
    pub fn opens_after(&self, moment: Timestamp) -> Option<Timestamp> {
        let instant = jiff::Timestamp::from_microsecond(moment.as_micros()).ok()?;
        let mut civil = self.zone.to_datetime(instant);
        // Where the clock was set back, what it shows again has happened already: not more than a day of it.
        for _ in 0..24 * 60 {
            civil = self.after_civil(civil)?;
            let opens = self.instant(civil)?;
            if opens > moment {
                return Some(opens);
            }
        }
        None
    }

    /// The first moment from `moment` on at which it is open.
    pub fn open_from(&self, moment: Timestamp) -> Option<Timestamp> {
        if self.is_open_at(moment) { Some(moment) } else { self.opens_after(moment) }
    }

    /// The next time on the wall that the expression names.
    fn after_civil(&self, civil: DateTime) -> Option<DateTime> {
        let shown = civil.to_zoned(TimeZone::UTC).ok()?;
        self.cron.find_next_occurrence(&shown, false).ok().map(|next| next.datetime())
    }

    /// When the clock shows this: the first time if twice, the end of the gap if never.
    fn instant(&self, civil: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(civil);
        let instant = match ambiguous.offset() {
            AmbiguousOffset::Gap { after, .. } => {
                let before_the_gap = after.to_timestamp(civil).ok()?;
                self.zone.following(before_the_gap).next()?.timestamp()
            }
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => {
                ambiguous.compatible().ok()?
            }
        };
        Some(Timestamp::from_micros(instant.as_microsecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn schedule(cron: &str, minutes: u32, zone: &str) -> Schedule {
        Schedule::parse(cron, minutes, zone).unwrap()
    }

    fn openings(schedule: &Schedule, from: &str, count: usize) -> Vec<String> {
        let mut moment = at(from);
        let next = std::iter::from_fn(|| {
            moment = schedule.opens_after(moment)?;
            Some(moment.to_string())
        });
        next.take(count).collect()
    }

    #[test]
    fn an_opening_in_the_gap_happens_once_at_its_end() {
        // Berlin, 2027-03-28: 02:00 becomes 03:00, which is 01:00 UTC.
        let nightly = schedule("30 2 * * *", 60, "Europe/Berlin");
        assert_eq!(
            openings(&nightly, "2027-03-26T12:00:00Z", 4),
            ["2027-03-27T01:30:00Z", "2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z", "2027-03-30T00:30:00Z"]
        );
        assert!(nightly.is_open_at(at("2027-03-28T01:00:00Z")));
        assert!(nightly.is_open_at(at("2027-03-28T01:59:59Z")));
        assert!(!nightly.is_open_at(at("2027-03-28T02:00:00Z")));
        assert!(!nightly.is_open_at(at("2027-03-28T00:59:59Z")));
    }

    #[test]
    fn an_opening_in_the_fold_happens_the_first_time_alone() {
        // Berlin, 2027-10-31: 03:00 becomes 02:00, which is 01:00 UTC.
        let nightly = schedule("30 2 * * *", 30, "Europe/Berlin");
        assert_eq!(
            openings(&nightly, "2027-10-30T12:00:00Z", 2),
            ["2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"]
        );
        assert!(!nightly.is_open_at(at("2027-10-31T01:30:00Z")));
        // Asked in the second pass, it does not tell of what has been.
        assert_eq!(nightly.opens_after(at("2027-10-31T01:10:00Z")), Some(at("2027-11-01T01:30:00Z")));
        // New York, 2027-11-07, and a zone that moves by half an hour.
        let new_york = schedule("30 1 * * *", 30, "America/New_York");
        assert_eq!(openings(&new_york, "2027-11-07T00:00:00Z", 1), ["2027-11-07T05:30:00Z"]);
        let lord_howe = schedule("45 1 * * *", 30, "Australia/Lord_Howe");
        assert_eq!(lord_howe.opens_after(at("2027-04-03T14:46:00Z")), Some(at("2027-04-04T15:15:00Z")));
    }

    #[test]
    fn a_window_lasts_past_midnight_and_ends_when_it_says() {
        let weekend = schedule("0 22 * * SAT", 12 * 60, "UTC");
        for (moment, open) in [
            ("2027-03-06T21:59:59Z", false),
            ("2027-03-06T22:00:00Z", true),
            ("2027-03-07T09:59:59Z", true),
            ("2027-03-07T10:00:00Z", false),
        ] {
            assert_eq!(weekend.is_open_at(at(moment)), open, "{moment}");
        }
        assert_eq!(weekend.open_from(at("2027-03-07T03:00:00Z")), Some(at("2027-03-07T03:00:00Z")));
        assert_eq!(weekend.open_from(at("2027-03-07T12:00:00Z")), Some(at("2027-03-13T22:00:00Z")));
        let leap = schedule("0 0 29 2 *", 60, "UTC");
        assert_eq!(openings(&leap, "2027-01-01T00:00:00Z", 1), ["2028-02-29T00:00:00Z"]);
    }

    #[test]
    fn what_is_no_schedule_is_refused_and_says_which_field_is_wrong() {
        for (cron, minutes, zone, error) in [
            ("", 60, "UTC", ScheduleError::Cron),
            ("* * * *", 60, "UTC", ScheduleError::Cron),
            ("0 0 0 * * *", 60, "UTC", ScheduleError::Cron),
            ("0 0 1 1 * 2030", 60, "UTC", ScheduleError::Cron),
            ("60 * * * *", 60, "UTC", ScheduleError::Cron),
            ("0 2 * * SUNDAYS", 60, "UTC", ScheduleError::Cron),
            ("0 0 30 2 *", 60, "UTC", ScheduleError::Never),
            ("0 2 * * *", 4, "UTC", ScheduleError::Duration),
            ("0 2 * * *", 10_081, "UTC", ScheduleError::Duration),
            ("0 2 * * *", 60, "Mars/Olympus", ScheduleError::Zone),
            ("0 2 * * *", 60, "../../etc/passwd", ScheduleError::Zone),
            ("0 2 * * *", 60, "", ScheduleError::Zone),
        ] {
            assert_eq!(Schedule::parse(cron, minutes, zone).unwrap_err(), error, "{cron:?} {zone:?}");
            assert!(["cron", "time_zone", "duration_minutes"].contains(&error.field()));
        }
    }

    const ZONES: [&str; 7] = [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kolkata",
        "America/Sao_Paulo",
        "Africa/Casablanca",
    ];

    proptest! {
        /// Whatever the clock does, a daily window opens once on each day of the calendar.
        #[test]
        fn a_daily_window_opens_once_a_day(
            zone in proptest::sample::select(&ZONES[..]), hour in 0u32..24, minute in 0u32..60, day in 0i64..3_000,
        ) {
            let schedule = schedule(&format!("{minute} {hour} * * *"), 30, zone);
            let tz = time_zone(zone).unwrap();
            let mut moment = at("2026-01-01T00:00:00Z").plus_days(day);
            let date = |moment: Timestamp| {
                tz.to_datetime(jiff::Timestamp::from_microsecond(moment.as_micros()).unwrap()).date()
            };
            moment = schedule.opens_after(moment).unwrap();
            for _ in 0..40 {
                let next = schedule.opens_after(moment).unwrap();
                prop_assert!(next > moment);
                // A gap that begins at midnight, or before it, may move an opening to the day after.
                prop_assert_eq!(date(moment).tomorrow().unwrap(), date(next));
                prop_assert!(schedule.is_open_at(next));
                prop_assert!(schedule.is_open_at(next.plus_micros(30 * 60_000_000 - 1)));
                prop_assert!(!schedule.is_open_at(next.plus_seconds(30 * 60)));
                prop_assert!(!schedule.is_open_at(next.plus_micros(-1)));
                moment = next;
            }
        }

        #[test]
        fn it_is_open_exactly_for_its_length_after_an_opening(
            zone in proptest::sample::select(&ZONES[..]), minutes in 5u32..600, step in 1u32..59, offset in 0i64..400_000,
        ) {
            let schedule = schedule(&format!("{step} */7 * * *"), minutes, zone);
            let moment = at("2027-03-20T00:00:00Z").plus_seconds(offset * 20);
            let length = i64::from(minutes) * 60;
            // By looking at every opening of the time before.
            let mut opened = schedule.opens_after(moment.plus_seconds(-length - 90_000)).unwrap();
            let mut open = false;
            while opened <= moment {
                open |= moment < opened.plus_seconds(length);
                opened = schedule.opens_after(opened).unwrap();
            }
            prop_assert_eq!(schedule.is_open_at(moment), open);
        }

        #[test]
        fn nonsense_is_refused_and_never_a_crash(cron in "\\PC{0,40}", zone in "[ -~]{0,20}", minutes in any::<u32>()) {
            let _ = Schedule::parse(&cron, minutes, &zone);
            let _ = Schedule::parse(&cron, 60, "UTC");
        }

        #[test]
        fn what_is_read_answers(cron in "[0-9*/,LW#-]{1,5}( [0-9*/,LW#-]{1,4}){4}") {
            if let Ok(schedule) = Schedule::parse(&cron, 60, "Europe/Berlin") {
                let moment = at("2027-03-28T00:59:00Z");
                let next = schedule.opens_after(moment);
                prop_assert!(next.is_none_or(|next| next > moment));
                schedule.is_open_at(moment);
            }
        }
    }
}
