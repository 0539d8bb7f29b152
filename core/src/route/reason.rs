//! [`Reason`]: why an event was not accepted or not delivered. Every one has a counter, and `fts why` names it.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use metrics::Counter;

use crate::wire::Reject;

macro_rules! reasons {
    ($($name:ident $metric:literal $label:literal),* $(,)?) => {
        /// See the file's head. The first group is refused at the door, the second was accepted and not delivered
        /// (cot.md 14).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum Reason { $($name),* }

        const NAMES: &[(&str, &str)] = &[$(($metric, $label)),*];
    };
}

reasons! {
    Utf8 "fts_cot_rejected_total" "utf8",
    Xml "fts_cot_rejected_total" "xml",
    Oversize "fts_cot_rejected_total" "oversize",
    Garbage "fts_cot_rejected_total" "garbage",
    Schema "fts_cot_rejected_total" "schema",
    Doctype "fts_cot_rejected_total" "doctype",
    Proto "fts_cot_rejected_total" "proto",
    Rate "fts_cot_rejected_total" "rate",
    Loop "fts_cot_rejected_total" "loop",
    Notice "fts_cot_rejected_total" "notice",
    NotAuthenticated "fts_cot_rejected_total" "not_authenticated",
    NotIdentified "fts_cot_rejected_total" "not_identified",
    Stale "fts_cot_rejected_total" "stale",
    Filtered "fts_cot_rejected_total" "filter",
    Duplicate "fts_cot_rejected_total" "duplicate",
    Incognito "fts_cot_rejected_total" "incognito",
    ReadOnly "fts_cot_rejected_total" "one_way",
    Looking "fts_cot_rejected_total" "readonly",
    StateOverflow "fts_cot_dropped_total" "state_overflow",
    Conflated "fts_cot_dropped_total" "conflated",
    SlowConsumer "fts_cot_dropped_total" "slow_consumer",
    NoReach "fts_cot_dropped_total" "no_reach",
    UnboundDest "fts_cot_dropped_total" "unbound_dest",
    NotWriter "fts_cot_dropped_total" "not_writer",
    NoReceiver "fts_cot_dropped_total" "no_receiver",
    Filter "fts_cot_dropped_total" "filter",
    TooBig "fts_cot_dropped_total" "oversize_proto",
    Offered "fts_cot_dropped_total" "oversize_offered",
    Gone "fts_cot_dropped_total" "gone",
    PluginDropped "fts_cot_dropped_total" "plugin",
    PluginLoop "fts_cot_dropped_total" "plugin_loop",
    PluginDown "fts_cot_dropped_total" "plugin_down",
    GuardDown "fts_cot_dropped_total" "guard_down",
    Discarded "fts_cot_dropped_total" "discarded",
}

struct Count {
    total: AtomicU64,
    meter: Counter,
}

fn counts() -> &'static [Count] {
    static COUNTS: OnceLock<Vec<Count>> = OnceLock::new();
    COUNTS.get_or_init(|| {
        let meter = |(metric, label): &(&'static str, &'static str)| metrics::counter!(*metric, "reason" => *label);
        NAMES.iter().map(|n| Count { total: AtomicU64::new(0), meter: meter(n) }).collect()
    })
}

fn overflow(class: &'static str, n: u64) {
    metrics::counter!("fts_client_queue_overflow_total", "class" => class).increment(n);
}

impl Reason {
    /// The label.
    pub fn name(self) -> &'static str {
        NAMES[self as usize].1
    }

    /// Makes every counter known, so that a scrape shows a reason that never occurred as 0.
    pub fn register() {
        counts();
        ["reliable", "state"].iter().for_each(|class| overflow(class, 0));
    }

    /// Counts `n` events.
    pub fn count(self, n: u64) {
        match self {
            Reason::StateOverflow => overflow("state", n),
            Reason::SlowConsumer => overflow("reliable", n),
            _ => {}
        }
        if let Some(count) = counts().get(self as usize) {
            count.total.fetch_add(n, Relaxed);
            count.meter.increment(n);
        }
    }

    /// Totals of all reasons that occurred: (metric, label, total).
    pub fn totals() -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        NAMES.iter().zip(counts()).map(|((m, l), c)| (*m, *l, c.total.load(Relaxed))).filter(|(_, _, n)| *n > 0)
    }
}

impl From<Reject> for Reason {
    fn from(reject: Reject) -> Self {
        match reject {
            Reject::Utf8 => Reason::Utf8,
            Reject::Xml => Reason::Xml,
            Reject::Oversize => Reason::Oversize,
            Reject::Garbage => Reason::Garbage,
            Reject::Schema => Reason::Schema,
            Reject::Doctype => Reason::Doctype,
            Reject::Proto => Reason::Proto,
        }
    }
}
