//! Metrics of plugins: `fts_<plugin>_<name>`, `-` as `_`.
use fts_plugin_api::{
    abi::Failure,
    message::{Metric, MetricKind},
};
use metrics::Label;

use super::{super::Generation, invalid};

/// More labels than this make no metric.
const MOST_LABELS: usize = 8;

/// Notes one figure.
pub fn note(generation: &Generation, metric: &Metric) -> Result<(), Failure> {
    let fine = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !fine(&metric.name) || metric.labels.len() > MOST_LABELS || !metric.labels.iter().all(|(n, _)| fine(n)) {
        return invalid(format!(
            "metric {:?}: names are letters, digits and _, at most {MOST_LABELS} labels",
            metric.name
        ));
    }
    let name = format!("fts_{}_{}", generation.name().replace('-', "_"), metric.name);
    let labels: Vec<Label> = metric.labels.iter().map(|(n, v)| Label::new(n.clone(), v.clone())).collect();
    match metric.kind {
        MetricKind::Counter => metrics::counter!(name, labels).increment(metric.value.max(0.0) as u64),
        MetricKind::Gauge => metrics::gauge!(name, labels).set(metric.value),
        MetricKind::Histogram => metrics::histogram!(name, labels).record(metric.value),
    }
    Ok(())
}
