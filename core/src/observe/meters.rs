//! The counters of the hot path, looked up once (operations.md 6.2). Everything that is counted per event or per write
//! has its handle here; rarer metrics use the `metrics` macros with the names of this file's list.

use std::sync::OnceLock;

use metrics::{Counter, Gauge, Histogram};

/// Handles of one process. Labels are fixed sets, never a uid, callsign or address.
#[allow(missing_docs)]
pub struct Meters {
    pub received_xml: Counter,
    pub received_proto: Counter,
    pub sent_xml: Counter,
    pub sent_proto: Counter,
    pub bytes_in: Counter,
    pub bytes_out: Counter,
    pub routed_broadcast: Counter,
    pub routed_directed: Counter,
    pub routed_chat: Counter,
    pub routed_mission: Counter,
    pub family: [Counter; 5],
    pub route_seconds: Histogram,
    pub delivery_seconds: Histogram,
    pub queue_bytes_max: Gauge,
}
