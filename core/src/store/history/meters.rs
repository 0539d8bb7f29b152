//! What the history shows of itself (operations.md 6.2).
use std::time::Instant;

/// Rows of one commit.
pub(super) fn batch(rows: usize) {
    metrics::histogram!("fts_db_write_batch_rows").record(rows as f64);
}

/// Items waiting for the recorder.
pub(super) fn depth(items: usize) {
    metrics::gauge!("fts_db_queue_depth").set(items as f64);
}

/// Positions left out because the disk did not keep up or is nearly full.
pub(super) fn skipped(n: u64) {
    metrics::counter!("fts_history_skipped_total").increment(n);
}

/// Bytes of the database.
pub(super) fn size(bytes: u64) {
    metrics::gauge!("fts_db_size_bytes").set(bytes as f64);
}

/// Measures until it is dropped; `op` is one of a fixed set.
pub(super) struct Timed(&'static str, Instant);

pub(super) fn timed(op: &'static str) -> Timed {
    Timed(op, Instant::now())
}

impl Drop for Timed {
    fn drop(&mut self) {
        metrics::histogram!("fts_db_query_seconds", "op" => self.0).record(self.1.elapsed().as_secs_f64());
    }
}
