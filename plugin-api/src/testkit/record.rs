//! What the mock writes down for a test to look at: [`Sent`], metrics, panics.
use std::collections::BTreeMap;

use crate::{
    cot::Cot,
    message::{Metric, MetricKind, SendHow},
};

/// An event the plugin sent: with `cot().send`, as a further event of an intercept, as the answer to `Ready`, as a
/// notice of a release, or the released event itself.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The event.
    pub event: Cot,
    /// How it was sent.
    pub how: SendHow,
    /// Connections that got it, in order.
    pub receivers: Vec<u64>,
    /// The journal number of the held event it was released with.
    pub released: Option<u64>,
    /// How many plugins made one event from another to get here.
    pub hop: u8,
    /// Why it went nowhere.
    pub dropped: Option<String>,
}

/// Adds one figure. A histogram shows as `_count` and `_sum`.
pub(super) fn count(metrics: &mut BTreeMap<String, f64>, plugin: &str, metric: &Metric) {
    let labels: Vec<_> = metric.labels.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    let name = |suffix: &str| format!("fts_{}_{}{suffix}{labels}", plugin.replace('-', "_"), metric.name);
    match metric.kind {
        MetricKind::Counter => *metrics.entry(name("")).or_default() += metric.value,
        MetricKind::Gauge => {
            metrics.insert(name(""), metric.value);
        }
        MetricKind::Histogram => {
            *metrics.entry(name("_count")).or_default() += 1.0;
            *metrics.entry(name("_sum")).or_default() += metric.value;
        }
    }
}
