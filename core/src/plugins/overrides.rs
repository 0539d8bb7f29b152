//! Settings of plugins that were changed at run time (operations.md 3.1, 6.3): `plugin-data/<name>/override.json`, laid over
//! the table of the configuration, key by key, whenever a plugin is started or reloaded.
//!
//! Order of a change: host-owned keys and keys of the environment or the command line are refused (those win over a
//! setting made at run time), the plugin checks the merged table, the file is written, the plugin is restarted. When
//! that fails the file is put back, so that what is stored is what runs. What must not happen: a stored table that the
//! plugin has never accepted.
use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use fts_plugin_api::{abi::Failure, message::Manifest};
use serde_json::{Map, Value};

use super::{Change, Plugin, Plugins, State};
use crate::config::{HostKeys, Origin, PluginTable};

/// A table of a plugin.
pub type Table = Map<String, Value>;

/// How people are told where a value comes from.
pub const ORIGIN: &str = "runtime override";

/// Is this one of the keys that come from the configuration only (decision 95)? They are written as they are called.
fn is_hosts(key: &str) -> bool {
    serde_json::to_value(HostKeys::default()).is_ok_and(|keys| keys.get(key).is_some())
}

fn file(data_dir: &Path, name: &str) -> PathBuf {
    data_dir.join("plugin-data").join(name).join("override.json")
}

/// What was set at run time; empty = nothing.
///
/// # Errors
/// The file cannot be read or is no JSON object; says what to do.
pub fn read(data_dir: &Path, name: &str) -> Result<Table, String> {
    let path = file(data_dir, name);
    let wrong = |why: String| {
        format!("{name}: {}: {why} — `fts run --reset-plugin {name}` forgets what was set at run time", path.display())
    };
    match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Table::new()),
        Err(error) => Err(wrong(error.to_string())),
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string())),
    }
}

