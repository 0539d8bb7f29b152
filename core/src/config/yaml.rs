//! A FreeTAKServer configuration (`FTS_CONFIG_PATH` ending in .yaml) read through the names of operations.md 2.2.
//! It stands where a fts.toml would: environment and command line win over it. Read only; it is never written.
use std::path::{Path, PathBuf};

use serde_yaml_ng::Value as Yaml;
use toml_edit::Value;

use super::{ConfigError, Layer, Origin, env, layer};

/// What it says.
#[derive(Debug, Default)]
pub struct Foreign {
    /// Keys that mean something here.
    pub layer: Layer,
    /// For the operator.
    pub notes: Vec<String>,
    /// `FTS_PERSISTENCE_PATH`.
    pub data_dir: Option<PathBuf>,
}

/// Reads it.
///
/// # Errors
/// What cannot be read or is not YAML, with its line.
pub fn read_file(path: &Path, defaults: &Layer) -> Result<Foreign, ConfigError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::Unreadable { path: path.to_owned(), message: error.to_string() })?;
    let document: Yaml = serde_yaml_ng::from_str(&text).map_err(|error| ConfigError::Syntax {
        place: format!("{name}:{}", error.location().map_or(1, |l| l.line())),
        message: format!("as YAML: {error}"),
    })?;
    let mut found = Foreign {
        notes: vec![format!(
            "{name} is FreeTAKServer's: its settings are read, nothing else is taken over (no users, files or certificates)"
        )],
        ..Foreign::default()
    };
    let sections = document.as_mapping().into_iter().flatten().filter_map(|(_, section)| section.as_mapping());
    for (key, value) in sections.flatten().filter_map(|(k, v)| Some((k.as_str()?, plain(v)?))) {
        // The line of a key is where it first stands: names are unique across sections.
        let at = text.lines().position(|l| l.trim_start().starts_with(&format!("{key}:"))).map_or(1, |n| n + 1);
        if key == "FTS_PERSISTENCE_PATH" {
            found.data_dir = Some(value.into());
        } else if let Some((_, path)) = env::LEGACY.iter().find(|(n, _)| *n == key) {
            let text = matches!(defaults.get(*path), Some((Value::String(_), _)));
            let value = if text { Value::from(value) } else { layer::literal(&value) };
            found.layer.insert((*path).to_owned(), (value, Origin::File(name.clone(), at)));
        } else {
            found.notes.push(format!("{name}:{at}: {key} has no effect in this version"));
        }
    }
    Ok(found)
}

fn plain(value: &Yaml) -> Option<String> {
    match value {
        Yaml::String(text) => Some(text.clone()),
        Yaml::Number(number) => Some(number.to_string()),
        Yaml::Bool(flag) => Some(flag.to_string()),
        Yaml::Null => Some(String::new()),
        _ => None,
    }
}
