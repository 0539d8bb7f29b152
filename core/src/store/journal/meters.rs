//! The journal's metrics (operations.md 6.2): all their names, and nothing else.

/// Gauge: bytes of records in segments.
pub(super) const BYTES: &str = "fts_journal_bytes";
/// Counter: records written.
pub(super) const RECORDS: &str = "fts_journal_records_total";
/// Counter: events delivered before their record was written.
pub(super) const LATE: &str = "fts_journal_late_total";
/// Counter: records that could not be written.
pub(super) const ERRORS: &str = "fts_journal_errors_total";
/// Gauge by consumer: age of the oldest record it is not done with.
pub(super) const LAG: &str = "fts_journal_lag_seconds";
/// Counter by consumer: records that went before it was done with them.
pub(super) const DROPPED: &str = "fts_journal_dropped_total";
