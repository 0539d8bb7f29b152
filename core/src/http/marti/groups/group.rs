//! One group as clients read it (identity.md 8.2). ATAK drops the whole list for one row it cannot read: name, direction
//! and type are never empty, `created` is a day, `bitpos` is not negative.
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    http::{call::Call, native::Native},
    identity::accounts::Channel,
};

/// The object.
pub fn shown(channel: &Channel) -> Value {
    let group = &channel.group;
    let day = fts_plugin_api::cot::format_time(group.created_at);
    json!({
        "name": &*group.name, "direction": channel.direction.name(), "created": day.get(..10).unwrap_or_default(),
        "type": group.kind, "bitpos": group.bit, "active": channel.active, "description": group.description,
    })
}

/// Groups of who has none, at the listener this came through.
pub fn defaults(native: &Native, call: &Call) -> Vec<String> {
    let config = native.config();
    let listener = config.listeners.http().find(|l| l.name == call.listener.name());
    listener.map(|l| l.default_groups.clone()).unwrap_or_default()
}

/// Is somebody of this name connected?
pub fn connected(native: &Native, name: &str) -> bool {
    let roster = native.router.directory.roster();
    roster.clients().any(|c| !c.internal() && !c.user().is_empty() && c.user().eq_ignore_ascii_case(name))
}

/// Who is connected, with the number of connections.
pub fn users(native: &Native) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    let roster = native.router.directory.roster();
    for client in roster.clients().filter(|c| !c.internal() && !c.user().is_empty()) {
        *all.entry(client.user().to_owned()).or_insert(0) += 1;
    }
    all
}
