//! Events that are read back from the journal: what a slow plugin's queue had no room for, and what was not done when the
//! process or the plugin ended.
use std::{collections::BTreeSet, sync::Arc};

use fts_plugin_api::cot::{Attr, Cot};

use super::{HOLD, OBSERVE, Plugin, Plugins, queue::Item};
use crate::{
    route::{FromPlugin, Owned, hooks::Seen},
    store::journal::Record,
};

/// Puts everything that is not done into the queue, oldest first. How many there were.
pub fn pending(plugins: &Plugins, plugin: &Arc<Plugin>) -> usize {
    let mut ids = BTreeSet::new();
    for which in [OBSERVE, HOLD] {
        if let Some(consumer) = super::consumer(plugins, plugin, which) {
            ids.extend(consumer.pending());
        }
    }
    ids.iter().for_each(|id| plugin.queue.push(Item::Spilled(*id, Vec::new())));
    ids.len()
}

/// One event from the journal. None = it is not there any more (counted there).
pub fn read_back(plugins: &Plugins, plugin: &Arc<Plugin>, id: u64, served: Vec<u64>) -> Option<Seen> {
    let journal = plugins.router.journal.get()?;
    match journal.read(id) {
        Ok(record) => seen(plugins, plugin, id, record, served),
        Err(error) => {
            tracing::warn!(event = "plugin.lost_event", plugin = %plugin.name, id, %error, "an event that waited for the plugin is gone");
            None
        }
    }
}

fn seen(plugins: &Plugins, plugin: &Plugin, id: u64, mut record: Record, served: Vec<u64>) -> Option<Seen> {
    let cot = Cot::parse(record.bytes.clone()).ok()?;
    let held = record.consumers.iter().any(|c| **c == *super::hold_consumer(&plugin.name));
    // Connections of an earlier run are nobody's; their numbers are given to others in this one.
    let same_run = id >> 32 == plugins.run();
    if !same_run {
        record.origin.conn = 0;
    }
    let from = FromPlugin {
        plugin: record.origin.plugin.as_str().into(),
        hop: record.origin.hop,
        send: plugins.router.directory.groups.both(&record.origin.groups).send,
        except_conns: if record.origin.conn != 0 { vec![record.origin.conn] } else { Vec::new() },
        except_uids: if record.origin.uid.is_empty() { Vec::new() } else { vec![record.origin.uid.clone()] },
        archive: true,
        ..FromPlugin::default()
    };
    Some(Seen {
        text: record.bytes,
        source: Owned::Plugin(Arc::new(from)),
        origin: Some(Box::new(record.origin)),
        received: record.received_ms,
        journal: id,
        class: cot.class(),
        uid_hash: crate::route::uid_hash(cot.raw(Attr::Uid)),
        replayed: !same_run || served.is_empty(),
        held: if held { record.dests.into_iter().map(|d| (d.kind, d.name)).collect() } else { Vec::new() },
        served,
        link: String::new(),
    })
}
