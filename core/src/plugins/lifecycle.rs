//! Start of all, and changes of one: enable, disable, reload, restart. One change at a time; each ends with a state and a
//! report.
//!
//! At the start everything is read and checked before anything runs; then plugins start in the order of their
//! requirements. A reload checks the new file first, so that a broken one leaves the old generation running; if its
//! start fails, the database is put back and the old library starts again.
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use fts_plugin_api::{abi::stop, message::Manifest};

use super::{
    Plugin, Plugins, State, find, linked,
    order::{self, Needs},
    plugin::Library,
    quarantine::Quarantine,
    replay,
    start::version,
};
use crate::{
    config::Enabled,
    http::{
        calls::{CallLimits, CallSettings},
        route::Owner,
    },
    observe::clock,
};

/// What came back out of the journal may take so long before listeners open.
const SETTLE: Duration = Duration::from_secs(10);

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Start it, also when it is in quarantine.
    Enable,
    /// Stop it; who requires it first.
    Disable,
    /// The file as it is now.
    Reload,
    /// The same library again.
    Restart,
}

impl Plugins {
    /// Finds, checks and starts all that are wanted.
    ///
    /// # Errors
    /// A plugin with `required = true` does not run.
    pub fn start_all(self: &Arc<Self>) -> Result<(), String> {
        let _one = self.changes.lock();
        self.note_run();
        let names = self.wanted();
        for name in &names {
            self.seat(name);
        }
        self.note_unused_tables(&names);
        self.start_wanted();
        replay::settle(self, SETTLE);
        let missing = self.all().into_iter().find(|p| p.table.lock().host.required && p.state() != State::Running);
        missing.map_or(Ok(()), |p| {
            Err(format!("the plugin {} is required and does not run: {}", p.name, p.standing().report))
        })
    }

    /// Cleans up after the last run and reads the quarantine. Before crashes are noted, and before anything is loaded.
    pub fn begin_run(&self) {
        let run = self.config.load().server.data_dir.join("run");
        if let Err(error) = super::file::sweep(&run) {
            tracing::warn!(event = "plugin.warning", %error, "old copies of plugins could not be removed");
        }
        super::poison::sort(&self.config.load().server.data_dir.join("plugin-data"), &run.join("crashes"));
        match Quarantine::read(&run, u64::try_from(clock::now_ms()).unwrap_or(0)) {
            Ok(quarantine) => *self.quarantined.lock() = Some(quarantine),
            Err(error) => tracing::warn!(event = "plugin.warning", %error, "the quarantine could not be read"),
        }
    }

    /// A table of a plugin that is not there is told, and no error (decision 106).
    fn note_unused_tables(&self, names: &[String]) {
        let config = self.config.load();
        for name in config.plugins.tables.keys().filter(|t| !names.contains(t)) {
            tracing::warn!(
                event = "plugin.warning",
                plugin = name,
                "there is a table [plugins.{name}] but no such plugin runs here"
            );
        }
    }

    /// Checks everything, then starts it in order.
    fn start_wanted(self: &Arc<Self>) {
        let mut checked: BTreeMap<String, Needs> = BTreeMap::new();
        for plugin in self.all() {
            if let Some(why) = self.kept_out(&plugin.name) {
                plugin.set_state(State::Quarantined, why);
                continue;
            }
            if let Ok(manifest) = self.prepare(&plugin) {
                checked.insert(plugin.name.to_string(), needs(&plugin, &manifest));
            }
        }
        let (sorted, refused) = order::order(&checked);
        for (name, why) in refused {
            if let Some(plugin) = self.get(&name) {
                plugin.set_state(State::Refused, format!("{name}: {why}"));
            }
        }
        for name in sorted {
            if let Some(plugin) = self.get(&name) {
                // A requirement may have failed meanwhile.
                match self.unmet(&plugin) {
                    Some(why) => plugin.set_state(State::Refused, why),
                    None => drop(self.begin_or_clear(&plugin, true)),
                }
            }
        }
        self.refresh();
    }

