//! [`Policy`]: the configuration as the hot path wants it: read once per batch, exchanged whole at reload.

use std::sync::Arc;

use crate::{config::Config, session::outbound::Marks};

/// See the file's head.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The configuration it was made from.
    pub config: Arc<Config>,
    /// Attribute name of our own flow tag (RULE-72).
    pub flow_tag: String,
    /// Queue marks; the soft mark is tightened under memory pressure.
    pub marks: Marks,
    /// The same for clients whose sockets take what is written: four times the soft marks.
    pub patient: Marks,
    /// `stream.limits.write_coalesce` in ms: who was written to less than this ago gathers more first.
    pub coalesce_ms: u32,
    /// Addresses of this server, where URLs of files are rewritten (RULE-66).
    pub own: Vec<std::net::IpAddr>,
}

impl Policy {
    /// From a loaded configuration whose node id is known.
    pub fn new(config: Arc<Config>) -> Self {
        let limits = &config.stream.limits;
        let marks = Marks {
            soft_items: limits.queue_soft_items,
            soft_bytes: limits.queue_soft_bytes,
            state_bytes: limits.queue_state_bytes,
            state_age: limits.queue_state_age,
            reliable_bytes: limits.queue_reliable_bytes,
        };
        let coalesce_ms = u32::try_from(limits.write_coalesce.as_millis()).unwrap_or(u32::MAX);
        let flow_tag = format!("{}{}", config.cot.flow_tag_prefix, config.server.node_id);
        let own = super::sender_url::own(&config);
        Self { config, flow_tag, marks, patient: patient(&marks), coalesce_ms, own }
    }

    /// The same with a tighter soft mark: all queues together are over the memory budget.
    pub fn tightened(&self) -> Self {
        let mut tight = self.clone();
        tight.marks.soft_items = (tight.marks.soft_items / 8).max(16);
        tight.marks.soft_bytes = (tight.marks.soft_bytes / 8).max(16 * 1024);
        tight.marks.state_bytes = (tight.marks.state_bytes / 8).max(64 * 1024);
        tight.patient = patient(&tight.marks);
        tight
    }
}

fn patient(marks: &Marks) -> Marks {
    Marks { soft_items: marks.soft_items.saturating_mul(4), soft_bytes: marks.soft_bytes.saturating_mul(4), ..*marks }
}
