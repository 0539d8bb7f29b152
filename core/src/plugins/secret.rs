//! Which values of a plugin's table nobody is shown. Two rules: what the plugin's manifest names, and, also where no
//! manifest is at hand (`fts config show` loads nothing), every key whose name says that it is a secret.
//!
//! What must not happen: a secret inside of a list or a table of a table is shown because only the outer key was looked
//! at. An empty value is shown: it says that nothing is set.
use serde_json::Value;

/// What is shown instead.
pub const MASK: &str = "***";

/// Parts of names that give a secret away.
const TELLING: &[&str] = &["password", "secret", "token"];

/// Does the name of this key say that its value is a secret?
pub fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    TELLING.iter().any(|word| key.contains(word))
}

/// Masks a table, or what is in it. `secrets` are those of the manifest: key paths within the table, or last names.
pub fn mask(value: &mut Value, secrets: &[String]) {
    below(value, "", secrets);
}

fn below(value: &mut Value, path: &str, secrets: &[String]) {
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                let own = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                if is_secret(key) || secrets.iter().any(|s| *s == own || s == key) {
                    hide(value);
                } else {
                    below(value, &own, secrets);
                }
            }
        }
        // Places in a list are no part of a path.
        Value::Array(list) => list.iter_mut().for_each(|value| below(value, path, secrets)),
        _ => {}
    }
}

fn hide(value: &mut Value) {
    let empty = value.is_null() || value.as_str() == Some("");
    if !empty {
        *value = MASK.into();
    }
}

/// One value of a merged configuration as it is shown: `path` is its key path. `secrets` gives the manifest's of a plugin.
pub fn shown(path: &str, value: &toml_edit::Value, secrets: impl Fn(&str) -> Vec<String>) -> String {
    let plain = || value.to_string().trim().to_owned();
    let Some(rest) = path.strip_prefix("plugins.") else { return plain() };
    // Quotes around a key with dots do not matter here: a name that gives a secret away does so with them, too.
    let Some((plugin, key)) = rest.split_once('.') else { return plain() };
    let (secrets, last) = (secrets(plugin), key.rsplit('.').next().unwrap_or(key));
    let hidden = is_secret(last) || secrets.iter().any(|s| s == key || s == last);
    let mut value = value.clone();
    if hidden {
        hide_toml(&mut value);
    } else {
        below_toml(&mut value, &secrets);
    }
    value.to_string().trim().to_owned()
}

fn hide_toml(value: &mut toml_edit::Value) {
    if value.as_str() != Some("") {
        *value = MASK.into();
    }
}

fn below_toml(value: &mut toml_edit::Value, secrets: &[String]) {
    match value {
        toml_edit::Value::InlineTable(table) => {
            for (key, value) in table.iter_mut() {
                if is_secret(key.get()) || secrets.iter().any(|s| s == key.get()) {
                    hide_toml(value);
                } else {
                    below_toml(value, secrets);
                }
            }
        }
        toml_edit::Value::Array(list) => list.iter_mut().for_each(|value| below_toml(value, secrets)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_masked_at_any_depth_and_empty_ones_are_shown() {
        let mut table = json!({
            "host": "x", "Password": "p", "empty_secret": "", "pin": 7,
            "v1": {"key_password": "k", "pin": 8, "port": 9},
            "rooms": [{"name": "a", "api_token": "t"}],
        });
        mask(&mut table, &["pin".to_owned(), "v1.port".to_owned()]);
        assert_eq!(
            table,
            json!({
                "host": "x", "Password": "***", "empty_secret": "", "pin": "***",
                "v1": {"key_password": "***", "pin": "***", "port": "***"},
                "rooms": [{"name": "a", "api_token": "***"}],
            })
        );
    }

    #[test]
    fn the_same_in_a_configuration() {
        let value = |text: &str| text.parse::<toml_edit::Value>().unwrap();
        let none = |_: &str| Vec::new();
        assert_eq!(shown("plugins.x.password", &value("\"p\""), none), "\"***\"");
        assert_eq!(shown("plugins.x.v1.\"a.token\"", &value("\"p\""), none), "\"***\"");
        assert_eq!(
            shown("plugins.x.rooms", &value("[{ n = 1, secret = \"s\" }]"), none),
            "[{ n = 1, secret = \"***\" }]"
        );
        assert_eq!(shown("plugins.x.port", &value("7"), |_| vec!["port".into()]), "\"***\"");
        assert_eq!(shown("plugins.x.port", &value("7"), none), "7");
        assert_eq!(shown("log.token", &value("7"), none), "7", "the server's own keys are not this file's business");
    }
}
