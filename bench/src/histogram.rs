//! Latencies: counted in buckets that are at most 1.6 % wide.

use std::time::Duration;

/// Sub-buckets of each power of two.
const SUB_BITS: u32 = 6;
const SUB: usize = 1 << SUB_BITS;

/// How often which latency was seen, in nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; SUB * 40], total: 0, longest: 0 }
    }
}

impl Histogram {
    /// Counts one.
    pub(crate) fn add(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        let bucket = bucket(nanos).min(self.counts.len() - 1);
        self.counts[bucket] += 1;
        self.total += 1;
        self.longest = self.longest.max(nanos);
    }

    /// Takes over what another counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    /// The latency that `percent` of them did not exceed, in microseconds.
    pub(crate) fn percentile_micros(&self, percent: f64) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts are far below 2^52"
        )]
        let wanted = ((self.total as f64) * percent / 100.0).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && *count > 0 {
                return micros(upper(bucket).min(self.longest));
            }
        }
        micros(self.longest)
    }

    /// The longest of them, in microseconds.
    pub(crate) fn longest_micros(&self) -> f64 {
        micros(self.longest)
    }
}

fn bucket(nanos: u64) -> usize {
    let high = u64::BITS - nanos.leading_zeros();
    let shift = high.saturating_sub(SUB_BITS + 1);
    let sub = usize::try_from(nanos >> shift).unwrap_or(usize::MAX);
    shift as usize * SUB + sub
}

fn upper(bucket: usize) -> u64 {
    if bucket < 2 * SUB {
        return bucket as u64;
    }
    let shift = bucket / SUB - 1;
    let sub = (bucket - shift * SUB) as u64;
    ((sub + 1) << shift) - 1
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a benchmark are far below 2^52")]
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_two_percent() {
        let mut histogram = Histogram::default();
        for micros in 1..=10_000 {
            histogram.add(Duration::from_micros(micros));
        }
        for (percent, exact) in [(50.0, 5_000.0), (99.0, 9_900.0), (100.0, 10_000.0), (0.01, 1.0)] {
            let told = histogram.percentile_micros(percent);
            assert!((exact..=exact * 1.02).contains(&told), "p{percent}: {told}");
        }
        assert!((histogram.longest_micros() - 10_000.0).abs() < 1e-9);
    }

    #[test]
    fn every_latency_lies_in_the_bucket_that_names_it() {
        for nanos in (0..2_000_000u64).chain([u64::from(u32::MAX), 10_000_000_000]) {
            let bucket = bucket(nanos);
            assert!(upper(bucket) >= nanos, "{nanos}");
            assert!(bucket == 0 || upper(bucket - 1) < nanos, "{nanos}");
        }
    }
}
