//! Events that made a handler panic twice, or the server crash when they came again: set aside in
//! `plugin-data/<name>/poison/`, counted, and not given again.
//!
//! What comes again after a restart is written down ([`InHand`]) while it is handled. When the process ends meanwhile and
//! `run/crashes` says it was in that plugin, [`sort`] keeps the note, and the event is set aside instead of given a third
//! time. A kill from outside leaves no such line, and the note goes.
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::UNIX_EPOCH,
};

use super::{Plugin, Plugins};
use crate::route::hooks::Seen;

/// More files than this are not kept; they are counted all the same.
const MOST: usize = 1_000;

/// Writes the event with what happened into a file of its own.
pub fn set_aside(plugins: &Plugins, plugin: &Arc<Plugin>, seen: &Seen, handler: &str, why: &str) {
    let note = format!("<!-- {handler}: {} -->\n", why.replace("--", "- -"));
    let text = [note.as_bytes(), &seen.text].concat();
    keep(plugins, plugin, &format!("{:020}.xml", seen.journal), &text, handler, why);
}

/// Writes what is not given again into a file of this name.
pub fn keep(plugins: &Plugins, plugin: &Plugin, name: &str, bytes: &[u8], handler: &str, why: &str) {
    metrics::counter!("fts_plugin_poisoned_total", "plugin" => plugin.name.to_string()).increment(1);
    let dir = plugins.data_of(&plugin.name).join("poison");
    let file = dir.join(name);
    let written = fs::create_dir_all(&dir).and_then(|()| {
        if fs::read_dir(&dir)?.count() >= MOST {
            return Err(std::io::Error::other(format!("{MOST} events are there already")));
        }
        // Nobody finds half of one.
        let part = dir.with_file_name(format!("{name}.part"));
        fs::write(&part, bytes).and_then(|()| fs::rename(&part, &file)).inspect_err(|_| drop(fs::remove_file(&part)))
    });
    match written {
        Ok(()) => {
            tracing::error!(event = "plugin.poison", plugin = %plugin.name, handler, file = %file.display(), "an event {why}: it is set aside");
        }
        Err(error) => {
            tracing::error!(event = "plugin.poison", plugin = %plugin.name, handler, %error, "an event {why}: it could not be set aside");
        }
    }
}

/// A note of the event that is being handled again.
pub struct InHand(Option<PathBuf>);

const NOTE: &str = "in-hand";
const CRASHED: &str = "in-hand.crashed";

impl InHand {
    /// It is handled from now on, until this is dropped. Where the disk does not take it there is no note.
    pub fn note(plugins: &Plugins, plugin: &Plugin, id: u64) -> Self {
        let file = plugins.own_dir(&plugin.name).ok().map(|dir| dir.join(NOTE));
        Self(file.filter(|file| fs::write(file, id.to_string()).is_ok()))
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        if let Some(file) = &self.0 {
            let _ = fs::remove_file(file);
        }
    }
}

/// At a start, before `run/crashes` is used up: notes of plugins that the last process crashed in are kept.
pub fn sort(data: &Path, crashes: &Path) {
    let said = fs::read_to_string(crashes).unwrap_or_default();
    let lines: Vec<(u128, &str)> = said
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?.parse().ok()?, words.next()?))
        })
        .collect();
    for dir in fs::read_dir(data).into_iter().flatten().flatten() {
        let (note, name) = (dir.path().join(NOTE), dir.file_name());
        let Ok(written) = fs::metadata(&note).and_then(|m| m.modified()) else { continue };
        let written = written.duration_since(UNIX_EPOCH).map_or(0, |at| at.as_millis());
        // The two clocks may differ by their steps.
        let crashed = lines.iter().any(|(at, plugin)| name.to_str() == Some(plugin) && at + 100 >= written);
        let _ = if crashed { fs::rename(&note, dir.path().join(CRASHED)) } else { fs::remove_file(&note) };
    }
}

/// The event that the server crashed with when it came again; asked once.
pub fn crashed_with(plugins: &Plugins, plugin: &Plugin) -> Option<u64> {
    let note = plugins.data_of(&plugin.name).join(CRASHED);
    let id = fs::read_to_string(&note).ok()?;
    let _ = fs::remove_file(&note);
    id.trim().parse().ok()
}
