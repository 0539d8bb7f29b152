//! Start, configuration, status, metrics.
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// What `start` is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Declare and check the configuration; start nothing.
    Check,
    /// Start.
    Run,
}

/// What a plugin is told first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// See [`Phase`].
    pub phase: Phase,
    /// Its name.
    pub name: String,
    /// Its table as JSON, without the keys the host owns.
    pub config: String,
    /// What the previous generation saved; None = there was none.
    #[serde(default)]
    pub saved: Option<ByteBuf>,
    /// Loaded from a file (false = linked in).
    pub dynamic: bool,
    /// About the server.
    pub server: ServerInfo,
}

/// About the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerInfo {
    /// One id for everything.
    pub node_id: String,
    /// As shown to people.
    pub name: String,
    /// Host name or address clients reach it by.
    pub public_host: String,
    /// Version of fts.
    pub version: String,
    /// Listener name and real address.
    pub listeners: Vec<(String, String)>,
}

/// What a plugin says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Manifest {
    /// Plugins it cannot do without: `mission >= 1`.
    pub requires: Vec<String>,
    /// Plugins it uses when they are there.
    pub uses: Vec<String>,
    /// Capabilities it asks for.
    pub capabilities: Vec<String>,
    /// Its configuration with all defaults, as JSON.
    pub defaults: String,
    /// Keys whose values nobody is shown.
    pub secrets: Vec<String>,
    /// One line for people.
    pub about: String,
}

/// How it fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// Well.
    #[default]
    Ok,
    /// Something is not as it should be.
    Warn,
    /// Sticky until the plugin says otherwise.
    Error,
}

/// A status line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// See [`Level`].
    pub level: Level,
    /// For people.
    pub text: String,
}

/// What sort of metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MetricKind {
    /// Add.
    Counter,
    /// Set.
    Gauge,
    /// Record.
    Histogram,
}

/// One figure; its name becomes `fts_<plugin>_<name>`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Metric {
    /// See [`MetricKind`].
    pub kind: MetricKind,
    /// Without prefix.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// Labels; few values each.
    #[serde(default)]
    pub labels: Vec<(String, String)>,
}

/// What a [`crate::abi::Caller`] is for, with argument → answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallerKind {
    /// Every so many ms: () → ().
    Every(u64),
    /// At this time, ms UTC: () → ().
    At(i64),
    /// [`super::ClientEvent`] → Vec of event texts (for `Ready`).
    Clients,
    /// JSON text → JSON text; for `/v2/<context>/<action>`.
    Action {
        /// First segment.
        context: String,
        /// Second segment.
        action: String,
        /// Who may call.
        scope: super::Scope,
    },
    /// JSON text → JSON text; a Socket.IO event.
    SocketEvent(String),
    /// (method, bytes) → bytes; what other plugins call.
    Service,
    /// (topic, bytes) → ().
    Subscribe(String),
    /// (uid, from, to) → Vec of event texts.
    HistorySource,
    /// sha256 → Option of the reason for a veto.
    BeforeDelete,
    /// [`super::Deletion`] → Option of the reason for a veto.
    Deletion,
    /// [`super::MayRead`] → bool.
    MayRead,
    /// (section, rows as JSON) → report as JSON.
    Import,
    /// () → [`Status`].
    Health,
    /// [`super::LinkEvent`] → ().
    Links,
    /// A typed service of this plugin: bytes → bytes (its own messages).
    Provide(String),
    /// [`super::Arrived`] → (); on the worker. The SDK registers it; a server that does not know it refuses that.
    Arrived,
}

/// A caller.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallerSpec {
    /// See [`CallerKind`].
    pub kind: CallerKind,
}
