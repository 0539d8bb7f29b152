//! Values from the environment: `FTS_SECTION__KEY` for every key, and the names FreeTAKServer knew (operations.md 2.2).
//! A legacy name wins over the file and loses to the new form. What has no meaning here is accepted with a note; what
//! nobody knows is a warning with a suggestion, never an error (decision 112).
use std::collections::BTreeMap;

use toml_edit::Value;

use super::{Layer, Origin, layer, nearest, plugins};

/// FreeTAKServer's names that mean something here: name, key path.
pub const LEGACY: &[(&str, &str)] = &[
    ("FTS_NODE_ID", "server.node_id"),
    ("FTS_CONNECTION_MESSAGE", "cot.welcome_message"),
    ("FTS_COT_PORT", "listeners.cot_tcp.port"),
    ("FTS_SSLCOT_PORT", "listeners.cot_tls.port"),
    ("FTS_USER_ADDRESS", "server.public_host"),
    ("FTS_DP_ADDRESS", "server.public_host"),
    ("FTS_CERTS_PATH", "tls.dir"),
    ("FTS_LOGFILE_PATH", "log.dir"),
    ("FTS_LOG_LEVEL", "log.level"),
    ("FTS_SERVER_KEYDIR", "tls.server_key"),
    ("FTS_SERVER_PEMDIR", "tls.server_cert"),
    ("FTS_CADIR", "tls.ca_cert"),
    ("FTS_CAKEYDIR", "tls.ca_key"),
    ("FTS_CLIENT_CERT_PASSWORD", "packages.password"),
    ("FTS_API_PORT", "listeners.rest.port"),
    ("FTS_API_ADDRESS", "listeners.rest.bind"),
    ("FTS_COT_TO_DB", "storage.archive_cot"),
    ("FTS_SAVE_COT_TO_DB", "storage.archive_cot"),
    ("FTS_DB_PATH", "storage.path"),
    ("FTS_DATAPACKAGE_PATH", "files.dir"),
    ("FTS_CLIENT_PACKAGES_PATH", "packages.dir"),
    ("FTS_CRLDIR", "tls.crl"),
    ("FTS_EMERGENCY_RADIUS", "plugins.emergency.radius_km"),
];

/// Names that are accepted and do nothing: either this server needs no such setting, or the part they belong to is not
/// in this version.
pub const IGNORED: &[&str] = &[
    "FTS_SECRET_KEY",
    "FTS_OPTIMIZE_API",
    "FTS_DATA_RECEPTION_BUFFER",
    "FTS_MAX_RECEPTION_TIME",
    "FTS_MAINLOOP_DELAY",
    "FTS_DATABASE_TYPE",
    "FTS_FED_PORT",
    "FTS_CLI_WHITELIST",
    "FTS_NUM_ROUTING_WORKERS",
    "FTS_ROUTING_PROXY_SUBSCRIBE_PORT",
    "FTS_ROUTING_PROXY_SUBSCRIBE_IP",
    "FTS_ROUTING_PROXY_PUBLISHER_PORT",
    "FTS_ROUTING_PROXY_PUBLISHER_IP",
    "FTS_ROUTING_PROXY_SERVER_PORT",
    "FTS_ROUTING_PROXY_SERVER_IP",
    "FTS_INTEGRATION_MANAGER_PULLER_PORT",
    "FTS_INTEGRATION_MANAGER_PULLER_ADDRESS",
    "FTS_INTEGRATION_MANAGER_PUBLISHER_PORT",
    "FTS_INTEGRATION_MANAGER_PUBLISHER_ADDRESS",
    "FTS_MAINPATH",
    "FTS_EXCHECK_PATH",
    "FTS_EXCHECK_TEMPLATE_PATH",
    "FTS_EXCHECK_CHECKLIST_PATH",
    "FTS_DATA_PATH",
    "FTS_CORE_COMPONENTS_PATH",
    "FTS_INTERNAL_COMPONENTS_PATH",
    "FTS_EXTERNAL_COMPONENTS_PATH",
    "FTS_CORE_COMPONENTS_IMPORT_ROOT",
    "FTS_INTERNAL_COMPONENTS_IMPORT_ROOT",
    "FTS_EXTERNAL_COMPONENTS_IMPORT_ROOT",
    "FTS_TESTCLIENT_PEMDIR",
    "FTS_TESTCLIENT_KEYDIR",
    "FTS_UNENCRYPTED_KEYDIR",
    "FTS_SERVER_P12DIR",
    "FTS_FEDERATION_CERTDIR",
    "FTS_FEDERATION_KEYDIR",
    "FTS_FEDERATION_KEYPASS",
    "FTS_FED_PASSWORD",
    "FTS_WEBSOCKET_KEY",
    "FTS_FIRST_START",
    "FTS_IP",
    "FTS_API_PROTO",
    "FTS_UI_EXPOSED_IP",
    "FTS_UI_PORT",
    "FTS_UI_WSKEY",
    "FTS_API_KEY",
];

