//! The one time type: microseconds since the Unix epoch, UTC.
//!
//! Microseconds are what both engines keep, so that a time read back equals the time written.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment, in whole microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why a text is not a moment that Keywright can keep.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TimestampError {
    /// Not RFC 3339.
    #[error("not an RFC 3339 date-time, such as 2027-01-31T12:00:00Z")]
    Format,
    /// Outside the years 1970 to 9999.
    #[error("outside the years 1970 to 9999")]
    Range,
}

const HOUR_MICROS: i64 = 3_600_000_000;
const DAY_MICROS: i64 = 24 * HOUR_MICROS;
/// The last microsecond of the year 9999, the end of RFC 3339's range.
const MAX_MICROS: i64 = 253_402_300_799_999_999;

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);
    /// The last moment that RFC 3339 can write.
    pub const MAX: Self = Self(MAX_MICROS);

    /// From microseconds since the Unix epoch; the result stays within the years 1970 to 9999.
    pub const fn from_micros(micros: i64) -> Self {
        if micros < 0 {
            Self(0)
        } else if micros > MAX_MICROS {
            Self(MAX_MICROS)
        } else {
            Self(micros)
        }
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, what is less cut off: a `NumericDate` (RFC 7519 §2).
    pub const fn as_seconds(self) -> i64 {
        self.0 / 1_000_000
    }

    /// This moment moved by `micros`, kept within range.
    #[must_use]
    pub const fn plus_micros(self, micros: i64) -> Self {
        Self::from_micros(self.0.saturating_add(micros))
    }

    /// This moment moved by `seconds`, kept within range.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        self.plus_micros(seconds.saturating_mul(1_000_000))
    }

    /// This moment moved by days of 86,400 seconds, kept within range.
    #[must_use]
    pub const fn plus_days(self, days: i64) -> Self {
        self.plus_seconds(days.saturating_mul(86_400))
    }

    /// Microseconds from `earlier` to this moment, negative when it is later.
    pub const fn micros_since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// The begin of its hour.
    #[must_use]
    pub const fn start_of_hour(self) -> Self {
        Self(self.0 - self.0 % HOUR_MICROS)
    }

    /// The begin of its day, UTC.
    #[must_use]
    pub const fn start_of_day(self) -> Self {
        Self(self.0 - self.0 % DAY_MICROS)
    }

    /// The begin of the month, UTC, that comes so many months after its own; within range.
    #[must_use]
    pub fn start_of_month(self, later: u8) -> Self {
        let months = jiff::Span::new().months(later);
        jiff::Timestamp::from_microsecond(self.0)
            .and_then(|time| {
                time.to_zoned(jiff::tz::TimeZone::UTC).date().first_of_month().checked_add(months)
            })
            .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC))
            .map_or(Self::MAX, |month| Self::from_micros(month.timestamp().as_microsecond()))
    }

    /// Whether a life that ends at `expires_at` is over at this moment. The end itself is outside:
    /// exactly at `expires_at` is expired. **The only comparison of an expiry in the product.**
    pub fn has_reached(self, expires_at: Option<Self>) -> bool {
        expires_at.is_some_and(|end| self.0 >= end.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) if self.0 % 1_000_000 == 0 => write!(f, "{time:.0}"),
            Ok(time) => write!(f, "{time:.6}"),
            // The last hours of the year 9999.
            Err(_) => {
                let since = jiff::SignedDuration::from_micros(self.0);
                let shown = EPOCH_SHOWN.checked_add(since).map_err(|_| fmt::Error)?;
                if self.0 % 1_000_000 == 0 { write!(f, "{shown:.0}Z") } else { write!(f, "{shown:.6}Z") }
            }
        }
    }
}

