//! `[plugins]` and the tables below it. What the host owns in a plugin's table is typed and checked here; the rest is
//! the plugin's, which checks it itself when it starts: nothing is loaded to read a configuration, so a table of a plugin
//! that is not installed is no error here (decision 106).
//!
//! Keys below `[plugins]` are anybody's: those that are not bare keep their quotes in a key path
//! (`plugins.kml."a.b"`), so that a path always reads back.
use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Map;
use toml_edit::{Key, Value};

use super::{Layer, Loaded, Origin, build::Build};

/// `[plugins]`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Plugins {
    /// Where libraries are looked for, in order; absolute after loading.
    pub dirs: Vec<PathBuf>,
    /// Which plugins are wanted.
    pub enabled: Enabled,
    /// A plugin the server crashed in twice is left out at the next start.
    pub quarantine: bool,
    /// `[plugins.<name>]`, also of plugins that are not installed.
    pub tables: BTreeMap<String, PluginTable>,
}

/// `plugins.enabled`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub enum Enabled {
    /// Every shipped plugin that is found.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// These, each once, and no others; one that is not found is refused.
    #[serde(untagged)]
    Only(Vec<String>),
}

/// One `[plugins.<name>]`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct PluginTable {
    /// What the host owns.
    pub host: HostKeys,
    /// What the plugin owns, as JSON. Not shown: only the plugin knows which of it is secret.
    #[serde(skip)]
    pub own: Map<String, serde_json::Value>,
}

/// The keys of a plugin's table that the host owns. The plugin does not see them, and they come from the configuration
/// only, never through the admin API (decision 95).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct HostKeys {
    /// The server does not start without it.
    pub required: bool,
    /// What the file must hash to: 64 small hex digits.
    pub sha256: Option<String>,
    /// Mark of its queue, items, at least 1.
    pub queue_items: usize,
    /// Mark of its queue, bytes, at least 1.
    pub queue_bytes: usize,
    /// HTTP requests it handles at once, at least 1.
    pub http_concurrency: usize,
    /// HTTP requests that wait besides; 0 = none does.
    pub http_waiting: usize,
    /// Granted besides those a shipped plugin has: words of [`CAPABILITIES`].
    pub capabilities: Vec<String>,
}

impl Default for HostKeys {
    fn default() -> Self {
        Self {
            required: false,
            sha256: None,
            queue_items: 4_096,
            queue_bytes: 16 << 20,
            http_concurrency: 16,
            http_waiting: 1_024,
            capabilities: Vec::new(),
        }
    }
}

/// What can be granted (plugins.md 1.1).
pub const CAPABILITIES: &[&str] = &[
    "intercept",
    "bind-dest",
    "provide",
    "remote-contacts",
    "routes",
    "open-routes",
    "listen",
    "net",
    "kick",
    "certs.issue",
    "tokens",
];

const HOST: &[&str] =
    &["required", "sha256", "queue_items", "queue_bytes", "http_concurrency", "http_waiting", "capabilities"];
/// Keys of `[plugins]` itself; no plugin can be called so.
const OWN: &[&str] = &["dirs", "enabled", "quarantine"];
const NAME: &str = "a plugin is called by a small letter, then small letters, digits and -, 32 in all at most";

/// Is this `[a-z][a-z0-9-]{0,31}`, and no key of `[plugins]`?
pub fn is_plugin_name(name: &str) -> bool {
    let rest = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 32
        && name.as_bytes().iter().all(rest)
        && !OWN.contains(&name)
}

/// Does this key path lead into a plugin's table?
pub(super) fn is_in_table(path: &str, value: &Value) -> bool {
    path.strip_prefix("plugins.").is_some_and(|rest| {
        let (first, more) = rest.split_once('.').map_or((rest, false), |(first, _)| (first, true));
        !OWN.contains(&first) && (more || value.is_inline_table())
    })
}

impl Plugins {
    /// The table of this plugin, or an empty one.
    pub fn table(&self, name: &str) -> PluginTable {
        self.tables.get(name).cloned().unwrap_or_default()
    }
}

