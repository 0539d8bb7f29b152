//! Stored files and plugins: [`Keeper`] for the store. Before the last row of a content goes every running plugin that
//! registered `before_delete` is asked, on the thread that deletes; what happens to files is published on the bus as
//! `resource.added`, `resource.changed` and `resource.removed`, each with the file ([`FileInfo`], packed).
//!
//! A plugin that does not answer in time or fails keeps the file this time, and so does one that kept files in this run of
//! the server and does not run at this moment: it cannot be asked, and what it refers to must not go behind its back.
use std::{
    collections::HashSet,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use fts_plugin_api::{
    abi::{RErr, ROk, failure},
    message::{self, Bus, CallerKind, FileInfo, Panic},
};

use parking_lot::Mutex;

use super::{
    Plugin, Plugins, State,
    generation::CallHandler,
    guard::{self, Doing},
    services::{self, file_info},
};
use crate::files::{Hash, Keeper, Resource};

/// How long one is waited for (plugins.md 1.2).
const PATIENCE: Duration = Duration::from_secs(2);

/// The keeper of a plugin host.
pub struct FileKeeper {
    plugins: Arc<Plugins>,
    /// Plugins that were seen with `before_delete`.
    known: Mutex<HashSet<Arc<str>>>,
}

impl Keeper for FileKeeper {
    fn may_go(&self, hash: &Hash, asking: Option<&str>) -> Result<(), String> {
        for plugin in self.plugins.all().into_iter().filter(|p| Some(&*p.name) != asking) {
            let generation = plugin.generation.load_full();
            let handlers = generation.map(|g| g.callers(|k| *k == CallerKind::BeforeDelete)).unwrap_or_default();
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
                if let Some(why) = self.ask(&plugin, &handler, hash) {
                    return Err(format!("{}: {why}", plugin.name));
                }
            }
        }
        Ok(())
    }

    fn tell(&self, topic: &'static str, resource: &Resource) {
        let bytes = message::pack::<FileInfo>(&file_info(resource)).into();
        services::publish(&self.plugins, Bus { topic: topic.to_owned(), bytes });
    }
}

impl FileKeeper {
    /// Over these plugins.
    pub fn new(plugins: Arc<Plugins>) -> Self {
        Self { plugins, known: Mutex::default() }
    }

    /// Some = it stays, and why.
    fn ask(&self, plugin: &Arc<Plugin>, handler: &Arc<CallHandler>, hash: &Hash) -> Option<String> {
        let (told, answered) = mpsc::channel();
        let (asked, args) = (handler.clone(), message::pack(&hash.as_str()));
        // On a thread of its own: who deletes is not to wait for ever.
        let thread = std::thread::Builder::new().name("fts-before-delete".into());
        let started = thread.spawn(move || {
            let entered = guard::enter(asked.tag, Doing::default());
            let began = Instant::now();
            let answer = asked.object.call(args.as_slice().into());
            drop(entered);
            asked.stats.note(began.elapsed());
            // Whoever waited may be gone.
            let _ = told.send(answer);
        });
        if started.is_err() {
            return Some("the server has no thread left to ask it".into());
        }
        match answered.recv_timeout(PATIENCE) {
            Ok(ROk(bytes)) => match message::unpack::<Option<String>>(&bytes) {
                Ok(said) => said,
                Err(error) => Some(format!("its answer cannot be read: {error}")),
            },
            Ok(RErr(failed)) => {
                if failed.code == failure::PANICKED {
                    let (message, place) = (failed.message.to_string(), failed.place.to_string());
                    handler.stats.panicked();
                    self.plugins.panicked(plugin, &Panic { handler: handler.tag.handler.to_owned(), message, place });
                }
                Some("it failed to answer".into())
            }
            Err(_) => Some("it did not answer in time".into()),
        }
    }
}
