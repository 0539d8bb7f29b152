//! [`Builder`]: what a plugin finds when it starts in the mock.
use std::sync::{
    Condvar, Mutex,
    atomic::{AtomicI64, AtomicU64},
};

use serde::Serialize;
use serde_json::Value;

use super::{
    MockHost,
    database::Database,
    life::Starter,
    log::Log,
    state::{Shared, State},
};
use crate::{
    abi::{self, PluginModule_Ref},
    message::{ServerInfo, UserInfo},
    sdk::{Error, Plugin, Result, Service},
    shim,
};

/// 2025-01-01T00:00:00Z.
const BEGIN: i64 = 1_735_689_600_000;
/// Keys of a plugin's table that the server keeps to itself (plugins.md 4).
const HOST_KEYS: [&str; 3] = ["required", "sha256", "capabilities"];

/// See the file's head. Made by [`MockHost::builder`].
pub struct Builder {
    name: Option<String>,
    state: State,
    now: i64,
    wrong: Option<Error>,
}

impl Default for Builder {
    fn default() -> Self {
        let state = State {
            config: "{}".into(),
            groups: vec!["__ANON__".into()],
            server: ServerInfo {
                node_id: "00000000-0000-4000-8000-000000000001".into(),
                name: "mock".into(),
                public_host: "tak.example".into(),
                version: abi::SDK_VERSION.into(),
                listeners: vec![("cot_tcp".into(), "127.0.0.1:8087".into())],
            },
            ..State::default()
        };
        Self { name: None, state, now: BEGIN, wrong: None }
    }
}

impl Builder {
    /// The plugin's name; else what its crate is called, without `fts_plugin_`.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Its table `[plugins.<name>]`: `serde_json::json!`, a `toml::Value`, the plugin's own configuration type. Keys that
    /// belong to the server (`capabilities` and the like) are taken out, as the server does.
    #[must_use]
    pub fn config(mut self, table: impl Serialize) -> Self {
        match serde_json::to_value(table) {
            Ok(Value::Object(mut table)) => {
                table.retain(|key, _| {
                    let host = HOST_KEYS.contains(&key.as_str());
                    !host && !key.starts_with("queue_") && !key.starts_with("http_")
                });
                self.state.config = Value::Object(table).to_string();
            }
            Ok(other) => self.wrong = Some(Error::new(format!("the configuration is a table, not {other}"))),
            Err(error) => self.wrong = Some(error.into()),
        }
        self
    }

    /// Groups of clients and callers that name none (default `__ANON__`).
    #[must_use]
    pub fn groups<S: Into<String>>(mut self, groups: impl IntoIterator<Item = S>) -> Self {
        self.state.groups = groups.into_iter().map(Into::into).collect();
        self
    }

    /// What the generation before saved.
    #[must_use]
    pub fn saved(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.state.saved = Some(bytes.into());
        self
    }

    /// Grants these capabilities only; else the plugin gets what it asks for.
    #[must_use]
    pub fn grant<S: Into<String>>(mut self, capabilities: impl IntoIterator<Item = S>) -> Self {
        self.state.granted = Some(capabilities.into_iter().map(Into::into).collect());
        self
    }

    /// About the server.
    #[must_use]
    pub fn server(mut self, server: ServerInfo) -> Self {
        self.state.server = server;
        self
    }

    /// An account of the server ([`crate::sdk::Host::users`]).
    #[must_use]
    pub fn user(mut self, user: UserInfo) -> Self {
        self.state.users.push(user);
        self
    }

    /// What time it is, ms UTC.
    #[must_use]
    pub fn now(mut self, ms: i64) -> Self {
        self.now = ms;
        self
    }

    /// Another plugin that provides a typed service.
    #[must_use]
    pub fn provide<S: Service + 'static>(
        mut self,
        f: impl Fn(S::Ask) -> Result<S::Answer> + Send + Sync + 'static,
    ) -> Self {
        self.state.fakes.provide::<S>(f);
        self
    }

    /// Another plugin that can be called.
    #[must_use]
    pub fn plugin(
        mut self,
        name: impl Into<String>,
        f: impl Fn(&str, &[u8]) -> Result<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        self.state.fakes.plugin(name.into(), f);
        self
    }

    /// Starts the plugin: first only its check, then the plugin itself, as the server does.
    ///
    /// # Errors
    /// What the plugin returns; a wrong configuration; a registration that was refused.
    pub fn start<P: Plugin>(self) -> Result<MockHost> {
        let name = name_of(std::any::type_name::<P>());
        self.run(name, Box::new(|header, token| shim::start::<P>(header, token)))
    }

    /// The same with what `export_plugin!` makes: `.load(fts_plugin_demo::module(), "demo")`. The way for a test that
    /// does not see the plugin's type.
    ///
    /// # Errors
    /// As [`Builder::start`].
    pub fn load(self, module: PluginModule_Ref, name: &str) -> Result<MockHost> {
        let start = module.start();
        self.run(name.to_owned(), Box::new(move |header, token| start(header, token)))
    }

    fn run(mut self, name: String, starter: Starter) -> Result<MockHost> {
        if let Some(error) = self.wrong {
            return Err(error);
        }
        let dir = tempfile::Builder::new().prefix("fts-mock-").tempdir()?;
        let name = self.name.unwrap_or(name);
        let own = dir.path().join("plugin-data").join(&name);
        std::fs::create_dir_all(&own)?;
        self.state.name = name.clone();
        let shared = Shared {
            name,
            now: AtomicI64::new(self.now),
            live: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            started: AtomicI64::new(self.now),
            state: Mutex::new(self.state),
            changed: Condvar::new(),
            database: Database::new(own.join("data.db")),
            dir: own,
            log: Log::default(),
        };
        MockHost::begin(shared, dir, starter)
    }
}

/// `fts_plugin_xmpp_chat::Chat` is `xmpp-chat`.
fn name_of(type_name: &str) -> String {
    let library = type_name.split("::").next().unwrap_or("plugin");
    library.strip_prefix("fts_plugin_").unwrap_or(library).replace('_', "-")
}
