//! What devices leave with the server and ask for again (marti-http.md 8, 10): one file per kind, each a set of functions
//! over `fts.db`. Who may is decided by the endpoints; what a group may see is part of the statements here.
pub mod error_log;
pub mod iconset;
pub mod injector;
pub mod property;
pub mod video;

use super::database::Value;

/// A list for `IN (SELECT value FROM json_each(?))`.
fn list(names: &[String]) -> Value {
    Value::Text(serde_json::Value::from(names).to_string())
}
