//! The merged configuration as people are shown it (`fts config show`, `/admin/config`): secrets of plugins masked, and what
//! was set at run time in the place of what it overrides, with its origin. Needs no running plugin.
use std::collections::BTreeMap;

use serde_json::Value;
use toml_edit::Key;

use super::{overrides, secret};
use crate::config::{Loaded, Origin};

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its value as text.
    pub value: String,
    /// Where it came from.
    pub origin: String,
}

/// Keys of the server whose values nobody is shown.
const SECRET: &[&str] = &["packages.password"];

/// Every key path. `secrets` gives what a plugin's manifest names, where one is known.
pub fn all(loaded: &Loaded, secrets: impl Fn(&str) -> Vec<String>) -> BTreeMap<String, Shown> {
    let mut all: BTreeMap<String, Shown> = BTreeMap::new();
    for (key, (value, origin)) in &loaded.values {
        let value = match SECRET.contains(&key.as_str()) {
            true => format!("\"{}\"", secret::MASK),
            false => secret::shown(key, value, &secrets),
        };
        all.insert(key.clone(), Shown { value, origin: origin.to_string() });
    }
    let dir = &loaded.config.server.data_dir;
    for entry in std::fs::read_dir(dir.join("plugin-data")).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        // One that cannot be read stops its plugin, which says so.
        let mut over = Value::Object(overrides::read(dir, &name).unwrap_or_default());
        secret::mask(&mut over, &secrets(&name));
        lay(&mut all, loaded, &format!("plugins.{}", Key::new(&name)), &over);
    }
    all
}

fn lay(all: &mut BTreeMap<String, Shown>, loaded: &Loaded, path: &str, over: &Value) {
    match over {
        Value::Object(table) => {
            table.iter().for_each(|(key, value)| lay(all, loaded, &format!("{path}.{}", Key::new(key)), value));
        }
        // Environment and command line win over what is set at run time.
        _ if matches!(loaded.values.get(path), Some((_, Origin::Env(_) | Origin::Set))) => {}
        value => {
            let (value, origin) = (value.to_string(), overrides::ORIGIN.to_owned());
            all.insert(path.to_owned(), Shown { value, origin });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{Sources, load};

    #[test]
    fn overrides_take_their_place_and_secrets_are_masked() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("fts.toml");
        let text =
            "[plugins.kml]\ntitle = \"a\"\nport = 1\npin = 7\napi_token = \"t\"\n[plugins.kml.v1]\nhost = \"x\"\n";
        std::fs::write(&file, text).unwrap();
        let sources = Sources {
            config: Some(file),
            data_dir: Some(dir.path().join("data")),
            set: vec!["plugins.kml.port=2".into()],
            cwd: dir.path().to_owned(),
            ..Sources::default()
        };
        let loaded = load(&sources).unwrap();
        let over = json!({"title": "b", "port": 3, "v1": {"key_password": "k"}});
        overrides::store(&loaded.config.server.data_dir, "kml", over.as_object().unwrap()).unwrap();
        let all = all(&loaded, |plugin| if plugin == "kml" { vec!["pin".into()] } else { Vec::new() });
        let of = |key: &str| (all[key].value.as_str(), all[key].origin.as_str());
        assert_eq!(of("plugins.kml.title"), ("\"b\"", "runtime override"));
        assert_eq!(of("plugins.kml.port"), ("2", "command line"));
        assert_eq!(of("plugins.kml.v1.key_password"), ("\"***\"", "runtime override"));
        assert_eq!(
            (all["plugins.kml.api_token"].value.as_str(), all["plugins.kml.pin"].value.as_str()),
            ("\"***\"", "\"***\"")
        );
        assert!(all["plugins.kml.v1.host"].origin.ends_with("fts.toml:7"));
        assert_eq!(all["packages.password"].value, "\"***\"");
    }
}