/// Stores it, in one step and for the server's user only; an empty one is removed.
///
/// # Errors
/// What the system says.
pub fn store(data_dir: &Path, name: &str, table: &Table) -> io::Result<()> {
    let path = file(data_dir, name);
    if table.is_empty() {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    if let Some(dir) = path.parent() {
        super::private_dir(dir)?;
    }
    let next = path.with_extension("json.new");
    let mut written = File::options().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
    written.write_all(format!("{:#}\n", Value::Object(table.clone())).as_bytes())?;
    written.sync_all()?;
    fs::rename(&next, &path)
}

/// `fts run --reset-plugin`: these forget what was set at run time.
///
/// # Errors
/// A name that is none, or what the system says.
pub fn reset(data_dir: &Path, names: &[String]) -> Result<(), String> {
    for name in names {
        if !crate::config::is_plugin_name(name) {
            return Err(format!("--reset-plugin {name:?}: this is no name of a plugin"));
        }
        store(data_dir, name, &Table::new()).map_err(|e| format!("--reset-plugin {name}: {e}"))?;
    }
    Ok(())
}

/// Lays `over` upon `own`: tables key by key, everything else as a whole. Where `fixed` says yes, `own` stays.
pub(super) fn lay(own: &mut Table, over: &Table, path: &str, fixed: &dyn Fn(&str) -> bool) {
    for (key, value) in over {
        let at = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match (own.get_mut(key), value) {
            (Some(Value::Object(own)), Value::Object(over)) => lay(own, over, &at, fixed),
            _ if fixed(&at) => {}
            _ => drop(own.insert(key.clone(), value.clone())),
        }
    }
}

/// Is there a value at this key path of the table?
fn has(table: &Table, path: &str) -> bool {
    let mut keys = path.split(['.', '[']);
    let first = keys.next().and_then(|key| table.get(key));
    let end = keys.try_fold(first, |at, key| match at? {
        Value::Object(table) => Some(table.get(key)),
        // A place in a list: the whole list was set.
        other => Some(Some(other)),
    });
    end.flatten().is_some()
}

impl Plugins {
    /// The configuration was read again: plugins whose table changed get the new one.
    pub fn configure(self: &Arc<Self>, config: Arc<crate::config::Config>) -> Vec<String> {
        self.config.store(config);
        let mut refused = Vec::new();
        for plugin in self.all() {
            let changed = self.table_of(&plugin.name).is_ok_and(|table| *plugin.table.lock() != table);
            if changed && plugin.state() == State::Running {
                match self.change(&plugin.name, Change::Restart) {
                    Ok(done) => tracing::info!(event = "plugin.reconfigured", plugin = %plugin.name, "{done}"),
                    Err(why) => {
                        tracing::error!(event = "plugin.reload_failed", plugin = %plugin.name, "{why}");
                        refused.push(why);
                    }
                }
            }
        }
        refused
    }

    /// The table of a plugin with what was set at run time.
    ///
    /// # Errors
    /// As [`read`].
    pub(super) fn table_of(&self, name: &str) -> Result<PluginTable, String> {
        let config = self.config.load();
        let over = read(&config.server.data_dir, name)?;
        let mut table = config.plugins.table(name);
        lay(&mut table.own, &over, "", &|key| self.fixed(name, key).is_some());
        Ok(table)
    }

    /// What was set at run time; nothing when it cannot be read (then the plugin is refused, and says so).
    pub(super) fn overridden(&self, name: &str) -> Table {
        read(&self.config.load().server.data_dir, name).unwrap_or_default()
    }

    /// Where a key of a plugin's table was set, for messages: ` (fts.toml:41)`.
    pub(super) fn place(&self, name: &str, key: &str) -> Option<String> {
        if !key.is_empty() && has(&self.overridden(name), key) && self.fixed(name, key).is_none() {
            return Some(format!("{ORIGIN}; `fts run --reset-plugin {name}` forgets it"));
        }
        (self.place_of)(&if key.is_empty() { format!("plugins.{name}") } else { format!("plugins.{name}.{key}") })
    }

    /// The place of a key that wins over what is set at run time: environment or command line.
    fn fixed(&self, name: &str, key: &str) -> Option<String> {
        let place = (self.place_of)(&format!("plugins.{name}.{key}"))?;
        (place.starts_with("env:") || place == Origin::Set.to_string()).then_some(place)
    }

    fn first_fixed(&self, name: &str, table: &Table, path: &str) -> Option<(String, String)> {
        table.iter().find_map(|(key, value)| {
            let at = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match value {
                Value::Object(below) if !below.is_empty() => self.first_fixed(name, below, &at),
                _ => self.fixed(name, &at).map(|place| (at, place)),
            }
        })
    }

    /// Would the plugin take this table (without the keys the host owns)? Nothing of it runs afterwards.
    ///
    /// # Errors
    /// What the plugin says; there is no such plugin, or it cannot be loaded.
    pub fn try_table(self: &Arc<Self>, name: &str, own: Table) -> Result<Manifest, Failure> {
        let other = |why| fts_plugin_api::shim::failure(fts_plugin_api::abi::failure::OTHER, why);
        let plugin = self.get(name).ok_or_else(|| other(format!("there is no plugin {name}")))?;
        let known = plugin.library.lock().clone();
        let library = known.map_or_else(|| self.library(&plugin), Ok).map_err(other)?;
        let before = std::mem::replace(&mut plugin.table.lock().own, own);
        let checked = self.declared(&plugin, &library);
        plugin.table.lock().own = before;
        *plugin.library.lock() = Some(library);
        checked
    }

    /// Sets a plugin's table at run time; an empty one takes everything back that was set so. A plugin that runs, or
    /// does not run because of its table, is started with it.
    ///
    /// # Errors
    /// What is wrong, one line; then nothing has changed.
    pub fn override_table(self: &Arc<Self>, name: &str, over: &Table) -> Result<String, String> {
        let plugin = self.get(name).ok_or_else(|| format!("there is no plugin {name}"))?;
        if let Some(key) = over.keys().find(|k| is_hosts(k)) {
            return Err(format!("{name}: {key} is a key of the server: it comes from the configuration file only"));
        }
        if let Some((key, place)) = self.first_fixed(name, over, "") {
            return Err(format!("{name}: {key} is set by {place}, which wins over what is set at run time"));
        }
        let data_dir = self.config.load().server.data_dir.clone();
        let failed = |e: io::Error| format!("{name}: override.json was not written: {e}");
        let before = {
            let _one = self.changes.lock();
            let mut table = self.config.load().plugins.table(name).own;
            lay(&mut table, over, "", &|_| false);
            self.try_table(name, table).map_err(|failed| Self::said_of(name, &failed, None))?;
            // One that cannot be read is not worth going back to.
            let before = self.overridden(name);
            store(&data_dir, name, over).map_err(failed)?;
            before
        };
        let what = if over.is_empty() { "forgot what was set at run time" } else { "set" };
        match self.begin_with_it(&plugin) {
            Ok(done) => {
                let keys = over.keys().cloned().collect::<Vec<_>>().join(" ");
                tracing::info!(event = "plugin.reconfigured", plugin = name, keys, "{what} (runtime override); {done}");
                Ok(format!("{what}; {done}"))
            }
            Err(why) => match store(&data_dir, name, &before) {
                Ok(()) => Err(why),
                Err(error) => Err(format!("{why}; and {}", failed(error))),
            },
        }
    }

    fn begin_with_it(self: &Arc<Self>, plugin: &Plugin) -> Result<String, String> {
        match plugin.state() {
            State::Running => self.change(&plugin.name, Change::Restart),
            State::Refused | State::Failed => self.change(&plugin.name, Change::Enable),
            state => Ok(format!("{} is {}: used when it starts", plugin.name, state.name())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table(value: Value) -> Table {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn tables_are_laid_key_by_key_and_the_rest_as_a_whole() {
        let mut own = table(json!({"a": 1, "list": [1, 2], "v1": {"port": 1, "on": true}}));
        let over = table(json!({"a": 2, "list": [3], "v1": {"port": 2, "new": 3}, "b": {}}));
        lay(&mut own, &over, "", &|key| key == "a" || key == "v1.new");
        assert_eq!(Value::Object(own), json!({"a": 1, "list": [3], "v1": {"port": 2, "on": true}, "b": {}}));
        assert!(has(&over, "v1.port") && has(&over, "list[0]") && !has(&over, "v1.on") && !has(&over, "c"));
    }

    #[test]
    fn what_is_stored_reads_back_and_an_empty_one_goes() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path(), "kml").unwrap(), Table::new());
        let over = table(json!({"a": {"b": 1}}));
        store(dir.path(), "kml", &over).unwrap();
        assert_eq!(read(dir.path(), "kml").unwrap(), over);
        store(dir.path(), "kml", &Table::new()).unwrap();
        store(dir.path(), "kml", &Table::new()).unwrap();
        assert_eq!(read(dir.path(), "kml").unwrap(), Table::new());
        fs::write(file(dir.path(), "kml"), "[1]").unwrap();
        let said = read(dir.path(), "kml").unwrap_err();
        assert!(said.contains("override.json") && said.contains("--reset-plugin kml"), "{said}");
    }
}