/// Names that are read elsewhere.
const ELSEWHERE: &[&str] = &[
    "FTS_ADMIN_PASSWORD",
    "FTS_ADMIN_PASSWORD_FILE",
    "FTS_CA_KEY_PASSWORD",
    "FTS_CA_KEY_PASSWORD_FILE",
    "FTS_CONFIG",
    "FTS_CONFIG_PATH",
    "FTS_PERSISTENCE_PATH",
    "FTS_SERVER__DATA_DIR",
    "FTS_BIN",
    "FTS_GIT",
    "FTS_RUSTC",
];

/// The variable of a key.
pub fn name(path: &str) -> String {
    format!("FTS_{}", path.replace('.', "__").replace('-', "_").to_uppercase())
}

/// FreeTAKServer's words for yes and no, and ours.
pub fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "y" | "on" => Some(true),
        "0" | "false" | "no" | "n" | "off" | "" => Some(false),
        _ => None,
    }
}

/// `FTS_PLUGINS__XMPP_CHAT__TLS__PORT` is `plugins.xmpp-chat.tls.port`: names of plugins have no `_`, and the keys of
/// plugins here are small letters, digits and `_` (another key is found when it stands in the file).
fn of_plugin(variable: &str) -> Option<String> {
    let (plugin, keys) = variable.strip_prefix("FTS_PLUGINS__")?.split_once("__")?;
    let plugin = plugin.to_lowercase().replace('_', "-");
    let bare = |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (plugins::is_plugin_name(&plugin) && keys.split("__").all(bare))
        .then(|| format!("plugins.{plugin}.{}", keys.to_lowercase().replace("__", ".")))
}

/// What the environment says about the keys of `defaults` and about plugins' tables, and notes for the operator. What
/// a plugin's key should be is known only when it stands in the file, too; else text that looks like a number is one.
pub fn read(env: &BTreeMap<String, String>, defaults: &Layer, file: &Layer) -> (Layer, Vec<String>) {
    let (mut found, mut notes) = (Layer::new(), Vec::new());
    let text = |path: &str, text: &str| -> Value {
        let standing = defaults.get(path).or_else(|| file.get(path)).map(|(value, _)| value);
        if let (Some(Value::Boolean(_)), Some(flag)) = (standing, flag(text)) {
            return flag.into();
        }
        let wants_text = matches!(standing, Some(Value::String(_)));
        if wants_text && !text.trim_start().starts_with('"') { Value::from(text) } else { layer::literal(text) }
    };
    for (variable, path) in LEGACY {
        if let Some(value) = env.get(*variable) {
            found.insert((*path).to_owned(), (text(path, value), Origin::Env((*variable).to_owned())));
        }
    }
    let in_file = file.iter().filter(|(path, (value, _))| plugins::is_in_table(path, value)).map(|(path, _)| path);
    let mut names: BTreeMap<String, String> =
        defaults.keys().chain(in_file).map(|path| (name(path), path.clone())).collect();
    for variable in env.keys() {
        let plain = variable.strip_suffix("_FILE").filter(|_| !names.contains_key(variable)).unwrap_or(variable);
        if let Some(path) = of_plugin(plain) {
            names.entry(plain.to_owned()).or_insert(path);
        }
    }
    for (variable, path) in &names {
        let from_file =
            env.get(&format!("{variable}_FILE")).map(|file| std::fs::read_to_string(file).map(|t| t.trim().to_owned()));
        match from_file {
            Some(Err(error)) => notes.push(format!("{variable}_FILE: {error}")),
            Some(Ok(value)) => {
                drop(found.insert(path.clone(), (Value::from(value), Origin::Env(format!("{variable}_FILE")))))
            }
            None => {}
        }
        if let Some(value) = env.get(variable) {
            found.insert(path.clone(), (text(path, value), Origin::Env(variable.clone())));
        }
    }
    for variable in env.keys().filter(|v| v.starts_with("FTS_")) {
        let plain = variable.strip_suffix("_FILE").unwrap_or(variable);
        let known = names.contains_key(plain)
            || LEGACY.iter().any(|(n, _)| n == variable)
            || ELSEWHERE.contains(&variable.as_str());
        if known {
            continue;
        }
        if IGNORED.contains(&variable.as_str()) || variable.starts_with("FTS_MAP_") {
            notes.push(format!("{variable} is accepted and has no effect in this version"));
        } else {
            let hint = nearest(variable, names.keys()).map(|n| format!(", did you mean {n}?")).unwrap_or_default();
            notes.push(format!("{variable} is no setting of fts{hint}"));
        }
    }
    (found, notes)
}
