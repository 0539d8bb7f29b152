//! Answers in the envelope of mission.md 1.1: `version`, `type`, `data`, `messages`, `nodeId`.
use fts_plugin_api::sdk::Response;
use serde::Serialize;

use crate::{
    desk::Desk,
    part::{self, Filling},
    refusal::Refusal,
};

/// What every handler returns.
pub type Answer = Result<Response, Refusal>;

/// Payload types, verbatim: clients may compare them.
pub const MISSION: &str = "Mission";
pub const CHANGE: &str = "MissionChange";
pub const SUBSCRIPTION: &str = "com.bbn.marti.sync.model.MissionSubscription";
pub const SUBSCRIPTIONS: &str = "MissionSubscription";
pub const ROLE: &str = "com.bbn.marti.sync.model.MissionRole";
pub const INVITATION: &str = "MissionInvitation";
pub const LOG: &str = "com.bbn.marti.sync.model.LogEntry";
pub const EXTERNAL: &str = "com.bbn.marti.sync.model.ExternalMissionData";
pub const LAYER: &str = "MissionLayer";
pub const MAP_LAYER: &str = "MapLayer";
pub const STRING: &str = "java.lang.String";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a, T> {
    version: &'static str,
    #[serde(rename = "type")]
    kind: &'a str,
    data: T,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    messages: &'a [String],
    node_id: &'a str,
}

/// 200 with data.
pub fn ok(desk: &Desk, kind: &str, data: impl Serialize) -> Response {
    with_messages(desk, kind, data, &[])
}

/// 201 with data.
pub fn created(desk: &Desk, kind: &str, data: impl Serialize) -> Response {
    ok(desk, kind, data).status(201)
}

/// 200 with data and remarks.
pub fn with_messages(desk: &Desk, kind: &str, data: impl Serialize, messages: &[String]) -> Response {
    let node_id = &desk.host.server().node_id;
    Response::json(&Envelope { version: "3", kind, data, messages, node_id })
}

/// 200 with data whose marks are filled while it is sent ([`crate::part`]).
///
/// # Errors
/// None in practice: everything in it is JSON.
pub fn filled(desk: &Desk, kind: &str, data: impl Serialize, fillings: Vec<Filling>) -> Answer {
    if fillings.is_empty() {
        return Ok(ok(desk, kind, data));
    }
    Ok(Response::pieces("application/json", part::fill(&text(desk, kind, data)?, fillings)))
}

/// The envelope as text.
///
/// # Errors
/// None in practice: everything in it is JSON.
pub fn text(desk: &Desk, kind: &str, data: impl Serialize) -> fts_plugin_api::sdk::Result<String> {
    let node_id = &desk.host.server().node_id;
    Ok(serde_json::to_string(&Envelope { version: "3", kind, data, messages: &[], node_id })?)
}

/// 200 without a body.
pub fn empty() -> Response {
    Response::empty(200)
}
