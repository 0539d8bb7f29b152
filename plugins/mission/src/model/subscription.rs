//! [`Subscription`]: a member of a mission, online or not (mission.md 3.6). Its token is made from the row when it is shown.
use serde::Serialize;

use super::{MissionView, Role, Stamp};

/// One row: (mission, client uid, user) is unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The mission.
    pub mission_id: i64,
    /// Client uid, or `topic:NAME`.
    pub client_uid: String,
    /// "" = over a listener that knows no users.
    pub username: String,
    /// `jti` of its token.
    pub token_id: String,
    /// See [`Role`].
    pub role: Role,
    /// ms UTC; also the token's `iat`.
    pub create_time: i64,
    /// Live routing is wanted: false after `disconnectOnly`.
    pub active: bool,
}

/// As clients see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionView {
    /// Only for the member itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Client uid.
    pub client_uid: String,
    /// User.
    pub username: String,
    /// When it began.
    pub create_time: Stamp,
    /// See [`Role`].
    pub role: Role,
    /// From API version 3 on, when subscribing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mission: Option<MissionView>,
}

impl Subscription {
    /// Without token and mission.
    pub fn view(&self) -> SubscriptionView {
        SubscriptionView {
            token: None,
            client_uid: self.client_uid.clone(),
            username: self.username.clone(),
            create_time: Stamp(self.create_time),
            role: self.role,
            mission: None,
        }
    }
}
