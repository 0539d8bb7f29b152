//! `t-x-takp-v`, `-q`, `-r` (cot.md 3.3, RULE-27..30).

use fts_plugin_api::cot::{Cot, Millis};

/// The server's announcement with a fresh uid. `server_version` goes into TakServerVersionInfo.
pub fn announcement(server_version: &str, now: Millis) -> Vec<u8> {
    let _ = (server_version, now);
    Vec::new()
}

/// True when this `t-x-takp-q` asks for version 1.
pub fn asks_for_v1(request: &Cot) -> bool {
    let _ = request;
    false
}

/// The answer to a request with this uid.
pub fn answer(uid: &str, accepted: bool, now: Millis) -> Vec<u8> {
    let _ = (uid, accepted, now);
    Vec::new()
}
