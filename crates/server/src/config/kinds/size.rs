//! Amounts of bytes.

use std::fmt;

use super::{Fault, Raw, Settable, Shape};
use crate::config::setting::Setting;

const UNITS: [(&str, u64); 10] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
    ("", 1),
];

/// An amount of bytes: `1GiB`, `512MiB`, `1GB`, or the bare number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

impl ByteSize {
    /// The bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

/// In the greatest binary unit that divides it.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = UNITS[..4].iter().find(|(_, bytes)| self.0 >= *bytes && self.0.is_multiple_of(*bytes));
        match binary {
            Some((unit, bytes)) => write!(f, "{}{unit}", self.0 / bytes),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Settable for ByteSize {
    const SHAPE: Shape = Shape::Size;

    fn parse(raw: &Raw, setting: &Setting) -> Result<Self, Fault> {
        let text = raw.text()?;
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()));
        let (Some((_, factor)), false) = (unit, number.is_empty()) else {
            return Err(Fault::new("is not an amount of bytes"));
        };
        let (least, greatest) = setting.bounds;
        let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor));
        match bytes {
            Some(bytes) if bytes < least => Err(Fault::new("is too small")),
            Some(bytes) if bytes <= greatest => Ok(Self(bytes)),
            _ => Err(Fault::new("is too large")),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn expects(setting: &Setting) -> String {
        let (least, greatest) = setting.bounds;
        format!("an amount from {} to {}, such as `1GiB`, `512MiB` or bytes", Self(least), Self(greatest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table::find;

    fn parse(text: &str) -> Option<u64> {
        let setting = find("journal.max_bytes").unwrap();
        ByteSize::parse(&Raw::Text(text.to_owned()), setting).ok().map(ByteSize::bytes)
    }

    #[test]
    fn binary_and_decimal_units_are_told_apart() {
        assert_eq!(parse("1GiB"), Some(1 << 30));
        assert_eq!(parse("1 gib"), Some(1 << 30));
        assert_eq!(parse("1GB"), Some(1_000_000_000));
        assert_eq!(parse("512MiB"), Some(512 << 20));
        assert_eq!(parse("8388608"), Some(8 << 20));
    }

    #[test]
    fn what_is_no_amount_or_does_not_fit_is_refused() {
        for bad in
            ["", "GiB", "1.5GiB", "-1GiB", "1G", "1GiBs", "99999999999TiB", "18446744073709551616", "8388607"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_amount_is_shown_as_it_can_be_written() {
        for bytes in [8 << 20, (8 << 20) + 1, 1 << 30, 3 << 29, 1 << 40] {
            assert_eq!(parse(&ByteSize(bytes).to_string()), Some(bytes));
        }
        assert_eq!(ByteSize(3 << 29).to_string(), "1536MiB");
    }
}
