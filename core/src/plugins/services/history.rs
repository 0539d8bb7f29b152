//! Newest events, and what newcomers are shown by plugins.
use std::sync::Arc;

use fts_plugin_api::{
    abi::Failure,
    message::{Latest, Replay},
};
use serde_bytes::ByteBuf;

use super::{
    super::{Generation, Plugins, shelf_key},
    invalid,
};
use crate::directory::Bits;

/// The newest event of each uid there is one of.
pub fn latest(plugins: &Plugins, uids: &[String]) -> Vec<Latest> {
    let directory = &plugins.router.directory;
    let found = uids.iter().filter_map(|uid| {
        let latest = directory.presence.get(uid).or_else(|| directory.items.get(uid))?;
        Some(Latest {
            uid: uid.clone(),
            text: ByteBuf::from(latest.event.xml().to_vec()),
            received: latest.event.head.received,
            groups: directory.groups.names(&latest.send),
        })
    });
    found.collect()
}

/// Newcomers are shown it from now on.
pub fn show(plugins: &Arc<Plugins>, generation: &Arc<Generation>, replay: Replay) -> Result<(), Failure> {
    let names = &plugins.router.directory.groups;
    let send = match &replay.groups {
        Some(groups) => Bits::of(groups.iter().filter_map(|g| names.find(g))),
        None => names.all(),
    };
    let key = shelf_key(generation.name(), &replay.uid);
    match plugins.router.show(&key, &replay.text, send) {
        Ok(()) => {
            generation.declared.lock().insert(format!("shown {}", replay.uid));
            generation.plugin.shown.lock().insert(replay.uid);
            Ok(())
        }
        Err(reason) => invalid(format!("this is no event: {}", reason.name())),
    }
}

/// Not any more.
pub fn hide(plugins: &Arc<Plugins>, generation: &Generation, uid: String) -> Result<(), Failure> {
    generation.declared.lock().remove(&format!("shown {uid}"));
    generation.plugin.shown.lock().remove(&uid);
    plugins.router.directory.shown.remove(&shelf_key(generation.name(), &uid), None);
    Ok(())
}
