//! [`load`]: finds the sources, merges them, checks them (operations.md 3.1, 3.4).
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{Config, ConfigError, Layer, Origin, build::Build, check, env, layer, nearest, plugins, yaml};

/// The commented defaults: `config/fts.toml`, printed by `fts config default`.
pub const DEFAULT: &str = include_str!("../../../config/fts.toml");

/// Everything that decides the configuration.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--set key=value`.
    pub set: Vec<String>,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// The working directory.
    pub cwd: PathBuf,
}

/// A loaded configuration.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Typed.
    pub config: Config,
    /// Every key with its value and where that came from.
    pub values: Layer,
    /// For the operator.
    pub notes: Vec<String>,
    /// The file, if there is one.
    pub file: Option<PathBuf>,
}

/// Tables of parts that come with later versions.
const LATER: &[&str] = &[
    "rest",
    "tls.backend",
    "cot.filters.scrubber",
    "metrics.per_client",
    "shutdown.spread",
    "retention.rest_calls",
    "storage.geoid_file",
    "storage.journal_max",
];

/// What `profile = "secure"` changes.
const SECURE: &str = "listeners.cot_tcp.enabled = false
listeners.marti_http.enabled = false
listeners.rest.bind = \"127.0.0.1\"
listeners.rest.tls = true
listeners.rest.cors_origins = []
auth.allow_unknown_cn = false";

impl Sources {
    /// Of this process.
    pub fn of_process(config: Option<PathBuf>, data_dir: Option<PathBuf>, set: Vec<String>) -> Self {
        let env = std::env::vars().filter(|(name, _)| name.starts_with("FTS_")).collect();
        Self { config, data_dir, set, env, cwd: std::env::current_dir().unwrap_or_default() }
    }
}

/// Built-in defaults as a layer.
pub fn defaults() -> Layer {
    // The embedded file is parsed by a test; were it broken, every key would be reported as missing.
    let mut values = layer::read(DEFAULT, "default").unwrap_or_default();
    values.values_mut().for_each(|(_, origin)| *origin = Origin::Default);
    values
}

/// Loads.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let defaults = defaults();
    let mut notes = Vec::new();
    let mut early_dir = sources.data_dir.clone().map(|d| (d, "--data-dir")).or_else(|| env_dir(sources));
    let file = find_file(sources, early_dir.as_ref().map(|(dir, _)| dir.as_path()));
    let mut file_layer = Layer::new();
    if let Some(path) = file.as_ref().filter(|path| is_yaml(path)) {
        let foreign = yaml::read_file(path, &defaults)?;
        file_layer = foreign.layer;
        notes.extend(foreign.notes);
        early_dir = early_dir.or(foreign.data_dir.map(|d| (d, "FTS_PERSISTENCE_PATH in YAML")));
    } else if let Some(path) = &file {
        file_layer = layer::read_file(path)?;
        for part in parts(path) {
            plugins::lay(&mut file_layer, layer::read_file(&part)?);
        }
    }
    let (from_env, said) = env::read(&sources.env, &defaults, &file_layer);
    notes.extend(said);
    let mut set = Layer::new();
    let mut errors = Vec::new();
    for pair in &sources.set {
        match pair.split_once('=') {
            Some((key, value)) => {
                let mut one = Layer::new();
                layer::spread(key.trim().to_owned(), layer::literal(value), Origin::Set, &mut one);
                plugins::lay(&mut set, one);
            }
            None => errors.push(ConfigError::Rule {
                place: Origin::Set.to_string(),
                key: pair.clone(),
                message: "--set takes key=value".into(),
            }),
        }
    }
    errors.extend(unknown(&file_layer, &defaults));
    errors.extend(unknown(&set, &defaults));
    let mut values = defaults;
    let secure = [&set, &from_env, &file_layer]
        .iter()
        .find_map(|l| l.get("server.profile"))
        .is_some_and(|(v, _)| v.as_str() == Some("secure"));
    if secure {
        let mut profile = layer::read(SECURE, "secure")?;
        profile.values_mut().for_each(|(_, origin)| *origin = Origin::Profile);
        values.extend(profile);
    }
    for layer in [file_layer, from_env, set] {
        plugins::lay(&mut values, layer);
    }
    move_certificates(&mut values);
    let data_dir = data_dir(&mut values, early_dir, file.as_deref(), &sources.cwd);
    if is_foreign(&data_dir) {
        return Err(ConfigError::ForeignDirectory(data_dir));
    }
    let mut build = Build { values: &values, errors, data_dir };
    let config = build.config();
    // Rules speak of values that are what they should be.
    if build.errors.is_empty() {
        check::rules(&config, &mut build);
    }
    if let Some(error) = ConfigError::all(build.errors) {
        return Err(error);
    }
    notes.sort();
    Ok(Loaded { config, values, notes, file })
}

