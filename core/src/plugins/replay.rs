//! Events that are read back from the journal: what a slow plugin's queue had no room for, and what was not done when the
//! process or the plugin ended.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use fts_plugin_api::cot::{Attr, Cot};

use super::{
    HOLD, OBSERVE, Plugin, Plugins, State, poison,
    queue::{Item, Spilled},
};
use crate::{
    route::{FromPlugin, Owned, hooks::Seen},
    store::journal::Record,
};

/// Puts everything that is not done into the queue, oldest first. Before the plugin takes anything new, or an event
/// would come by both ways.
pub fn pending(plugins: &Plugins, plugin: &Arc<Plugin>) {
    let of = |plugin: &Plugin, which| super::consumer(plugins, plugin, which).map(|c| c.pending());
    // What somebody still holds is observed when it is let go.
    let held: BTreeSet<u64> = plugins.all().iter().filter_map(|p| of(p, HOLD)).flatten().collect();
    let mut ids: BTreeMap<u64, bool> = of(plugin, HOLD).into_iter().flatten().map(|id| (id, true)).collect();
    let observed = of(plugin, OBSERVE).into_iter().flatten().filter(|id| !held.contains(id));
    ids.extend(observed.map(|id| (id, false)));
    let crashed = poison::crashed_with(plugins, plugin);
    for (id, held) in ids {
        if crashed == Some(id) && set_aside(plugins, plugin, id, held) {
            continue;
        }
        plugin.queue.push(Item::Spilled(Spilled { id, held, served: Vec::new(), again: true }));
    }
}

/// The server crashed with it twice: it is not given again.
fn set_aside(plugins: &Plugins, plugin: &Arc<Plugin>, id: u64, held: bool) -> bool {
    let spilled = Spilled { id, held, served: Vec::new(), again: true };
    let Some(seen) = read_back(plugins, plugin, spilled) else { return false };
    poison::set_aside(plugins, plugin, &seen, "the server", "crashed the server when it came again");
    super::done_with(plugins, plugin, if held { HOLD } else { OBSERVE }, id);
    true
}

/// Waits until all that came back was dealt with, or the time is over: then the rest is dealt with while clients come.
pub fn settle(plugins: &Plugins, limit: Duration) {
    let until = Instant::now() + limit;
    let busy = |p: &Plugin| {
        p.state() == State::Running && {
            let idle = p.generation.load().as_ref().is_none_or(|g| g.hands.is_empty());
            !idle || !p.queue.is_idle()
        }
    };
    while plugins.all().iter().any(|p| busy(p)) {
        if Instant::now() >= until {
            tracing::warn!(
                event = "plugin.warning",
                "events from before the start are not all dealt with after {} s: the rest follows",
                limit.as_secs()
            );
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// One event from the journal. None = it is not there any more (counted there).
pub fn read_back(plugins: &Plugins, plugin: &Arc<Plugin>, spilled: Spilled) -> Option<Seen> {
    let (journal, id) = (plugins.router.journal.get()?, spilled.id);
    match journal.read(id) {
        Ok(record) => seen(plugins, plugin, spilled, record),
        Err(error) => {
            tracing::warn!(event = "plugin.lost_event", plugin = %plugin.name, id, %error, "an event that waited for the plugin is gone");
            None
        }
    }
}

fn seen(plugins: &Plugins, plugin: &Plugin, spilled: Spilled, mut record: Record) -> Option<Seen> {
    let Spilled { id, held, served, again } = spilled;
    let cot = Cot::parse(record.bytes.clone()).ok()?;
    // Of several plugins' destinations only its own; a plugin that has not bound any again decides by itself.
    let kinds = plugin.bindings.kinds();
    let mut dests = record.dests;
    if dests.iter().any(|d| kinds.contains(&d.kind)) {
        dests.retain(|d| kinds.contains(&d.kind));
    }
    let dests = dests.into_iter().filter(|_| held).map(|d| (d.kind, d.name)).collect();
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
        replayed: again,
        held: dests,
        served,
        link: String::new(),
    })
}
