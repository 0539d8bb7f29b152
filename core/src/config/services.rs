//! Keys of the parts around the stream: HTTP listeners, accounts, files, storage (operations.md 3.2). Same names and
//! defaults as `config/fts.toml`; `build_services` reads them.
use std::{path::PathBuf, time::Duration};

use super::words::{Archive, Auth, Channels, ClientCert, Synchronous};

/// One HTTP listener.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct HttpListener {
    pub name: String,
    pub enabled: bool,
    pub bind: String,
    pub port: u16,
    pub tls: bool,
    pub client_cert: ClientCert,
    pub auth: Auth,
    pub default_groups: Vec<String>,
    /// `*` = any.
    pub cors_origins: Vec<String>,
    /// "" = what the request named.
    pub public_url: String,
    pub proxy_protocol: bool,
}

/// `[auth]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct AuthKeys {
    pub allow_unknown_cn: bool,
    pub username_regex: String,
    pub token_ttl: Duration,
    /// Characters.
    pub password_min: usize,
}

/// `[enrollment]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct Enrollment {
    pub validity: Duration,
    pub strict_dn: bool,
    /// RDN name and value; empty = `tls.subject`.
    pub name_entries: Vec<(String, String)>,
    /// 0 = any number.
    pub max_devices: usize,
    pub token_ttl: Duration,
    pub use_token_expiration: bool,
    pub revoke_replaced: bool,
    pub server_side_keys: bool,
    /// Client certificates carry the uid of their device as an e-mail name.
    pub uid_in_san: bool,
}

/// `[groups]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct GroupKeys {
    pub channels: Channels,
    pub admin_all_groups: bool,
    pub require_active: bool,
}

/// `[marti]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct Marti {
    pub trusted_proxies: Vec<String>,
    pub public_address_as_ip: bool,
    pub web_home: String,
    pub iconsets: bool,
    pub injectors: bool,
    pub device_profiles: bool,
    pub properties: bool,
    pub error_log: bool,
    pub locate: bool,
    pub locate_type: String,
    /// "" = the groups of whoever asks.
    pub locate_group: String,
}

/// `[files]`; sizes in bytes, 0 = no limit.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct FileKeys {
    /// Absolute.
    pub dir: PathBuf,
    pub max_upload: u64,
    pub max_total: u64,
    pub reject_hash_mismatch: bool,
    pub allow_get_delete: bool,
}

/// `[video]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct Video {
    pub strip_credentials: bool,
}

/// `[storage]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct Storage {
    /// Absolute.
    pub path: PathBuf,
    pub synchronous: Synchronous,
    pub archive_cot: Archive,
    /// Bytes; 0 = no limit.
    pub max_db_bytes: u64,
    /// Bytes; 0 = not looked at.
    pub min_free_bytes: u64,
    pub restore_positions: bool,
    pub record_tracks: bool,
    pub track_types: Vec<String>,
    /// Metres.
    pub track_min_move: f64,
    pub track_min_interval: Duration,
}

/// `[retention]`; zero = for ever.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct Retention {
    pub cot: Duration,
    pub chat: Duration,
    pub tracks: Duration,
    pub sessions: Duration,
    pub audit: Duration,
    pub error_log: Duration,
}

/// `[backup]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct Backup {
    /// "" or `daily HH:MM` (UTC).
    pub schedule: String,
    /// Absolute.
    pub dir: PathBuf,
    /// Newest ones kept.
    pub keep: usize,
}
