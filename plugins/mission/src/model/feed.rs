//! [`Feed`]: a data feed whose events go into a mission (mission.md 1.3, 3.11).
//!
//! `seen` is never shown and never read from a client: what whoever attached the feed may see itself. Nothing else of the
//! feed comes into the mission.
use fts_plugin_api::sdk::{Identity, Role};
use serde::{Deserialize, Serialize};

use super::or_default;

/// See the file's head.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Feed {
    /// Of the attachment.
    #[serde(deserialize_with = "or_default")]
    pub uid: String,
    /// Of the feed.
    #[serde(deserialize_with = "or_default")]
    pub data_feed_uid: String,
    /// Of the feed.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// Only what lies inside.
    #[serde(deserialize_with = "or_default")]
    pub filter_polygon: Vec<String>,
    /// Only these types: a JSON array as text, one `*` in each.
    #[serde(deserialize_with = "or_default")]
    pub filter_cot_types_serialized: String,
    /// Only this callsign.
    #[serde(deserialize_with = "or_default")]
    pub filter_callsign: String,
    /// Whose events pass.
    #[serde(skip)]
    pub seen: Seen,
}

/// Groups whose events whoever attached a feed receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// An administrator attached it.
    All,
    /// Events of these groups.
    Groups(Vec<String>),
}

impl Default for Seen {
    fn default() -> Self {
        Self::Groups(Vec::new())
    }
}

impl Seen {
    /// What this caller receives.
    pub fn by(identity: &Identity) -> Self {
        match identity.role {
            Role::Admin => Self::All,
            _ => Self::Groups(identity.groups_out.clone()),
        }
    }

    /// May an event of these groups pass?
    pub fn covers(&self, groups: &[String]) -> bool {
        match self {
            Self::All => true,
            Self::Groups(own) => groups.iter().any(|g| own.contains(g)),
        }
    }
}

/// The same feed with the same filters, whoever attached it.
impl PartialEq for Feed {
    fn eq(&self, other: &Self) -> bool {
        let key = |f: &Self| {
            let Self { uid, data_feed_uid, name, filter_polygon, filter_cot_types_serialized, filter_callsign, .. } = f;
            [uid, data_feed_uid, name, filter_cot_types_serialized, filter_callsign]
                .map(String::clone)
                .into_iter()
                .chain(filter_polygon.iter().cloned())
                .collect::<Vec<_>>()
        };
        key(self) == key(other)
    }
}

impl Eq for Feed {}
