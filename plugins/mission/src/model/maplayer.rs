//! [`MapLayer`]: a source of map tiles that a mission offers (mission.md 1.7).
use serde::{Deserialize, Serialize};

use super::{Stamp, or_default};

/// See the file's head. What a client does not send is left out again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct MapLayer {
    /// Made by the server when absent.
    #[serde(deserialize_with = "or_default")]
    pub uid: String,
    /// Who added it.
    #[serde(deserialize_with = "or_default")]
    pub creator_uid: String,
    /// For people.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create_time: Option<Stamp>,
    /// When last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified_time: Option<Stamp>,
    /// `description`, `type`, `url`, `minZoom` … `invertYCoordinate`: kept as they were sent.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, serde_json::Value>,
}
