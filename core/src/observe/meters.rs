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

/// The handles, looked up at first use (after the recorder is installed).
pub fn meters() -> &'static Meters {
    static METERS: OnceLock<Meters> = OnceLock::new();
    METERS.get_or_init(|| Meters {
        received_xml: metrics::counter!("fts_cot_received_total", "format" => "xml"),
        received_proto: metrics::counter!("fts_cot_received_total", "format" => "protobuf"),
        sent_xml: metrics::counter!("fts_cot_sent_total", "format" => "xml"),
        sent_proto: metrics::counter!("fts_cot_sent_total", "format" => "protobuf"),
        bytes_in: metrics::counter!("fts_cot_bytes_total", "direction" => "in"),
        bytes_out: metrics::counter!("fts_cot_bytes_total", "direction" => "out"),
        routed_broadcast: metrics::counter!("fts_cot_routed_total", "kind" => "broadcast"),
        routed_directed: metrics::counter!("fts_cot_routed_total", "kind" => "directed"),
        routed_chat: metrics::counter!("fts_cot_routed_total", "kind" => "chat"),
        routed_mission: metrics::counter!("fts_cot_routed_total", "kind" => "mission"),
        family: ["a", "b", "t", "u", "other"].map(|f| metrics::counter!("fts_cot_by_type_total", "family" => f)),
        route_seconds: metrics::histogram!("fts_cot_route_seconds"),
        delivery_seconds: metrics::histogram!("fts_cot_delivery_seconds"),
        queue_bytes_max: metrics::gauge!("fts_client_queue_bytes_max"),
    })
}