impl Build<'_> {
    pub(super) fn plugins(&mut self) -> Plugins {
        let dirs = self.texts("plugins.dirs").into_iter().filter(|d| !d.is_empty());
        Plugins {
            dirs: dirs.map(|d| self.data_dir.join(d)).collect(),
            enabled: self.enabled(),
            quarantine: self.flag("plugins.quarantine"),
            tables: self.tables(),
        }
    }

    fn enabled(&mut self) -> Enabled {
        const KEY: &str = "plugins.enabled";
        // From the environment and the command line also a,b: nobody likes quotes within quotes.
        let plain = self.values.get(KEY).is_some_and(|(_, o)| matches!(o, Origin::Env(_) | Origin::Set));
        let list = |value: &Value| -> Option<Vec<String>> {
            value.as_array()?.iter().map(|i| i.as_str().map(str::to_owned)).collect()
        };
        let enabled = self.take(KEY, "\"auto\" or a list like [\"mission\", \"kml\"]", |value| match value.as_str() {
            Some("auto") => Some(Enabled::Auto),
            Some(text) if plain && text.trim_start().starts_with('[') => {
                text.parse().ok().and_then(|v| list(&v)).map(Enabled::Only)
            }
            Some(text) if plain => Some(Enabled::Only(words(text))),
            Some(_) => None,
            None => list(value).map(Enabled::Only),
        });
        if let Enabled::Only(names) = &enabled {
            let twice = |(i, name): (usize, &String)| names[..i].contains(name).then(|| name.clone());
            let wrong = names.iter().find(|n| !is_plugin_name(n)).map(|n| format!("{n:?}: {NAME}"));
            let wrong = wrong.or(names.iter().enumerate().find_map(twice).map(|n| format!("{n:?} stands there twice")));
            if let (Some(message), Some((_, origin))) = (wrong, self.values.get(KEY)) {
                self.rule(KEY, &origin.clone(), &message);
            }
        }
        enabled
    }

    fn tables(&mut self) -> BTreeMap<String, PluginTable> {
        let values = self.values;
        let mut tables = BTreeMap::<String, PluginTable>::new();
        for (path, (value, origin)) in values.range("plugins.".to_owned().."plugins/".to_owned()) {
            if !is_in_table(path, value) {
                continue;
            }
            let Ok(keys) = Key::parse(path) else {
                self.rule(path, origin, "no key path; keys with more than letters, digits, - and _ stand in quotes");
                continue;
            };
            let keys: Vec<&str> = keys.iter().map(Key::get).collect();
            let [_, name, rest @ ..] = keys.as_slice() else { continue };
            if !is_plugin_name(name) {
                self.rule(path, origin, NAME);
                continue;
            }
            let table = tables.entry((*name).to_owned()).or_default();
            match rest {
                [] => {}
                [first] if HOST.contains(first) => {}
                [first, ..] if HOST.contains(first) => {
                    self.rule(path, origin, &format!("{first} is a key of the server, not a table"))
                }
                _ => match json(value) {
                    Some(value) => put(&mut table.own, rest, value),
                    None => self.rule(path, origin, "a number without a value (inf, nan)"),
                },
            }
        }
        for (name, table) in &mut tables {
            table.host = self.host_keys(name);
        }
        tables
    }

    fn host_keys(&mut self, name: &str) -> HostKeys {
        let standard = HostKeys::default();
        let key = |k: &str| format!("plugins.{name}.{k}");
        let sha256 = self.given(&key("sha256"), String::new(), Self::text);
        let keys = HostKeys {
            required: self.given(&key("required"), standard.required, Self::flag),
            sha256: Some(sha256.to_ascii_lowercase()).filter(|s| !s.is_empty()),
            queue_items: self.given(&key("queue_items"), standard.queue_items, Self::count),
            queue_bytes: self.given(&key("queue_bytes"), standard.queue_bytes, |b, k| b.size(k) as usize),
            http_concurrency: self.given(&key("http_concurrency"), standard.http_concurrency, Self::count),
            http_waiting: self.given(&key("http_waiting"), standard.http_waiting, Self::count),
            capabilities: self.given(&key("capabilities"), standard.capabilities, Self::texts),
        };
        if !self.errors.is_empty() {
            return keys; // Rules speak of values that are what they should be.
        }
        let mut rule = |k: &str, message: &str| {
            let key = key(k);
            let origin = self.values.get(&key).map_or(Origin::Default, |(_, o)| o.clone());
            self.rule(&key, &origin, message);
        };
        for (k, n) in [
            ("queue_items", keys.queue_items),
            ("queue_bytes", keys.queue_bytes),
            ("http_concurrency", keys.http_concurrency),
        ] {
            if n == 0 {
                rule(k, "must be at least 1");
            }
        }
        if keys.sha256.as_ref().is_some_and(|s| s.len() != 64 || !s.bytes().all(|b| b.is_ascii_hexdigit())) {
            rule("sha256", "must be 64 hex digits, as sha256sum prints them, or \"\"");
        }
        if let Some(unknown) = keys.capabilities.iter().find(|c| !CAPABILITIES.contains(&c.as_str())) {
            rule("capabilities", &format!("{unknown:?} is none; there are {}", CAPABILITIES.join(" ")));
        }
        keys
    }

    fn given<T>(&mut self, key: &str, standard: T, read: impl FnOnce(&mut Self, &str) -> T) -> T {
        if self.values.contains_key(key) { read(self, key) } else { standard }
    }
}

