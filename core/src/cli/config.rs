//! `fts config check|show|default|schema`.
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::{Global, output};
use crate::{
    config::{self, CAPABILITIES, DEFAULT, HostKeys, Loaded, env_name, load},
    plugins::shown::{self, Shown},
};

/// What to do with the configuration.
#[derive(Debug, clap::Subcommand)]
pub enum ConfigCommand {
    /// Says what is wrong with it, or that it is good
    Check,
    /// Prints every key as it is in effect
    Show {
        /// And where each value came from
        #[arg(long)]
        origin: bool,
        /// As it is in effect (the default)
        #[arg(long)]
        effective: bool,
    },
    /// Prints the documented defaults: a fts.toml to begin with
    Default,
    /// Prints a JSON Schema of fts.toml
    Schema,
}

pub fn run(global: &Global, command: &ConfigCommand) -> ExitCode {
    match command {
        ConfigCommand::Default => print!("{DEFAULT}"),
        ConfigCommand::Schema => println!("{:#}", schema()),
        ConfigCommand::Check | ConfigCommand::Show { .. } => match load(&global.sources()) {
            Err(error) => {
                eprintln!("fts: {error}");
                return ExitCode::from(4);
            }
            Ok(loaded) => {
                loaded.notes.iter().for_each(|note| eprintln!("note: {note}"));
                match command {
                    ConfigCommand::Show { origin, .. } => print!("{}", show(&loaded, *origin, global.json)),
                    _ => println!(
                        "good: {}",
                        loaded.file.as_ref().map_or_else(|| "built-in defaults".into(), |f| f.display().to_string())
                    ),
                }
            }
        },
    }
    ExitCode::SUCCESS
}

fn show(loaded: &Loaded, origin: bool, json: bool) -> String {
    // Nothing is loaded here, so only names can say what is secret.
    let all = shown::all(loaded, |_| Vec::new()).into_iter();
    if json {
        let entry = |(key, s): (String, Shown)| (key, json!({"value": s.value, "origin": s.origin}));
        return format!("{:#}\n", Value::Object(all.map(entry).collect::<Map<_, _>>()));
    }
    let row = |(key, s): (String, Shown)| {
        let mut row = vec![format!("{key} = {}", s.value)];
        row.extend(origin.then(|| format!("# {}", s.origin)));
        row
    };
    output::table(&all.map(row).collect::<Vec<_>>())
}

/// One level of tables per dot; types from the defaults.
fn schema() -> Value {
    let mut root = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "fts.toml", "type": "object", "additionalProperties": false, "properties": {}});
    for (path, (value, _)) in config::defaults() {
        let kind = match &value {
            toml_edit::Value::Boolean(_) => json!({"type": "boolean"}),
            toml_edit::Value::Integer(_) => json!({"type": "integer", "minimum": 0}),
            toml_edit::Value::Array(_) => json!({"type": "array"}),
            _ => json!({"type": ["string", "integer"]}),
        };
        let mut entry = kind;
        entry["default"] = value
            .as_str()
            .map_or_else(|| serde_json::from_str(value.to_string().trim()).unwrap_or(Value::Null), Value::from);
        entry["description"] = format!("environment: {}", env_name(&path)).into();
        let mut at = &mut root;
        let mut parts = path.split('.').peekable();
        while let Some(part) = parts.next() {
            let properties = &mut at["properties"];
            if parts.peek().is_none() {
                properties[part] = entry;
                break;
            }
            if properties[part].is_null() {
                properties[part] =
                    json!({"type": "object", "additionalProperties": part == "subject", "properties": {}});
            }
            at = &mut properties[part];
        }
    }
    root["properties"]["listeners"]["properties"]["extra"] =
        json!({"type": "array", "items": {"type": "object", "required": ["name", "kind", "port"]}});
    root["properties"]["plugins"]["additionalProperties"] = plugin_table();
    root
}

/// `[plugins.<name>]`: the keys of the server, and whatever the plugin has.
fn plugin_table() -> Value {
    let keys = serde_json::to_value(HostKeys::default()).unwrap_or_default();
    let kind = |value: &Value| match value {
        Value::Bool(_) => json!({"type": "boolean", "default": value}),
        Value::Number(_) => json!({"type": ["integer", "string"], "default": value}),
        Value::Array(_) => json!({"type": "array", "items": {"enum": CAPABILITIES}, "default": value}),
        _ => json!({"type": "string", "default": ""}),
    };
    let keys = keys.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), kind(value)));
    json!({"type": "object", "properties": keys.collect::<Map<_, _>>(), "additionalProperties": true})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_knows_every_key() {
        let schema = schema();
        for path in config::defaults().keys() {
            let at = path.split('.').fold(&schema, |at, part| &at["properties"][part]);
            assert!(at["default"] != Value::Null, "{path}");
        }
    }
}