    /// Names of all that should run.
    fn wanted(&self) -> Vec<String> {
        let plugins = &self.config.load().plugins;
        let linked: Vec<_> = linked::linked().iter().map(|l| l.name).collect();
        let mut names: Vec<String> = match &plugins.enabled {
            Enabled::Auto => linked.iter().map(|n| (*n).to_owned()).collect(),
            Enabled::Only(names) => names.clone(),
        };
        let (found, missing) = find::search(plugins, &linked);
        names.extend(found.into_iter().map(|f| f.name).chain(missing.into_iter().map(|m| m.name)));
        names.sort();
        names.dedup();
        names
    }

    /// The plugin of this name, made if need be.
    pub(super) fn seat(&self, name: &str) -> Arc<Plugin> {
        if let Some(plugin) = self.get(name) {
            return plugin;
        }
        let table = self.config.load().plugins.table(name);
        let settings = CallSettings {
            concurrency: table.host.http_concurrency,
            waiting: table.host.http_waiting,
            ..CallSettings::default()
        };
        let plugin = Plugin::new(name, table, CallLimits::new(settings));
        self.by_name.write().insert(plugin.name.clone(), plugin.clone());
        plugin
    }

    fn kept_out(&self, name: &str) -> Option<String> {
        self.quarantined.lock().as_ref().filter(|_| self.obey_quarantine)?.reason(name)
    }

    fn note_run(&self) {
        if let Some(journal) = self.router.journal.get() {
            // A record nobody waits for gets a number and is not written.
            let ids = journal.append(vec![crate::store::journal::Record::default()]).ids();
            self.run.store(ids.start >> 32, std::sync::atomic::Ordering::Relaxed);
        }
    }

    /// Library and check.
    pub(super) fn prepare(self: &Arc<Self>, plugin: &Arc<Plugin>) -> Result<Manifest, String> {
        let refuse = |why: String| {
            plugin.set_state(State::Refused, why.clone());
            why
        };
        *plugin.table.lock() = self.table_of(&plugin.name).map_err(refuse)?;
        let library = self.library(plugin).map_err(refuse)?;
        plugin.set_state(State::Loaded, format!("version {}", version(&library.info)));
        let manifest = self.check(plugin, &library).map_err(refuse)?;
        *plugin.library.lock() = Some(library);
        *plugin.manifest.lock() = Some(manifest.clone());
        Ok(manifest)
    }

    fn unmet(&self, plugin: &Plugin) -> Option<String> {
        let manifest = plugin.manifest.lock().clone()?;
        manifest.requires.iter().find_map(|r| {
            let name = r.split(">=").next().unwrap_or(r).trim();
            let runs = self.get(name).is_some_and(|p| p.state() == State::Running);
            (!runs).then(|| format!("{}: needs the plugin {name}, which does not run", plugin.name))
        })
    }

    /// Starts the library a plugin has.
    pub(super) fn begin(
        self: &Arc<Self>,
        plugin: &Arc<Plugin>,
        saved: Option<Vec<u8>>,
        fresh: bool,
    ) -> Result<(), String> {
        let Some(library) = plugin.library.lock().clone() else { return Err(format!("{}: not loaded", plugin.name)) };
        if fresh && plugin.queue.depth().0 == 0 {
            replay::pending(self, plugin);
        }
        plugin.set_state(State::Starting, "");
        plugin.forgive();
        match self.launch(plugin, &library, saved) {
            Ok(()) => {
                plugin.copied.lock().take();
                plugin.set_state(State::Running, format!("version {}", version(&library.info)));
                self.refresh();
                self.greet(plugin);
                Ok(())
            }
            Err(why) => {
                plugin.set_state(State::Failed, why.clone());
                self.refresh();
                Err(why)
            }
        }
    }

