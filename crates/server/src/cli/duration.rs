//! Durations on flags: `24h`, `30m`, `7d`, or a number of seconds.

/// A duration in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) u64);

/// Suffixes, and how many seconds each stands for.
const UNITS: [(char, u64); 5] = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400), ('w', 604_800)];

impl std::str::FromStr for Seconds {
    type Err = String;

    /// One whole number with at most one unit; without a unit, seconds.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (digits, factor) = UNITS
            .iter()
            .find_map(|(suffix, factor)| text.strip_suffix(*suffix).map(|digits| (digits, *factor)))
            .unwrap_or((text, 1));
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err("give a number with s, m, h, d or w, such as 24h; without a unit, seconds".to_owned());
        }
        digits
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .filter(|seconds| i64::try_from(*seconds).is_ok())
            .map(Self)
            .ok_or_else(|| "is too long".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<u64> {
        text.parse::<Seconds>().ok().map(|seconds| seconds.0)
    }

    #[test]
    fn each_unit_counts_in_seconds() {
        for (text, seconds) in [
            ("3600", 3600),
            ("45s", 45),
            ("30m", 1800),
            ("24h", 86_400),
            ("7d", 604_800),
            ("2w", 1_209_600),
            ("0", 0),
        ] {
            assert_eq!(read(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_not_one_whole_number_and_one_unit_is_refused() {
        for text in [
            "",
            "h",
            "1.5h",
            "-1",
            "+1",
            " 1h",
            "1h ",
            "1 h",
            "1h30m",
            "1H",
            "1y",
            "٣h",
            "1e3",
            "99999999999999999999d",
            "18446744073709551615",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_number_and_its_unit_are_what_they_say(number in 0..1_000_000_u64, unit in 0..UNITS.len()) {
            let (suffix, factor) = UNITS[unit];
            prop_assert_eq!(read(&format!("{number}{suffix}")), Some(number * factor));
        }

        #[test]
        fn reading_never_panics(text in ".{0,40}") {
            let _ = read(&text);
        }
    }
}
