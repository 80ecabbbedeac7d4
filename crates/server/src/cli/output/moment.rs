//! Moments as people read them: a date, and how far away it is.

use keywright_core::Timestamp;

/// Units from the largest down, with their length in seconds; a unit is used from two of it on.
const UNITS: [(&str, i64); 4] = [("days", 86_400), ("hours", 3_600), ("minutes", 60), ("seconds", 1)];

/// How far a moment is from now: `in 89 days`, `3 hours ago`.
pub(crate) fn relative(time: Timestamp, now: Timestamp) -> String {
    let seconds = time.micros_since(now) / 1_000_000;
    let distance = seconds.abs();
    let Some((unit, length)) = UNITS.iter().find(|(_, length)| distance >= 2 * length) else {
        return "now".to_owned();
    };
    let count = distance / length;
    if seconds > 0 { format!("in {count} {unit}") } else { format!("{count} {unit} ago") }
}

/// A moment of the API, `2027-02-18 (in 89 days)`; what is no moment is shown as it is.
pub(crate) fn told(text: &str, now: Timestamp) -> String {
    match text.parse::<Timestamp>() {
        Err(_) => super::text::escape(text),
        Ok(time) => {
            let written = time.to_string();
            let date = written.get(..10).unwrap_or(&written);
            format!("{date} ({})", relative(time, now))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_told_in_the_largest_unit_that_fits_twice() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        for (time, words) in [
            ("2027-02-18T12:00:00Z", "in 89 days"),
            ("2026-11-23T12:00:00Z", "in 2 days"),
            ("2026-11-23T11:59:59Z", "in 47 hours"),
            ("2026-11-21T12:01:59Z", "in 119 seconds"),
            ("2026-11-21T12:00:01Z", "now"),
            ("2026-11-21T11:58:00Z", "2 minutes ago"),
            ("2025-11-21T12:00:00Z", "365 days ago"),
        ] {
            assert_eq!(relative(time.parse().unwrap(), now), words, "{time}");
        }
        assert_eq!(told("2027-02-18T12:00:00Z", now), "2027-02-18 (in 89 days)");
        assert_eq!(told("soon\u{1b}", now), "soon\\u{1b}");
    }
}