/// `a, b` as a list.
fn words(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect()
}

fn put(table: &mut Map<String, serde_json::Value>, path: &[&str], value: serde_json::Value) {
    let [first, rest @ ..] = path else { return };
    if rest.is_empty() {
        table.insert((*first).to_owned(), value);
        return;
    }
    let inner = table.entry(*first).or_insert_with(|| Map::new().into());
    if let Some(inner) = inner.as_object_mut() {
        put(inner, rest, value);
    }
}

/// None for a number JSON has no form of. Times are texts.
fn json(value: &Value) -> Option<serde_json::Value> {
    Some(match value {
        Value::String(text) => text.value().as_str().into(),
        Value::Integer(n) => (*n.value()).into(),
        Value::Float(n) => serde_json::Number::from_f64(*n.value())?.into(),
        Value::Boolean(flag) => (*flag.value()).into(),
        Value::Datetime(time) => time.value().to_string().into(),
        Value::Array(list) => list.iter().map(json).collect::<Option<Vec<_>>>()?.into(),
        Value::InlineTable(table) => {
            let pairs = table.iter().map(|(key, value)| Some((key.to_owned(), json(value)?)));
            serde_json::Value::Object(pairs.collect::<Option<_>>()?)
        }
    })
}

impl Loaded {
    /// Where a key was set: `fts.toml:41`, `env:FTS_PLUGINS__KML__TITLE`. `path` is a key path as plugins write it,
    /// `plugins.federation.outgoing[1].port` or `….outgoing.1.port`; when that key is nowhere, the nearest table it
    /// belongs to, by its first line that says anything. None = nothing was set there.
    pub fn place_of(&self, path: &str) -> Option<String> {
        let path = path.replace('[', ".").replace(']', "");
        let parts: Vec<&str> = path.split('.').collect();
        // `[plugins]` alone is nearer to the other plugins than to this one.
        for end in (2..=parts.len()).rev() {
            let key = parts[..end].iter().map(|p| Key::new(*p).to_string()).collect::<Vec<_>>().join(".");
            let number = parts.get(end).and_then(|n| n.parse().ok());
            match self.values.get(&key) {
                Some((_, Origin::Default | Origin::Profile)) => {}
                Some((_, origin)) => return Some(number.map_or(origin.clone(), |n| origin.of_table(n)).to_string()),
                None => {
                    if let Some(first) = first_below(&self.values, &key) {
                        return Some(first.to_string());
                    }
                }
            }
        }
        None
    }
}

fn first_below<'a>(values: &'a Layer, key: &str) -> Option<&'a Origin> {
    let below = values.range(format!("{key}.")..format!("{key}/")).map(|(_, (_, origin))| origin);
    below.filter(|o| matches!(o, Origin::File(..) | Origin::Tables(..))).min_by_key(|o| match o {
        Origin::File(_, line) => *line,
        Origin::Tables(_, lines) => lines.first().copied().unwrap_or(1),
        _ => usize::MAX,
    })
}

/// Lays `over` upon `values`. Below `[plugins]` a table and a value may meet under one key; the upper one stays. An
/// empty table takes nothing away.
pub(super) fn lay(values: &mut Layer, over: Layer) {
    for (key, value) in over {
        if key.starts_with("plugins.") {
            let below: Vec<String> =
                values.range(format!("{key}.")..format!("{key}/")).map(|(k, _)| k.clone()).collect();
            let empty = value.0.as_inline_table().is_some_and(|t| t.is_empty());
            if empty && !below.is_empty() {
                continue;
            }
            below.iter().for_each(|k| drop(values.remove(k)));
            key.match_indices('.').skip(1).for_each(|(at, _)| drop(values.remove(&key[..at])));
        }
        values.insert(key, value);
    }
}

#[cfg(test)]
#[path = "plugins_tests.rs"]
mod tests;
