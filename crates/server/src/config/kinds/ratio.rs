//! Shares of a whole.

use super::{Fault, Raw, Settable, Shape};
use crate::config::setting::Setting;

/// A share from nothing to all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio(f64);

impl Ratio {
    /// From 0 to 1.
    pub const fn value(self) -> f64 {
        self.0
    }
}

impl Settable for Ratio {
    const SHAPE: Shape = Shape::Fraction;

    fn parse(raw: &Raw, _: &Setting) -> Result<Self, Fault> {
        match raw.text()?.parse::<f64>() {
            Ok(number) if (0.0..=1.0).contains(&number) => Ok(Self(number.abs())),
            Ok(number) if number.is_finite() => Err(Fault::new("is not within 0 and 1")),
            _ => Err(Fault::new("is not a number")),
        }
    }

    fn show(&self) -> String {
        self.0.to_string()
    }

    fn expects(_: &Setting) -> String {
        "a number from 0 to 1, such as `0.01`".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table::find;

    #[test]
    fn a_share_is_between_nothing_and_all() {
        let setting = find("telemetry.sample_ratio").unwrap();
        let read = |text: &str| Ratio::parse(&Raw::Text(text.to_owned()), setting).map(Ratio::value);
        for (text, value) in [("0", 0.0), ("1", 1.0), ("0.25", 0.25), ("1e-3", 0.001), ("-0", 0.0)] {
            assert_eq!(read(text), Ok(value), "{text}");
        }
        for bad in ["", "x", "1.1", "-0.1", "NaN", "inf", "-inf", "10%"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
