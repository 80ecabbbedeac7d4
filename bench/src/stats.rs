//! Medians, and how far what they stand for is spread.

/// Several measurements of one thing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }
}

impl From<f64> for Samples {
    fn from(value: f64) -> Self {
        Self(vec![value])
    }
}

impl Samples {
    /// The middle one, or the mean of the two in the middle.
    pub(crate) fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        match self.0.len() {
            0 => f64::NAN,
            n if n % 2 == 0 => f64::midpoint(self.0[middle - 1], self.0[middle]),
            _ => self.0[middle],
        }
    }

    /// The least and the greatest; `None` when there is but one.
    pub(crate) fn spread(&self) -> Option<(f64, f64)> {
        (self.0.len() > 1).then(|| (self.0[0], self.0[self.0.len() - 1]))
    }

    /// The value that `percent` of them do not exceed.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "few"
        )]
        let rank = (self.0.len() as f64 * percent / 100.0).ceil().max(1.0) as usize;
        self.0.get(rank - 1).copied().unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        let is = |value: f64, wanted: f64| assert!((value - wanted).abs() < 1e-9, "{value}");
        is(Samples::from_iter([3.0, 1.0, 2.0]).median(), 2.0);
        is(Samples::from_iter([4.0, 1.0, 2.0, 3.0]).median(), 2.5);
        assert_eq!(Samples::from_iter([3.0, 1.0, 2.0]).spread(), Some((1.0, 3.0)));
        assert_eq!(Samples::from(7.0).spread(), None);
        let hundred: Samples = (1..=100).map(f64::from).collect();
        is(hundred.percentile(50.0), 50.0);
        is(hundred.percentile(99.0), 99.0);
    }
}