    /// The same; its routes go when it does not start.
    pub(super) fn begin_or_clear(self: &Arc<Self>, plugin: &Arc<Plugin>, fresh: bool) -> Result<(), String> {
        let begun = self.begin(plugin, None, fresh);
        if begun.is_err() {
            self.mux.remove(&Owner::Plugin(plugin.name.clone()));
        }
        begun
    }

    /// One change.
    ///
    /// # Errors
    /// What went wrong, one line.
    pub fn change(self: &Arc<Self>, name: &str, change: Change) -> Result<String, String> {
        let _one = self.changes.lock();
        if !crate::config::is_plugin_name(name) {
            return Err(format!("{name:?} is no name of a plugin"));
        }
        match change {
            Change::Enable => self.enable(name),
            Change::Disable => self.disable(name),
            Change::Reload => self.reload(name, true),
            Change::Restart => self.reload(name, false),
        }
    }

    fn known(&self, name: &str) -> Result<Arc<Plugin>, String> {
        self.get(name).ok_or_else(|| {
            let all: Vec<_> = self.all().iter().map(|p| p.name.to_string()).collect();
            format!(
                "there is no plugin {name}: there are {}",
                if all.is_empty() { "none".into() } else { all.join(", ") }
            )
        })
    }

    fn enable(self: &Arc<Self>, name: &str) -> Result<String, String> {
        let unknown = self.get(name).is_none();
        let plugin = self.seat(name);
        if plugin.state() == State::Running {
            return Ok(format!("{name} runs already"));
        }
        if let Some(quarantine) = self.quarantined.lock().as_mut() {
            quarantine.lift(name).map_err(|e| format!("{name}: the quarantine could not be lifted: {e}"))?;
        }
        if let Err(why) = self.prepare(&plugin) {
            // A name that was mistyped is no plugin that failed.
            if unknown && plugin.library.lock().is_none() {
                self.by_name.write().remove(name);
            }
            return Err(why);
        }
        if let Some(why) = self.unmet(&plugin) {
            plugin.set_state(State::Refused, why.clone());
            return Err(why);
        }
        plugin.restarts.store(0, std::sync::atomic::Ordering::Relaxed);
        self.begin_or_clear(&plugin, true)?;
        Ok(format!("{name} runs"))
    }

    fn disable(self: &Arc<Self>, name: &str) -> Result<String, String> {
        let plugin = self.known(name)?;
        let all: BTreeMap<String, Needs> = self
            .all()
            .iter()
            .filter(|p| p.state() == State::Running)
            .filter_map(|p| Some((p.name.to_string(), needs(p, p.manifest.lock().as_ref()?))))
            .collect();
        let mut stopped = Vec::new();
        for other in order::dependents(&all, name) {
            if let Some(other) = self.get(&other) {
                self.stop_one(&other, stop::DISABLE, &format!("disabled because it requires {name}"));
                stopped.push(other.name.to_string());
            }
        }
        self.stop_one(&plugin, stop::DISABLE, "disabled");
        stopped.push(name.to_owned());
        Ok(format!("stopped: {}", stopped.join(", ")))
    }

    fn stop_one(self: &Arc<Self>, plugin: &Arc<Plugin>, reason: u32, why: &str) {
        plugin.set_state(State::Stopping, why);
        self.halt(plugin, reason);
        plugin.set_state(State::Stopped, why);
        self.mux.remove(&Owner::Plugin(plugin.name.clone()));
        self.seats.set(&plugin.name, std::iter::empty());
        let waiting = plugin.queue.clear();
        if waiting > 0 {
            tracing::warn!(event = "plugin.dropped", plugin = %plugin.name, events = waiting, "events waited when it was stopped; reliable ones come again when it starts");
        }
        super::contacts::remove_all(self, plugin);
        self.refresh();
    }

