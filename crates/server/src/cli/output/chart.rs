//! Small charts in one line of text.

/// From a little to all of the greatest value; nothing is a mark of its own.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The same where only ASCII is understood.
const ASCII_BARS: [char; 8] = ['.', ':', '-', '=', '+', '*', '#', '@'];

/// Whether the locale says that the terminal understands more than ASCII.
pub(crate) fn understands_unicode() -> bool {
    let said = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    said.is_some_and(|locale| is_utf8(&locale))
}

fn is_utf8(locale: &str) -> bool {
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// A bar for each value, as high as it is beside the greatest; a space for nothing.
pub(crate) fn sparkline(values: &[u64], unicode: bool) -> String {
    let bars = if unicode { BARS } else { ASCII_BARS };
    let greatest = values.iter().copied().max().unwrap_or(0);
    let bar = |value: &u64| match u128::from(*value) * bars.len() as u128 {
        0 => ' ',
        // Rounded up: whatever there is can be seen.
        scaled => {
            let place = scaled.div_ceil(u128::from(greatest));
            bars[usize::try_from(place).map_or(0, |place| place.clamp(1, bars.len()) - 1)]
        }
    };
    values.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bars_are_as_high_as_their_values() {
        assert_eq!(sparkline(&[0, 1, 4, 8], true), " ▁▄█");
        assert_eq!(sparkline(&[0, 1, 4, 8], false), " .=@");
        assert_eq!(sparkline(&[0, 1, 1_000_000], true), " ▁█");
        assert_eq!(sparkline(&[0, 0], true), "  ");
        assert_eq!(sparkline(&[], true), "");
    }

    #[test]
    fn a_locale_says_what_it_understands() {
        for (locale, unicode) in [
            ("de_CH.UTF-8", true),
            ("C.utf8", true),
            ("C", false),
            ("POSIX", false),
            ("de_CH.ISO8859-1", false),
        ] {
            assert_eq!(is_utf8(locale), unicode, "{locale}");
        }
    }

    proptest! {
        #[test]
        fn each_value_has_one_bar_and_the_greatest_the_highest(values in proptest::collection::vec(any::<u64>(), 0..50)) {
            let line: Vec<char> = sparkline(&values, true).chars().collect();
            prop_assert_eq!(line.len(), values.len());
            let greatest = values.iter().copied().max().unwrap_or(0);
            for (value, bar) in values.iter().zip(line) {
                prop_assert_eq!(*value == 0, bar == ' ');
                prop_assert!(*value != greatest || greatest == 0 || bar == '█');
            }
        }
    }
}
