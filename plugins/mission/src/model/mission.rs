//! [`Mission`]: its row with groups and keywords; [`MissionView`]: the JSON object of mission.md 1.3 (never-null rules).
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{ContentItem, External, Feed, LogEntry, MapLayer, PasswordHash, Role, Stamp};
use crate::part::Part;

/// The group of whoever is in no other: where a mission is that names none.
pub const ANONYMOUS_GROUP: &str = "__ANON__";

/// A row. Times are ms UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mission {
    /// Key of the row; never used twice.
    pub id: i64,
    /// Made by the server, never changes; lower case.
    pub guid: String,
    /// As its creator wrote it.
    pub name: String,
    /// Another mission of this name was there: it does not count for uniqueness.
    pub dup: bool,
    /// Visible to everybody, whatever their groups (the seeded ones).
    pub all_groups: bool,
    /// Its groups; empty when `all_groups`.
    pub groups: Vec<String>,
    /// Free text.
    pub description: String,
    /// Legacy room name.
    pub chat_room: String,
    /// Free text.
    pub base_layer: String,
    /// Free text.
    pub bbox: String,
    /// `x y,x y`; None = unset.
    pub bounding_polygon: Option<String>,
    /// Folder of a COP.
    pub path: String,
    /// Free text.
    pub classification: String,
    /// `public`, `ExCheck`, `citrap`, `vbm` …
    pub tool: String,
    /// For search.
    pub keywords: Vec<String>,
    /// Device that made it.
    pub creator_uid: String,
    /// ms UTC.
    pub create_time: i64,
    /// Server time of the newest change, ms UTC.
    pub last_edited: i64,
    /// None = [`Role::DEFAULT`].
    pub default_role: Option<Role>,
    /// None = open.
    pub password: Option<PasswordHash>,
    /// Only who is invited becomes a member.
    pub invite_only: bool,
    /// s UTC; -1 = never.
    pub expiration: i64,
    /// Row of the mission above it.
    pub parent_id: Option<i64>,
    /// What WinTAK sent.
    pub service_uri: Option<String>,
}

impl Mission {
    /// One made now, with every default.
    pub fn new(guid: String, name: String, now: i64) -> Self {
        Self {
            id: 0,
            guid,
            name,
            dup: false,
            all_groups: false,
            groups: Vec::new(),
            description: String::new(),
            chat_room: String::new(),
            base_layer: String::new(),
            bbox: String::new(),
            bounding_polygon: None,
            path: String::new(),
            classification: String::new(),
            tool: "public".to_owned(),
            keywords: Vec::new(),
            creator_uid: String::new(),
            create_time: now,
            last_edited: now,
            default_role: None,
            password: None,
            invite_only: false,
            expiration: -1,
            parent_id: None,
            service_uri: None,
        }
    }

    /// Role of who has none of their own.
    pub fn default_role(&self) -> Role {
        self.default_role.unwrap_or(Role::DEFAULT)
    }

    /// What an ACCESS token names, as there is no row for it: the way in as it is now. Another password, or none, is
    /// another one: who was let in before is not any more.
    pub fn way_in(&self) -> String {
        let password = self.password.as_ref().map_or("", PasswordHash::reveal);
        let digest = Sha256::digest(format!("{}\n{}\n{password}", self.guid, self.invite_only));
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
    }

    /// Nobody gets in by default.
    pub fn is_closed(&self) -> bool {
        self.password.is_some() || self.invite_only
    }

    /// Its groups, for what cannot be in all of them: a file, a manifest.
    pub fn named_groups(&self) -> Vec<String> {
        if self.all_groups { vec![ANONYMOUS_GROUP.to_owned()] } else { self.groups.clone() }
    }

    /// The object without anything that is in other tables. `groups` = those the caller may see.
    pub fn view(&self, groups: Vec<String>) -> MissionView {
        MissionView {
            name: self.name.clone(),
            description: self.description.clone(),
            chat_room: self.chat_room.clone(),
            base_layer: self.base_layer.clone(),
            bbox: self.bbox.clone(),
            bounding_polygon: self.bounding_polygon.clone(),
            path: self.path.clone(),
            classification: self.classification.clone(),
            tool: self.tool.clone(),
            keywords: self.keywords.clone(),
            creator_uid: self.creator_uid.clone(),
            create_time: Stamp(self.create_time),
            last_edited: Stamp(self.last_edited),
            groups,
            default_role: self.default_role,
            invite_only: self.invite_only,
            expiration: self.expiration,
            guid: self.guid.clone(),
            password_protected: self.password.is_some(),
            service_uri: self.service_uri.clone(),
            ..MissionView::default()
        }
    }
}

/// See the file's head.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MissionView {
    pub name: String,
    pub description: String,
    pub chat_room: String,
    pub base_layer: String,
    pub bbox: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bounding_polygon: Option<String>,
    pub path: String,
    pub classification: String,
    pub tool: String,
    pub keywords: Vec<String>,
    pub creator_uid: String,
    pub create_time: Stamp,
    pub last_edited: Stamp,
    pub groups: Vec<String>,
    pub external_data: Vec<External>,
    pub feeds: Vec<Feed>,
    pub map_layers: Vec<MapLayer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_role: Option<Role>,
    pub invite_only: bool,
    pub expiration: i64,
    pub guid: String,
    pub uids: Part,
    pub contents: Vec<ContentItem>,
    pub password_protected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mission_changes: Option<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logs: Option<Vec<LogEntry>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_uri: Option<String>,
}

impl MissionView {
    /// Takes out what only readers may see (mission.md 2.7).
    pub fn empty_out(&mut self) {
        self.uids = Part::default();
        self.contents.clear();
        self.external_data.clear();
        self.map_layers.clear();
        self.feeds.clear();
        (self.mission_changes, self.logs) = (None, None);
    }
}