    fn reload(self: &Arc<Self>, name: &str, fresh: bool) -> Result<String, String> {
        let plugin = self.known(name)?;
        if plugin.state() != State::Running {
            return self.enable(name);
        }
        let before = plugin.library.lock().clone();
        let table = self.table_of(name)?;
        let table_before = std::mem::replace(&mut *plugin.table.lock(), table);
        let next =
            if fresh || before.is_none() { self.library(&plugin) } else { before.clone().ok_or_else(String::new) };
        // Checked while the old one runs: a broken file or table costs nothing.
        let next = next.and_then(|library| self.check(&plugin, &library).map(|manifest| (library, manifest)));
        let (library, manifest) = match next {
            Ok(next) => next,
            Err(why) => {
                *plugin.table.lock() = table_before;
                tracing::error!(event = "plugin.reload_failed", plugin = name, "{why}");
                return Err(format!("{why}; the running generation stays"));
            }
        };
        plugin.set_state(State::Stopping, "reload");
        let saved = self.halt(&plugin, stop::RELOAD);
        *plugin.library.lock() = Some(library);
        *plugin.manifest.lock() = Some(manifest);
        match self.begin(&plugin, saved.clone(), false) {
            Ok(()) => Ok(self.reloaded(&plugin, fresh.then_some(before.as_ref()).flatten())),
            Err(why) => {
                if let (Some(copy), Some(database)) = (plugin.copied.lock().take(), plugin.open_database())
                    && let Err(error) = database.restore(&copy)
                {
                    tracing::error!(event = "plugin.restore_failed", plugin = name, %error, copy = %copy.display(), "the database could not be put back");
                }
                *plugin.library.lock() = before;
                *plugin.table.lock() = table_before;
                tracing::error!(event = "plugin.reload_failed", plugin = name, "{why}");
                match self.begin(&plugin, saved, false) {
                    Ok(()) => Err(format!("{why}; the old generation runs again")),
                    Err(again) => {
                        self.mux.remove(&Owner::Plugin(plugin.name.clone()));
                        Err(format!("{why}; and the old one did not start again: {again}"))
                    }
                }
            }
        }
    }

    /// What a reload came to. Whoever asked for new code is told when it was the old one again.
    fn reloaded(&self, plugin: &Plugin, before: Option<&Library>) -> String {
        let name = &plugin.name;
        let Some(now) = plugin.library.lock().clone() else { return format!("{name} runs") };
        let same = match (before, &now.file) {
            (None, _) => String::new(),
            (Some(_), None) => "; it is linked in, so there is no file to load: the same code started again".to_owned(),
            (Some(before), Some(file)) if before.sha256 == now.sha256 => {
                format!("; {} is unchanged: the same code started again", file.display())
            }
            (Some(_), Some(_)) => String::new(),
        };
        format!("{name} runs version {}{same}", version(&now.info))
    }

    /// The server ends: everybody, in the reverse of the order of starts.
    pub fn stop_all(self: &Arc<Self>) {
        self.ending.store(true, std::sync::atomic::Ordering::Relaxed);
        let _one = self.changes.lock();
        let running = || self.all().into_iter().filter(|p| p.state() == State::Running);
        let all: BTreeMap<String, Needs> =
            running().filter_map(|p| Some((p.name.to_string(), needs(&p, p.manifest.lock().as_ref()?)))).collect();
        let (mut sorted, _) = order::order(&all);
        sorted.reverse();
        for plugin in sorted.iter().filter_map(|n| self.get(n)) {
            plugin.set_state(State::Stopping, "shutdown");
            self.halt(&plugin, stop::SHUTDOWN);
            plugin.set_state(State::Stopped, "shutdown");
            if let Some(database) = plugin.open_database()
                && let Err(error) = database.close()
            {
                tracing::error!(event = "db.error", plugin = %plugin.name, %error, "the database did not close well");
            }
        }
    }
}

fn needs(plugin: &Plugin, manifest: &Manifest) -> Needs {
    let version = plugin.library.lock().as_ref().map(|l| version(&l.info)).unwrap_or_default();
    Needs { version, requires: manifest.requires.clone(), uses: manifest.uses.clone() }
}
