//! Random numbers that a seed repeats.

use std::f64::consts::TAU;

/// Random numbers of a seed.
pub(super) struct Chance(fastrand::Rng);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// Another stream, of which this one knows nothing.
    pub(super) fn fork(&mut self) -> Self {
        Self(self.0.fork())
    }

    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.f64()
    }

    /// From `low` on and before `high`.
    pub(super) fn whole(&mut self, low: i64, high: i64) -> i64 {
        self.0.i64(low..high.max(low + 1))
    }

    pub(super) fn happens(&mut self, probability: f64) -> bool {
        self.0.f64() < probability
    }

    pub(super) fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.0.usize(..all.len())]
    }

    /// The index of one of them, by weight.
    pub(super) fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.0.f64() * weights.iter().sum::<f64>();
        for (at, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return at;
            }
        }
        weights.len() - 1
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.0.f64()).ln()).sqrt() * (TAU * self.0.f64()).cos()
    }

    /// A count of which `mean` are expected, for the better or the worse.
    pub(super) fn noisy_count(&mut self, mean: f64, sigma: f64) -> u64 {
        let factor = self.factor(sigma);
        self.count(mean * factor)
    }

    /// About 1, by a factor of `e^sigma` up or down.
    pub(super) fn factor(&mut self, sigma: f64) -> f64 {
        (sigma * self.normal()).exp()
    }

    /// Evenly on a scale of logarithms.
    pub(super) fn scale(&mut self, low: f64, high: f64) -> f64 {
        (self.between(low.ln(), high.ln())).exp()
    }

    /// A count of independent events of which `mean` are expected.
    pub(super) fn count(&mut self, mean: f64) -> u64 {
        if mean <= 0.0 {
            return 0;
        }
        if mean > 40.0 {
            return self.normal().mul_add(mean.sqrt(), mean).round().max(0.0) as u64;
        }
        let (mut left, mut count) = ((-mean).exp(), 0);
        let mut draw = self.0.f64();
        let mut product = left;
        while draw > left && count < 1_000 {
            draw -= left;
            count += 1;
            product *= mean / count as f64;
            left = product;
        }
        count
    }
}
