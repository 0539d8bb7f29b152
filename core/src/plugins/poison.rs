//! Events that made a handler panic twice: set aside in `plugin-data/<name>/poison/`, counted, and not given again.
use std::sync::Arc;

use fts_plugin_api::message::Panic;

use super::{Plugin, Plugins};
use crate::route::hooks::Seen;

/// More files than this are not kept; they are counted all the same.
const MOST: usize = 1_000;

/// Writes the event with what happened into a file of its own.
pub fn set_aside(plugins: &Plugins, plugin: &Arc<Plugin>, seen: &Seen, panic: &Panic) {
    metrics::counter!("fts_plugin_poisoned_total", "plugin" => plugin.name.to_string()).increment(1);
    let dir = plugins.data_of(&plugin.name).join("poison");
    let file = dir.join(format!("{:020}.xml", seen.journal));
    let why =
        format!("<!-- {} panicked at {}: {} -->\n", panic.handler, panic.place, panic.message.replace("--", "- -"));
    let text = [why.as_bytes(), &seen.text].concat();
    let written = std::fs::create_dir_all(&dir).and_then(|()| {
        if std::fs::read_dir(&dir)?.count() >= MOST {
            return Err(std::io::Error::other(format!("{MOST} events are there already")));
        }
        std::fs::write(&file, text)
    });
    match written {
        Ok(()) => {
            tracing::error!(event = "plugin.poison", plugin = %plugin.name, handler = panic.handler, file = %file.display(), "an event panicked a handler twice and is set aside")
        }
        Err(error) => {
            tracing::error!(event = "plugin.poison", plugin = %plugin.name, handler = panic.handler, %error, "an event panicked a handler twice and could not be set aside")
        }
    }
}