/// What a clock at UTC shows at the epoch.
const EPOCH_SHOWN: jiff::civil::DateTime = jiff::civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// The last hours of the year 9999, in which jiff counts no moments: there the clock of some zone shows another year. Many
/// write the end of that year for what never ends.
fn last_hours(text: &str) -> Option<i128> {
    if !text.starts_with("9999-12-") {
        return None;
    }
    let at = text.get(19..)?.find(['Z', 'z', '+', '-']).map(|at| at + 19)?;
    let (shown, offset) = (text[..at].parse::<jiff::civil::DateTime>().ok()?, &text[at..]);
    let ahead: i64 = match offset.as_bytes() {
        [b'Z' | b'z'] => 0,
        [sign, h @ .., b':', m1, m2] if h.len() == 2 => {
            let two = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<i64>().ok();
            let (hours, minutes) = (two(h)?, two(&[*m1, *m2])?);
            let ahead = (hours * 60 + minutes) * 60;
            match (hours, minutes) {
                (0..24, 0..60) if *sign == b'-' => -ahead,
                (0..24, 0..60) => ahead,
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(shown.duration_since(EPOCH_SHOWN).as_micros() - i128::from(ahead) * 1_000_000)
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Reads RFC 3339 with any offset; digits beyond microseconds are cut off.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.as_bytes();
        let shaped = (20..=40).contains(&bytes.len())
            && bytes.iter().enumerate().all(|(i, b)| match i {
                4 | 7 => *b == b'-',
                10 => matches!(b, b'T' | b't'),
                13 | 16 => *b == b':',
                0..19 => b.is_ascii_digit(),
                _ => matches!(b, b'0'..=b'9' | b'.' | b'+' | b'-' | b':' | b'Z' | b'z'),
            });
        if !shaped {
            return Err(TimestampError::Format);
        }
        let micros = match text.parse::<jiff::Timestamp>() {
            Ok(time) => time.as_microsecond(),
            Err(_) => last_hours(text).ok_or(TimestampError::Format)?.try_into().unwrap_or(i64::MAX),
        };
        if (0..=MAX_MICROS).contains(&micros) { Ok(Self(micros)) } else { Err(TimestampError::Range) }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_end_of_a_life_is_outside_it() {
        let end = Timestamp::from_micros(10);
        assert!(!Timestamp::from_micros(9).has_reached(Some(end)));
        assert!(end.has_reached(Some(end)));
        assert!(!end.has_reached(None));
    }

    #[test]
    fn times_are_written_in_utc_with_z() {
        let time: Timestamp = "2027-01-31T13:00:00+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2027-01-31T12:00:00Z");
        assert_eq!(Timestamp::from_micros(1_500_000).to_string(), "1970-01-01T00:00:01.500000Z");
    }

    #[test]
    fn whole_seconds_are_those_that_have_passed() {
        for (micros, seconds) in [(0, 0), (999_999, 0), (1_000_000, 1), (1_999_999, 1)] {
            assert_eq!(Timestamp::from_micros(micros).as_seconds(), seconds);
        }
    }

    #[test]
    fn the_last_year_has_its_last_hours() {
        for (text, written) in [
            ("9999-12-30T21:59:59Z", "9999-12-30T21:59:59Z"),
            ("9999-12-30T22:00:01Z", "9999-12-30T22:00:01Z"),
            ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
            ("9999-12-31t23:59:59z", "9999-12-31T23:59:59Z"),
            ("9999-12-31T23:59:59+01:30", "9999-12-31T22:29:59Z"),
            ("9999-12-31T20:00:00.5-02:00", "9999-12-31T22:00:00.500000Z"),
        ] {
            assert_eq!(
                text.parse::<Timestamp>().map(|time| time.to_string()).as_deref(),
                Ok(written),
                "{text}"
            );
        }
        assert_eq!(Timestamp::MAX.to_string().parse(), Ok(Timestamp::MAX));
        assert_eq!("9999-12-31T23:59:59-00:01".parse::<Timestamp>(), Err(TimestampError::Range));
        for text in [
            "9999-12-31T23:59:59",
            "9999-12-31T23:59:59+24:00",
            "9999-12-31T23:59:59+1:00",
            "9999-12-32T00:00:00Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError::Format), "{text}");
        }
    }

    #[test]
    fn hours_days_and_months_begin_where_utc_says() {
        let time: Timestamp = "2027-12-31T23:59:59.999999Z".parse().unwrap();
        let starts = |time: Timestamp| {
            [time.start_of_hour(), time.start_of_day(), time.start_of_month(0), time.start_of_month(2)]
                .map(|start| start.to_string())
        };
        assert_eq!(
            starts(time),
            ["2027-12-31T23:00:00Z", "2027-12-31T00:00:00Z", "2027-12-01T00:00:00Z", "2028-02-01T00:00:00Z"]
        );
        assert_eq!(time.plus_micros(1).start_of_month(1).to_string(), "2028-02-01T00:00:00Z");
        assert_eq!(Timestamp::EPOCH.start_of_month(0), Timestamp::EPOCH);
        assert_eq!(Timestamp::MAX.start_of_month(1), Timestamp::MAX);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "2027",
            "2027-01-31",
            "2027-01-31 12:00:00Z",
            "2027-13-01T00:00:00Z",
            "2027-01-31T12:00:00",
            "292278994-08-17T07:12:55Z",
            "+002027-01-31T12:00:00Z",
            "1969-12-31T23:59:59Z",
            "2027-01-31T12:00:00Z[UTC]",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(micros in 0..=MAX_MICROS) {
            let time = Timestamp::from_micros(micros);
            prop_assert_eq!(time.to_string().parse::<Timestamp>(), Ok(time));
        }

        #[test]
        fn also_in_the_last_days(before in 0..3 * DAY_MICROS) {
            let time = Timestamp::from_micros(MAX_MICROS - before);
            prop_assert_eq!(time.to_string().parse::<Timestamp>(), Ok(time));
        }

        #[test]
        fn reading_never_panics(text in ".{0,50}") {
            let _ = text.parse::<Timestamp>();
        }
    }
}
