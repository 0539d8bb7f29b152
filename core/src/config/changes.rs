//! What a reload changes: keys that take effect at once and keys that need a restart (operations.md 3.1).
use std::collections::BTreeSet;

use super::{Layer, plugins};

/// See the file's head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Taken over at once.
    pub live: Vec<String>,
    /// Reported; the running value stays.
    pub restart_required: Vec<String>,
    /// Plugins whose table changed: each is restarted with its new one. Their keys stand in `live`.
    pub plugins: BTreeSet<String>,
}

const LIVE: [&str; 10] = [
    "cot.",
    "stream.limits.",
    "log.level",
    "packages.",
    "shutdown.",
    "auth.",
    "enrollment.",
    "groups.",
    "retention.",
    "marti.",
];
/// Sizes of things made at start, in spite of their table.
const FIXED: [&str; 1] = ["stream.limits.handshakes_active"];

/// Compares two merged configurations.
pub fn changes(old: &Layer, new: &Layer) -> Changes {
    let mut changes = Changes::default();
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for key in keys {
        let text = |layer: &Layer| layer.get(key).map(|(v, _)| v.to_string().trim().to_owned());
        if text(old) != text(new) {
            let value = old.get(key).or_else(|| new.get(key));
            let plugin = value.is_some_and(|(value, _)| plugins::is_in_table(key, value));
            if plugin {
                changes.plugins.extend(key.split('.').nth(1).map(str::to_owned));
            }
            let list = if plugin || LIVE.iter().any(|p| key.starts_with(p)) && !FIXED.contains(&key.as_str()) {
                &mut changes.live
            } else {
                &mut changes.restart_required
            };
            list.push(key.clone());
        }
    }
    changes
}