/// `tls.dir` moves the files that were not placed themselves.
fn move_certificates(values: &mut Layer) {
    let Some(dir) = values.get("tls.dir").and_then(|(v, _)| v.as_str()).map(str::to_owned) else { return };
    for key in ["tls.ca_cert", "tls.ca_key", "tls.server_cert", "tls.server_key", "tls.crl"] {
        if let Some((value, Origin::Default)) = values.get_mut(key)
            && let Some(name) = value.as_str().and_then(|v| v.strip_prefix("certs/"))
        {
            *value = format!("{dir}/{name}").into();
        }
    }
}

fn env_dir(sources: &Sources) -> Option<(PathBuf, &'static str)> {
    let dir = |name: &str| sources.env.get(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    dir("FTS_SERVER__DATA_DIR")
        .map(|d| (d, "FTS_SERVER__DATA_DIR"))
        .or_else(|| dir("FTS_PERSISTENCE_PATH").map(|d| (d, "FTS_PERSISTENCE_PATH")))
}

const SYSTEM: &str = "/etc/fts/fts.toml";

fn find_file(sources: &Sources, data_dir: Option<&Path>) -> Option<PathBuf> {
    let named = |name: &str| sources.env.get(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let legacy = |wanted: fn(&Path) -> bool| named("FTS_CONFIG_PATH").filter(|path| wanted(path));
    let toml = |path: &Path| path.extension().is_some_and(|e| e == "toml");
    if let Some(path) = sources.config.clone().or_else(|| named("FTS_CONFIG")).or_else(|| legacy(toml)) {
        return Some(sources.cwd.join(path));
    }
    let inside = sources.cwd.join(data_dir.unwrap_or(Path::new("fts-data"))).join("fts.toml");
    let own = [inside, PathBuf::from(SYSTEM)].into_iter().find(|path| path.is_file());
    own.or_else(|| legacy(is_yaml).map(|path| sources.cwd.join(path)))
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "yaml" || e == "yml")
}

/// `conf.d/*.toml` beside a file, by name.
fn parts(file: &Path) -> Vec<PathBuf> {
    let beside = file.with_file_name("conf.d");
    let entries = std::fs::read_dir(beside).into_iter().flatten().flatten().map(|e| e.path());
    let mut parts: Vec<PathBuf> = entries.filter(|p| p.extension().is_some_and(|e| e == "toml")).collect();
    parts.sort();
    parts
}

fn data_dir(values: &mut Layer, early: Option<(PathBuf, &'static str)>, file: Option<&Path>, cwd: &Path) -> PathBuf {
    let written =
        values.get("server.data_dir").and_then(|(v, _)| v.as_str()).filter(|d| !d.is_empty()).map(PathBuf::from);
    let (dir, rule) = match (early, written) {
        (Some((dir, rule)), _) => (dir, Some(rule)),
        (None, Some(dir)) => (dir, None),
        (None, None) if file == Some(Path::new(SYSTEM)) => (PathBuf::from("/var/lib/fts"), Some("system install")),
        (None, None) => (PathBuf::from("fts-data"), Some("./fts-data")),
    };
    let dir = cwd.join(dir);
    if let Some(rule) = rule {
        values.insert("server.data_dir".into(), (dir.display().to_string().into(), Origin::Rule(rule)));
    }
    dir
}

/// A FreeTAKServer installation that was not imported is never written into.
fn is_foreign(dir: &Path) -> bool {
    let has = |name: &str| dir.join(name).exists();
    !has("fts.toml") && !has("node_id") && (has("FTSConfig.yaml") || has("FTSDataBase.db") || has("installation.json"))
}

fn unknown(layer: &Layer, defaults: &Layer) -> Vec<ConfigError> {
    let known = |key: &String, value: &toml_edit::Value| {
        let free = key == "listeners.extra" || key.starts_with("tls.subject.");
        free || defaults.contains_key(key) || plugins::is_in_table(key, value)
    };
    let later =
        |key: &str| LATER.iter().any(|p| key == *p || key.strip_prefix(p).is_some_and(|rest| rest.starts_with('.')));
    let error = |(key, (_, origin)): (&String, &(toml_edit::Value, Origin))| {
        let place = origin.to_string();
        if later(key) {
            ConfigError::Later { place, key: key.clone() }
        } else {
            ConfigError::Unknown { place, key: key.clone(), hint: nearest(key, defaults.keys()) }
        }
    };
    layer.iter().filter(|(key, (value, _))| !known(key, value)).map(error).collect()
}
