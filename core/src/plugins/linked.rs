//! Plugins that are part of the program. They need no file and no layout check; everything else (worker, guard,
//! configuration, undoing) is the same, and with `enabled = "auto"` all of them run.
//!
//! The shipped ones come with the cargo features `bundle-<name>`. A program of one's own links others in, and is a
//! server with `fn main() -> ExitCode { fts::plugins::linked::also(…); fts::cli::main() }`. What must not happen: a
//! plugin that is linked in is looked for in a directory, where an older file of it may lie.
use fts_plugin_api::abi::{Info, PluginModule_Ref};
use parking_lot::Mutex;

/// One of them.
#[derive(Clone, Copy)]
pub struct Linked {
    /// Its name.
    pub name: &'static str,
    /// What its file would say.
    pub info: Info,
    /// How to start it.
    pub module: fn() -> PluginModule_Ref,
}

static ALSO: Mutex<Vec<Linked>> = Mutex::new(Vec::new());

/// Links a plugin in: its `INFO` and `module`, which `export_plugin!` makes. Before the server starts; one of a name that
/// is there already takes its place.
pub fn also(name: &'static str, info: Info, module: fn() -> PluginModule_Ref) {
    let mut all = ALSO.lock();
    all.retain(|l| l.name != name);
    all.push(Linked { name, info, module });
}

/// All of them, by name.
pub fn linked() -> Vec<Linked> {
    let mut all = ALSO.lock().clone();
    #[cfg(feature = "bundle-emergency")]
    bundle(&mut all, "emergency", fts_plugin_emergency::INFO, fts_plugin_emergency::module);
    #[cfg(feature = "bundle-mission")]
    bundle(&mut all, "mission", fts_plugin_mission::INFO, fts_plugin_mission::module);
    all.sort_by_key(|l| l.name);
    all
}

#[cfg(any(feature = "bundle-emergency", feature = "bundle-mission"))]
fn bundle(all: &mut Vec<Linked>, name: &'static str, info: Info, module: fn() -> PluginModule_Ref) {
    if all.iter().all(|l| l.name != name) {
        all.push(Linked { name, info, module });
    }
}
