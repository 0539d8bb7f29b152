//! The typed configuration: one struct per table of `config/fts.toml`, same names, same defaults.
//! Keys of parts that are not in the server yet do not exist.

use std::{path::PathBuf, time::Duration};

use super::{plugins::Plugins, services::*, words::*};

/// Everything. `fts config default` prints it with comments.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct Config {
    pub server: Server,
    pub compat: Compat,
    pub listeners: Listeners,
    pub tls: Tls,
    pub auth: AuthKeys,
    pub enrollment: Enrollment,
    pub groups: GroupKeys,
    pub packages: Packages,
    pub marti: Marti,
    pub files: FileKeys,
    pub video: Video,
    pub storage: Storage,
    pub retention: Retention,
    pub backup: Backup,
    pub cot: CotKeys,
    pub stream: Stream,
    pub log: Log,
    pub metrics: Metrics,
    pub why: Why,
    pub canary: Canary,
    pub shutdown: Shutdown,
    pub plugins: Plugins,
}

impl Config {
    /// The version clients are told.
    pub fn version(&self) -> &str {
        match self.compat.version_string.as_str() {
            "" => env!("CARGO_PKG_VERSION"),
            said => said,
        }
    }
}

#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct Server {
    /// Resolved data directory (operations.md 3.4).
    pub data_dir: PathBuf,
    pub name: String,
    /// Empty until `app` has loaded or made it.
    pub node_id: String,
    pub public_host: String,
    pub public_names: Vec<String>,
    pub profile: Profile,
    /// 0 = cores.
    pub worker_threads: usize,
    pub max_connections: usize,
    /// 0 = off.
    pub max_connections_per_ip: usize,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct Compat {
    /// What clients are told; "" = our own version.
    pub version_string: String,
    pub legacy_test_probe: bool,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct Listeners {
    pub cot_tcp: CotListener,
    pub cot_tls: CotListener,
    pub marti_http: HttpListener,
    pub marti_https: HttpListener,
    pub enrollment: HttpListener,
    pub rest: HttpListener,
    pub admin: AdminListener,
    pub extra: Vec<CotListener>,
}

/// One CoT listener, standing or from `[[listeners.extra]]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct CotListener {
    pub name: String,
    pub kind: ListenerKind,
    pub enabled: bool,
    pub bind: String,
    pub port: u16,
    pub client_cert: ClientCert,
    pub auth: Auth,
    pub default_groups: Vec<String>,
    pub protobuf: Protobuf,
    /// 0 = `stream.limits.max_event_bytes`.
    pub max_event_bytes: usize,
    /// Zero = `stream.limits.idle_timeout`.
    pub idle_timeout: Duration,
    pub proxy_protocol: bool,
    /// Multicast group address; empty for other kinds.
    pub group: String,
    /// Multicast: events are sent to the group, too (RULE-17).
    pub output: bool,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct AdminListener {
    pub enabled: bool,
    pub bind: String,
    pub port: u16,
}

/// Paths are absolute after loading (relative ones resolve against the data directory).
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct Tls {
    pub dir: PathBuf,
    pub ca_cert: PathBuf,
    pub ca_key: PathBuf,
    pub ca_name: String,
    pub server_cert: PathBuf,
    pub server_key: PathBuf,
    /// Certificate of a public CA for the enrollment listener, with its key.
    pub web: Option<(PathBuf, PathBuf)>,
    pub crl: PathBuf,
    pub key_type: KeyType,
    pub min_version: MinVersion,
    pub renew_before: Duration,
    /// RDN name -> value, e.g. O and OU.
    pub subject: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct Packages {
    /// P12 password.
    #[serde(serialize_with = "masked")]
    pub password: String,
    pub p12_encryption: P12Encryption,
    /// Absolute.
    pub dir: PathBuf,
    pub one_time: bool,
}

/// `[cot]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct CotKeys {
    pub welcome_message: String,
    pub replay_presence: bool,
    pub replay_at: ReplayAt,
    pub replay_map_items: bool,
    pub require_identification: bool,
    pub duplicate_uid: DuplicateUid,
    pub store_forward_chat: bool,
    pub keep_marti: bool,
    pub allow_client_notices: bool,
    pub ignore_stale: bool,
    pub max_persist_ttl: Duration,
    pub oversize: Oversize,
    pub rewrite_sender_url: bool,
    pub flow_tags: bool,
    pub flow_tag_prefix: String,
    pub dedupe: Duration,
    pub disable_broadcast_map_items: bool,
    pub filters: Filters,
    pub rate: Rate,
}

/// `[cot.filters]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct Filters {
    pub drop: Vec<DropFilter>,
    pub geo: Vec<GeoBox>,
}

