//! Your table in `fts.toml`.
//!
//! `[plugins.<name>]` becomes [`Plugin::Config`](crate::sdk::Plugin::Config): any type that serde reads and writes, with a
//! default for each key. A key it does not know is refused with file and line, so a typing error does not stay hidden.
//! [`Plugin::check`](crate::sdk::Plugin::check) says what the type cannot; it runs before any plugin starts.
//!
//! ```
//! use fts_plugin_api::sdk::*;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize, Serialize)]
//! #[serde(default)]
//! struct Config {
//!     /// "10s", "5m", "24h"; 0 = never.
//!     every: Period,
//!     radius_km: f64,
//!     token: String,
//! }
//!
//! impl Default for Config {
//!     fn default() -> Self {
//!         Self { every: Period::seconds(10), radius_km: 0.0, token: String::new() }
//!     }
//! }
//!
//! struct Demo;
//!
//! impl Plugin for Demo {
//!     type Config = Config;
//!     // Never shown to anybody.
//!     const SECRETS: &'static [&'static str] = &["token"];
//!
//!     fn check(config: &Config) -> Result<()> {
//!         match config.radius_km {
//!             r if r < 0.0 => Err(Error::config("radius_km", "is negative")),
//!             _ => Ok(()),
//!         }
//!     }
//!
//!     fn start(config: Config, _: &mut Registrar<'_>, _: Host) -> Result<Self> {
//!         assert_eq!(config.every.ms(), 90_000);
//!         Ok(Demo)
//!     }
//! }
//! # use fts_plugin_api::testkit::MockHost;
//! # let start = |table| MockHost::builder().config(table).start::<Demo>().map(drop).map_err(|e| e.to_string());
//! # assert_eq!(start(serde_json::json!({"every": "90s"})), Ok(()));
//! # assert_eq!(start(serde_json::json!({"radius_km": -1})), Err("radius_km: is negative".to_string()));
//! # assert_eq!(start(serde_json::json!({"radius": 1})), Err("radius: unknown key".to_string()));
//! ```
//!
//! When the table changes (`fts reload` reads `fts.toml` again), the plugin is restarted with the new one: `start` is the
//! only place that reads it. A table it refuses leaves the running one as it is; `fts reload` says why and
//! fails. `fts config check` asks no plugin. The environment reaches into the table, too: `FTS_PLUGINS__DEMO__RADIUS_KM=5`.
//! A few keys belong to the server and never reach you: `required`, `sha256`, `capabilities`, `queue_*`, `http_*`.
