//! [`Control`]: what the admin routes ask of the server. `app` implements it; tests have one of their own.
use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;
use tokio::sync::{broadcast, mpsc};

use crate::{
    observe::log,
    route::{TapEvent, why},
};

/// The answer of `/readyz`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Readiness {
    /// ok, degraded, draining, starting or failed; 503 for the last three.
    pub status: &'static str,
    /// One line per thing that was looked at.
    pub checks: BTreeMap<String, String>,
}

/// What a reload came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Reloaded {
    /// Keys that only a restart changes.
    pub restart_required: Vec<String>,
    /// Plugins that go on with their old table, and why; one line each.
    pub refused: Vec<String>,
}

/// See the file's head. Nothing here waits for a client.
pub trait Control: Send + Sync {
    /// Version, uptime, listeners, clients, totals, certificates.
    fn status(&self) -> Value;
    /// Every key with value and origin; secrets are masked.
    fn config(&self) -> Value;
    /// Connections; with `gone` also those that ended less than an hour ago.
    fn clients(&self, gone: bool) -> Vec<Value>;
    /// Ends the connections known by this name and keeps it out for a while.
    fn kick(&self, who: &str, ban: Option<Duration>) -> usize;
    /// Sends a chat to the clients known by this name.
    fn send(&self, who: &str, text: &str) -> usize;
    /// Why who got what.
    fn why(&self, query: &why::Query) -> Vec<why::WhyEvent>;
    /// Live copies of routed events.
    fn tail(&self) -> mpsc::Receiver<TapEvent>;
    /// Reads the configuration again. Blocks until plugins have their new tables.
    ///
    /// # Errors
    /// The text of the configuration error; the running configuration stays.
    fn reload(&self) -> Result<Reloaded, String>;
    /// Refuses new clients, or takes them again.
    fn drain(&self, on: bool);
    /// Every plugin, in short.
    fn plugins(&self) -> Vec<Value>;
    /// One plugin, whole.
    fn plugin(&self, name: &str) -> Option<Value>;
    /// Intercepts in the order they are asked.
    fn plugin_order(&self) -> Vec<Value>;
    /// enable, disable, reload or restart. Blocks until it is done.
    ///
    /// # Errors
    /// What went wrong, one line.
    fn plugin_change(&self, name: &str, change: &str) -> Result<String, String>;
    /// Sets a plugin's table at run time, or takes back what was set so (empty). Blocks until it is done.
    ///
    /// # Errors
    /// What is wrong, one line; then nothing has changed.
    fn plugin_configure(&self, name: &str, table: serde_json::Map<String, Value>) -> Result<String, String>;
    /// Imports missions of a FreeTAKServer installation at this place into these groups. Blocks until it is done.
    ///
    /// # Errors
    /// Why nothing, or not everything, was imported; one line.
    fn import(&self, from: &std::path::Path, groups: &[String]) -> Result<Value, String>;
    /// Begins the shutdown.
    fn stop(&self);
    /// Looks whether the database can be written, for [`Self::readiness`]. Blocks; not for ever, as far as it lies with us.
    fn probe(&self);
    /// Is it ready?
    fn readiness(&self) -> Readiness;
    /// Sets the gauges that are read from the running parts; called before the metrics are shown. False = metrics are
    /// switched off.
    fn gauges(&self) -> bool;
    /// The log level.
    fn log_level(&self) -> String;
    /// Changes it.
    ///
    /// # Errors
    /// What is wrong with the text.
    fn set_log_level(&self, filter: &str) -> Result<(), String>;
    /// The newest warnings since then (ms UTC).
    fn log_lines(&self, since: i64) -> Vec<log::Line>;
    /// Log lines as they come.
    fn log_follow(&self) -> broadcast::Receiver<log::Line>;
}