/// One entry of `cot.filters.drop` (cot.md 9.2): exact type if given, detail text contains if given.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct DropFilter {
    pub kind: Option<String>,
    pub detail: Option<String>,
    /// None = drop all; else one per uid passes in each interval.
    pub threshold: Option<Duration>,
}

/// Degrees.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)]
pub struct GeoBox {
    pub west: f64,
    pub south: f64,
    pub east: f64,
    pub north: f64,
}

/// `[cot.rate]`; zero = off.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct Rate {
    pub per_uid_read: Duration,
    pub per_uid_delivery: Duration,
    /// Events per 10 s and address.
    pub per_ip_events: u32,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct Stream {
    pub limits: Limits,
}

/// `[stream.limits]`. Zero durations and counts = off where operations.md says so.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct Limits {
    pub max_event_bytes: usize,
    pub max_event_bytes_unidentified: usize,
    pub max_invalid_events: u32,
    pub tls_handshake: Duration,
    pub auth_wait: Duration,
    pub handshakes_pending: usize,
    pub handshakes_active: usize,
    /// Pending handshakes per address; 0 = off.
    pub handshakes_per_ip: usize,
    pub idle_timeout: Duration,
    pub keepalive_idle: Duration,
    pub keepalive_interval: Duration,
    pub queue_soft_items: usize,
    pub queue_soft_bytes: usize,
    pub queue_state_bytes: usize,
    pub queue_state_age: Duration,
    pub queue_reliable_bytes: usize,
    pub write_stall: Duration,
    pub write_coalesce: Duration,
    /// Bytes, resolved from percent of RAM.
    pub memory_budget: u64,
    pub read_events_per_s: u32,
    pub read_bytes_per_s: u64,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct Log {
    pub level: String,
    pub format: LogFormat,
    /// Empty = stdout only.
    pub dir: PathBuf,
    pub max_size: u64,
    pub max_files: usize,
    pub raw_cot: bool,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct Metrics {
    pub enabled: bool,
}

/// `[why]`: the bounded record behind `fts why`.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct Why {
    /// Events kept; 0 = off.
    pub events: usize,
    /// Newest events kept per uid beyond the ring, so a busy neighbour does not push out the one asked for.
    pub per_uid: usize,
}

/// `[canary]`: two internal clients exchange an event through the router.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct Canary {
    /// Zero = off.
    pub interval: Duration,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct Shutdown {
    pub drain: Duration,
    /// How long queues are written out before a client that does not read is cut.
    pub flush: Duration,
    pub deadline: Duration,
}

fn masked<S: serde::Serializer>(_: &str, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str("***")
}

impl Listeners {
    /// All CoT listeners, standing and extra.
    pub fn cot(&self) -> impl Iterator<Item = &CotListener> {
        [&self.cot_tcp, &self.cot_tls].into_iter().chain(&self.extra)
    }

    /// The HTTP listeners besides admin.
    pub fn http(&self) -> impl Iterator<Item = &HttpListener> {
        [&self.marti_http, &self.marti_https, &self.enrollment, &self.rest].into_iter()
    }
}
