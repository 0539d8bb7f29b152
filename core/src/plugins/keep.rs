//! Stored files and plugins: [`Keeper`] for the store. Before the last row of a content goes every running plugin that
//! registered `before_delete` is asked, on the thread that deletes; what happens to files is published on the bus as
//! `resource.added`, `resource.changed` and `resource.removed`, each with the file ([`FileInfo`], packed). That somebody
//! fetched one for a feed, to its last byte, is `resource.fetched` ([`Fetched`]).
//!
//! Who fetches a file whose groups it is not in may have it when a plugin says so (`file_reader`).
//!
//! A plugin that does not answer in time or fails keeps the file this time, and so does one that kept files in this run of
//! the server and does not run at this moment: it cannot be asked, and what it refers to must not go behind its back.
use std::{collections::HashSet, sync::Arc, time::Duration};

use fts_plugin_api::message::{self, Bus, CallerKind, Deletion, FETCHED, Fetched, FileInfo, MayRead};

use parking_lot::Mutex;
use serde::de::DeserializeOwned;

use super::{
    Plugin, Plugins, State,
    asked::Unanswered,
    generation::CallHandler,
    services::{self, file_info},
};
use crate::files::{Cause, Hash, Keeper, Resource};

/// How long one is waited for (plugins.md 1.2).
const PATIENCE: Duration = Duration::from_secs(2);

/// The keeper of a plugin host.
pub struct FileKeeper {
    plugins: Arc<Plugins>,
    /// Plugins that were seen with `before_delete`.
    known: Mutex<HashSet<Arc<str>>>,
}

impl Keeper for FileKeeper {
    fn may_go(&self, hash: &Hash, cause: Cause<'_>) -> Result<(), String> {
        for plugin in self.plugins.all().into_iter().filter(|p| cause != Cause::Plugin(&p.name)) {
            let generation = plugin.generation.load_full();
            let handlers = generation.map(|g| g.callers(asks)).unwrap_or_default();
            if plugin.state() != State::Running {
                if !handlers.is_empty() || self.known.lock().contains(&plugin.name) {
                    return Err(format!("{} is {} and cannot be asked", plugin.name, plugin.state().name()));
                }
                continue;
            }
            if handlers.is_empty() {
                self.known.lock().remove(&plugin.name);
                continue;
            }
            self.known.lock().insert(plugin.name.clone());
            for handler in handlers {
                if let Some(why) = self.ask(&plugin, &handler, hash, cause) {
                    return Err(format!("{}: {why}", plugin.name));
                }
            }
        }
        Ok(())
    }

    fn may_read(&self, hash: &Hash, user: &str, groups: &[String]) -> bool {
        let ask = MayRead { sha256: hash.to_string(), user: user.to_owned(), groups: groups.to_vec() };
        let running = self.plugins.all().into_iter().filter(|p| p.state() == State::Running);
        running.into_iter().any(|plugin| {
            let generation = plugin.generation.load_full();
            let handlers = generation.map(|g| g.callers(|k| *k == CallerKind::MayRead)).unwrap_or_default();
            handlers.iter().any(|handler| {
                self.question(&plugin, handler, message::pack(&ask)).unwrap_or_else(|why| {
                    tracing::warn!(event = "plugin.failed_call", plugin = %plugin.name, "who may have a file: {why}");
                    false
                })
            })
        })
    }

    fn tell(&self, topic: &'static str, resource: &Resource) {
        let bytes = message::pack::<FileInfo>(&file_info(resource)).into();
        services::publish(&self.plugins, Bus { topic: topic.to_owned(), bytes });
    }

    fn follows(&self) -> bool {
        services::is_followed(&self.plugins, FETCHED)
    }

    fn fetched(&self, hash: &Hash, feed: &str, user: &str) {
        let fetched = Fetched { sha256: hash.to_string(), feed: feed.to_owned(), user: user.to_owned() };
        let bytes = message::pack(&fetched).into();
        services::publish(&self.plugins, Bus { topic: FETCHED.to_owned(), bytes });
    }
}

/// Is it one that is asked before a file goes?
fn asks(kind: &CallerKind) -> bool {
    matches!(kind, CallerKind::BeforeDelete | CallerKind::Deletion)
}

fn deletion(hash: &Hash, cause: Cause<'_>) -> Deletion {
    let (cause, plugin) = match cause {
        Cause::Deleted => (message::Cause::Deleted, ""),
        Cause::Expired => (message::Cause::Expired, ""),
        Cause::Plugin(name) => (message::Cause::Plugin, name),
    };
    Deletion { sha256: hash.to_string(), cause, plugin: plugin.to_owned() }
}

impl FileKeeper {
    /// Over these plugins.
    pub fn new(plugins: Arc<Plugins>) -> Self {
        Self { plugins, known: Mutex::default() }
    }

    /// Some = it stays, and why.
    fn ask(&self, plugin: &Arc<Plugin>, handler: &Arc<CallHandler>, hash: &Hash, cause: Cause<'_>) -> Option<String> {
        let args = match handler.spec {
            CallerKind::Deletion => message::pack(&deletion(hash, cause)),
            _ => message::pack(&hash.as_str()),
        };
        self.question(plugin, handler, args).unwrap_or_else(Some)
    }

    /// The answer; why there is none.
    fn question<T: DeserializeOwned>(
        &self,
        plugin: &Arc<Plugin>,
        handler: &Arc<CallHandler>,
        args: Vec<u8>,
    ) -> Result<T, String> {
        // What went wrong inside is not for who wants the file.
        let failed = |why| if matches!(why, Unanswered::Refused(_)) { Unanswered::Panicked } else { why };
        self.plugins.ask(plugin, handler, args, PATIENCE).map_err(|why| failed(why).to_string())
    }
}
