//! Families of metrics, as `prometheus-client` wants them.

use std::borrow::Cow;
use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::requests::{BOUNDS_MICROS, Distribution};

/// Names with values.
pub(super) type Labels<'a> = Vec<(&'static str, Cow<'a, str>)>;

/// Writes families. The first error is kept; what comes after it is not written.
pub(super) struct Families<'a> {
    encoder: DescriptorEncoder<'a>,
    result: fmt::Result,
}

impl<'a> Families<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self { encoder, result: Ok(()) }
    }

    pub(super) fn finish(self) -> fmt::Result {
        self.result
    }

    fn family(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        write: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
    ) {
        if self.result.is_ok() {
            self.result = self
                .encoder
                .encode_descriptor(name, help, None, kind)
                .and_then(|mut metric| write(&mut metric));
        }
    }

    /// A counter; `_total` is added to its name.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, help, MetricType::Counter, |metric| {
            metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
        });
    }

    /// A counter that is no whole number.
    pub(super) fn counter_of_seconds(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, help, MetricType::Counter, |metric| {
            metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
        });
    }

    /// A counter for each set of labels; `_total` is added to its name.
    pub(super) fn counters<'l>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels<'l>, u64)>,
    ) {
        self.family(name, help, MetricType::Counter, |metric| {
            values.into_iter().try_for_each(|(labels, value)| {
                metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
            })
        });
    }

    /// A gauge; none where nothing is known.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Into<Option<f64>>) {
        if let Some(value) = value.into() {
            self.family(name, help, MetricType::Gauge, |metric| metric.encode_gauge(&value));
        }
    }

    /// A gauge for each set of labels.
    pub(super) fn gauges<'l>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels<'l>, f64)>,
    ) {
        self.family(name, help, MetricType::Gauge, |metric| {
            values
                .into_iter()
                .try_for_each(|(labels, value)| metric.encode_family(&labels)?.encode_gauge(&value))
        });
    }

    /// What is told by its labels alone; `_info` is added to its name.
    pub(super) fn info(&mut self, name: &str, help: &str, labels: &Labels<'_>) {
        self.family(name, help, MetricType::Info, |metric| metric.encode_info(labels));
    }

    /// Durations in seconds, for each set of labels.
    pub(super) fn durations<'l>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels<'l>, Distribution)>,
    ) {
        self.family(name, help, MetricType::Histogram, |metric| {
            values.into_iter().try_for_each(|(labels, value)| {
                let histogram = Histogram(&value);
                if labels.is_empty() {
                    histogram.write(metric)
                } else {
                    histogram.encode(metric.encode_family(&labels)?)
                }
            })
        });
    }
}

struct Histogram<'a>(&'a Distribution);

impl Histogram<'_> {
    fn write(&self, metric: &mut MetricEncoder<'_>) -> fmt::Result {
        let bounds = BOUNDS_MICROS.iter().map(|bound| f64::from(*bound) / 1e6).chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(self.0.counts.iter().copied()).collect();
        metric.encode_histogram::<NoLabelSet>(seconds(self.0.micros), self.0.count(), &buckets, None)
    }
}

impl EncodeMetric for Histogram<'_> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        self.write(&mut encoder)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of 285 years fit in 53 bits")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}
