//! Metrics (operations.md 6.2): the recorder, the text for Prometheus, and what is read from the process itself.
use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Seconds: from microseconds of the router to the patience of a stalled client.
const BUCKETS: &[f64] = &[0.000_01, 0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 20.0];

/// Rows of a batch.
const ROWS: &[f64] = &[1.0, 5.0, 10.0, 50.0, 100.0, 250.0, 500.0, 1_000.0];

/// Installs the recorder of this process; metrics counted before are lost.
pub fn install() {
    RECORDER.get_or_init(|| {
        let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".into()), BUCKETS).ok()?;
        let builder = builder.set_buckets_for_metric(Matcher::Suffix("_rows".into()), ROWS).ok()?;
        let handle = builder.install_recorder().ok()?;
        metrics::gauge!("fts_build_info", "version" => env!("CARGO_PKG_VERSION"), "git" => env!("FTS_GIT"), "rustc" => env!("FTS_RUSTC"), "abi" => "1.0").set(1.0);
        metrics::gauge!("fts_start_time_seconds").set(super::clock::now_ms() as f64 / 1_000.0);
        Some(handle)
    });
}

/// Folds what histograms have gathered: they keep every single value until then. Called every second, so that memory
/// does not depend on somebody who scrapes.
pub fn upkeep() {
    if let Some(Some(handle)) = RECORDER.get() {
        handle.run_upkeep();
    }
}

/// Everything as Prometheus text.
pub fn render() -> String {
    process();
    RECORDER.get().and_then(Option::as_ref).map(PrometheusHandle::render).unwrap_or_default()
}

/// What /proc says about this process.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct Process {
    pub cpu_seconds: f64,
    pub resident_bytes: u64,
    pub threads: u64,
    pub open_fds: u64,
}

/// Reads it.
pub fn read_process() -> Process {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in brackets may hold blanks: count behind it.
    let fields: Vec<&str> =
        stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    let number = |n: usize| fields.get(n).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    Process {
        cpu_seconds: (number(11) + number(12)) as f64 / rustix::param::clock_ticks_per_second() as f64,
        resident_bytes: number(21) * rustix::param::page_size() as u64,
        threads: number(17),
        open_fds: std::fs::read_dir("/proc/self/fd").map_or(0, |d| d.count() as u64),
    }
}

fn process() {
    let process = read_process();
    metrics::gauge!("process_cpu_seconds_total").set(process.cpu_seconds);
    metrics::gauge!("process_resident_memory_bytes").set(process.resident_bytes as f64);
    metrics::gauge!("process_threads").set(process.threads as f64);
    metrics::gauge!("process_open_fds").set(process.open_fds as f64);
}
