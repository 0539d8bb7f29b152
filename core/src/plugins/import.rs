//! Rows of another server's databases go to the plugin that owns their kind (plugins.md 1.2, operations.md 8).
use std::{sync::Arc, time::Duration};

use fts_plugin_api::message::{self, CallerKind};
use serde_json::Value;

use super::{Plugin, Plugins, State, asked::Unanswered, generation::CallHandler};

/// How long one is waited for: a mission with all its items is many rows.
const PATIENCE: Duration = Duration::from_secs(600);

/// Why rows were not taken.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is not there.
    #[error("this server has no plugin {0}: name it in plugins.enabled (fts plugin list shows all)")]
    NoPlugin(String),
    /// It is there, but in another state.
    #[error("the plugin {0} is {1}: it must run (fts plugin enable {0})")]
    NotRunning(String, &'static str),
    /// It takes nothing from elsewhere.
    #[error("the plugin {0} imports nothing")]
    NoHook(String),
    /// It could not.
    #[error("the plugin {0} did not take the rows: {1}")]
    Unanswered(String, Unanswered),
    /// What it says of them is no JSON.
    #[error("what the plugin {0} says of the rows cannot be read: {1}")]
    Report(String, serde_json::Error),
}

impl Plugins {
    /// Whether a plugin would take rows now.
    ///
    /// # Errors
    /// [`ImportError`]: it is not there, does not run, imports nothing.
    pub fn imports(&self, plugin: &str) -> Result<(), ImportError> {
        self.importer(plugin).map(drop)
    }

    fn importer(&self, plugin: &str) -> Result<(Arc<Plugin>, Arc<CallHandler>), ImportError> {
        let name = || plugin.to_owned();
        let found = self.get(plugin).ok_or_else(|| ImportError::NoPlugin(name()))?;
        if found.state() != State::Running {
            return Err(ImportError::NotRunning(name(), found.state().name()));
        }
        let generation = found.generation.load_full();
        let handlers = generation.map(|g| g.callers(|kind| *kind == CallerKind::Import)).unwrap_or_default();
        let handler = handlers.into_iter().next().ok_or_else(|| ImportError::NoHook(name()))?;
        Ok((found, handler))
    }

    /// Gives rows of a section to a plugin; what it reports. Waits for it: not on a thread that serves.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn import(&self, plugin: &str, section: &str, rows: Value) -> Result<Value, ImportError> {
        let name = || plugin.to_owned();
        let (found, handler) = self.importer(plugin)?;
        // They may be large: one form of them at a time.
        let text = rows.to_string();
        drop(rows);
        let args = message::pack(&(section, text));
        let report: String =
            self.ask(&found, &handler, args, PATIENCE).map_err(|why| ImportError::Unanswered(name(), why))?;
        serde_json::from_str(&report).map_err(|e| ImportError::Report(name(), e))
    }
}
