//! The counters of the hot path, looked up once (operations.md 6.2). Everything that is counted per event or per write
//! has its handle here; rarer metrics use the `metrics` macros with the names of this file's list.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use metrics::{Counter, Gauge, Histogram};
use parking_lot::Mutex;

/// Handles of one process. Labels are fixed sets, never a uid, callsign or address.
#[allow(missing_docs)]
pub struct Meters {
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

/// The name of the listener that is none.
pub const CANARY: &str = "canary";

/// Events through one listener, by form.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Traffic {
    pub received_xml: Counter,
    pub received_proto: Counter,
    pub sent_xml: Counter,
    pub sent_proto: Counter,
}

/// The handles of a listener; the same for all its clients. The health canary's count nowhere.
pub fn traffic(listener: &str) -> Arc<Traffic> {
    let none = Counter::noop;
    if listener == CANARY {
        return Arc::new(Traffic {
            received_xml: none(),
            received_proto: none(),
            sent_xml: none(),
            sent_proto: none(),
        });
    }
    static TRAFFIC: OnceLock<Mutex<HashMap<String, Arc<Traffic>>>> = OnceLock::new();
    let mut known = TRAFFIC.get_or_init(Mutex::default).lock();
    if let Some(there) = known.get(listener) {
        return there.clone();
    }
    let counter = |name: &'static str, format: &'static str| metrics::counter!(name, "listener" => listener.to_owned(), "format" => format);
    let made = Arc::new(Traffic {
        received_xml: counter("fts_cot_received_total", "xml"),
        received_proto: counter("fts_cot_received_total", "protobuf"),
        sent_xml: counter("fts_cot_sent_total", "xml"),
        sent_proto: counter("fts_cot_sent_total", "protobuf"),
    });
    known.insert(listener.to_owned(), made.clone());
    made
}
