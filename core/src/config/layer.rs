//! [`Layer`]: one source of values, flattened to key paths, each with the place it came from.
use std::{collections::BTreeMap, fmt, ops::Range, path::Path};

use toml_edit::{Document, Item, Key, Value};

use super::ConfigError;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// The secure profile.
    Profile,
    /// A file and line.
    File(String, usize),
    /// A file and the line of each table of an array.
    Tables(String, Vec<usize>),
    /// An environment variable.
    Env(String),
    /// `--set`, or a legacy flag.
    Set,
    /// The rule for the data directory, by name of what decided.
    Rule(&'static str),
}

impl Origin {
    /// Where the table with this number of an array of tables stands.
    pub fn of_table(&self, number: usize) -> Origin {
        match self {
            Origin::Tables(file, lines) => Origin::File(file.clone(), lines.get(number).copied().unwrap_or(1)),
            other => other.clone(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Profile => f.write_str("profile:secure"),
            Origin::File(file, line) => write!(f, "{file}:{line}"),
            Origin::Tables(file, lines) => write!(f, "{file}:{}", lines.first().unwrap_or(&1)),
            Origin::Env(name) => write!(f, "env:{name}"),
            Origin::Set => f.write_str("command line"),
            Origin::Rule(rule) => write!(f, "rule:{rule}"),
        }
    }
}

/// Key path -> value and origin.
pub type Layer = BTreeMap<String, (Value, Origin)>;

/// Reads a TOML text. `[[listeners.extra]]` is one value: an array of tables.
///
/// # Errors
/// What is not TOML, with its line.
pub fn read(text: &str, name: &str) -> Result<Layer, ConfigError> {
    let document = Document::parse(text).map_err(|error| ConfigError::Syntax {
        place: format!("{name}:{}", line(text, error.span())),
        message: error.message().to_owned(),
    })?;
    let mut layer = Layer::new();
    for (key, item) in document.as_table().iter() {
        flatten(key.to_owned(), item, text, name, &mut layer);
    }
    Ok(layer)
}

fn flatten(path: String, item: &Item, text: &str, name: &str, layer: &mut Layer) {
    match item {
        // A plugin's table says by being there that somebody expects that plugin.
        Item::Table(table) if table.is_empty() && path.starts_with("plugins.") => {
            let at = line(text, table.span());
            layer.insert(path, (Value::InlineTable(Default::default()), Origin::File(name.to_owned(), at)));
        }
        Item::Table(table) => {
            table.iter().for_each(|(key, item)| flatten(join(&path, key), item, text, name, layer));
        }
        Item::ArrayOfTables(tables) => {
            let lines = tables.iter().map(|t| line(text, t.span())).collect();
            let list: toml_edit::Array =
                tables.iter().map(|t| Value::InlineTable(t.clone().into_inline_table())).collect();
            layer.insert(path, (Value::Array(list), Origin::Tables(name.to_owned(), lines)));
        }
        Item::Value(Value::InlineTable(table)) if is_free(&path) && !table.is_empty() => {
            let below = table.iter().map(|(key, value)| (join(&path, key), Item::Value(value.clone())));
            below.for_each(|(path, item)| flatten(path, &item, text, name, layer));
        }
        Item::Value(value) => {
            let at = line(text, value.span());
            layer.insert(path, (value.clone(), Origin::File(name.to_owned(), at)));
        }
        Item::None => {}
    }
}

/// Below `[plugins]` keys are anybody's.
fn is_free(path: &str) -> bool {
    path == "plugins" || path.starts_with("plugins.")
}

fn join(path: &str, key: &str) -> String {
    if is_free(path) { format!("{path}.{}", Key::new(key)) } else { format!("{path}.{key}") }
}

/// A value of a plugin's table that is a table itself becomes one entry per key, as it would in a file.
pub fn spread(path: String, value: Value, origin: Origin, layer: &mut Layer) {
    match value {
        Value::InlineTable(table) if is_free(&path) && !table.is_empty() => {
            table.iter().for_each(|(key, value)| spread(join(&path, key), value.clone(), origin.clone(), layer));
        }
        value => drop(layer.insert(path, (value, origin))),
    }
}

fn line(text: &str, span: Option<Range<usize>>) -> usize {
    let start = span.map_or(0, |s| s.start).min(text.len());
    text.as_bytes()[..start].iter().filter(|b| **b == b'\n').count() + 1
}

/// A file's content as a layer.
///
/// # Errors
/// What cannot be read or is not TOML.
pub fn read_file(path: &Path) -> Result<Layer, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::Unreadable { path: path.to_owned(), message: error.to_string() })?;
    read(&text, &path.display().to_string())
}

/// A value from the environment or the command line: a TOML literal, else plain text.
pub fn literal(text: &str) -> Value {
    text.trim().parse().unwrap_or_else(|_| Value::from(text))
}
