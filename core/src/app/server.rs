//! [`Server`]: the running parts, by name. Made by `boot`, asked by `control`, taken down by `shutdown`.
use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock, atomic::AtomicBool},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::canary::Canary;
use crate::{
    config::{Config, Limits, Loaded, Sources},
    http::{mux::Mux, native::Native},
    identity::Authority,
    net::Acceptor,
    observe::log::Logs,
    plugins::Plugins,
    route::Router,
    session::Sessions,
};

/// See the file's head.
pub struct Server {
    /// Where the configuration came from, for reload.
    pub sources: Sources,
    /// Values with their origins.
    pub loaded: Mutex<Loaded>,
    /// The configuration of this moment.
    pub running: Arc<ArcSwap<Config>>,
    /// Routing and who is there.
    pub router: Arc<Router>,
    /// HTTP routes of core and plugins.
    pub mux: Arc<Mux>,
    /// The plugin host; set once it was started.
    pub plugins: OnceLock<Arc<Plugins>>,
    /// All streams.
    pub sessions: Arc<Sessions>,
    /// CA and server certificate; None when no TLS listener is on.
    pub authority: Arc<ArcSwapOption<Authority>>,
    /// What the HTTP endpoints work with: database, accounts, files.
    pub native: Arc<Native>,
    /// `[stream.limits]` as the listeners see it; exchanged at reload.
    pub limits: Arc<ArcSwap<Limits>>,
    /// The TCP listeners; set once they accept.
    pub acceptors: OnceLock<Vec<Arc<Acceptor>>>,
    /// Held by the import that runs: one at a time.
    pub importing: Mutex<()>,
    /// Running logs.
    pub logs: Logs,
    /// The health canary.
    pub canary: Arc<Canary>,
    /// Name, kind and real address of every listener.
    pub listeners: Vec<Listening>,
    /// When it started, ms UTC.
    pub started: i64,
    /// Cancelled: nothing new is accepted.
    pub stop_accepting: CancellationToken,
    /// Cancelled: everything ends.
    pub stop_all: CancellationToken,
    /// Somebody asked for the shutdown.
    pub stop_asked: CancellationToken,
    /// All ports are served.
    pub ready: AtomicBool,
    /// Tasks of the server besides sessions.
    pub tasks: TaskTracker,
    /// HTTP connections.
    pub requests: TaskTracker,
}

/// A bound listener.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Listening {
    pub name: String,
    pub kind: &'static str,
    pub address: SocketAddr,
    pub tls: bool,
}

impl Server {
    /// The configuration of this moment.
    pub fn config(&self) -> Arc<Config> {
        self.running.load_full()
    }
}
