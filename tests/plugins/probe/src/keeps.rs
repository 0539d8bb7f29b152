//! Events the probe keeps itself and answers for when the server asks.
use std::sync::{Arc, Mutex, PoisonError};

use fts_plugin_api::sdk::*;

use crate::Probe;

/// What it keeps, and whether it answers in time.
#[derive(Default)]
pub struct Keeps(Mutex<(Vec<StoredEvent>, bool)>);

impl Keeps {
    /// From now on these.
    pub fn set(&self, events: Vec<StoredEvent>, slow: bool) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (events, slow);
    }
}

/// Registers the source. It answers members of the group it keeps an event for.
pub fn register(reg: &mut Registrar<'_>, probe: &Arc<Probe>) {
    let probe = probe.clone();
    reg.history_source(move |ask| {
        probe.diary.note("asked", serde_json::json!({"uid": ask.uid, "user": ask.user}));
        let (events, slow) = probe.keeps.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if slow {
            std::thread::sleep(std::time::Duration::from_secs(3));
        }
        let meant = |e: &StoredEvent| {
            e.uid == ask.uid && ask.groups.as_ref().is_none_or(|g| e.groups.iter().any(|name| g.contains(name)))
        };
        Ok(events.into_iter().filter(meant).collect())
    });
}
