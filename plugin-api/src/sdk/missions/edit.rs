//! What beside its contents is edited in a mission: settings, map layers, data feeds (mission.md 3.2, 3.11), and [`Edited`],
//! which tells of every such edit. None of it is a change record, so [`super::Ask::Changes`] does not show it.
//!
//! What must not happen: the hash of a password in a log. So it is a [`Hidden`].
use serde::{Deserialize, Serialize};

/// Published behind every commit for each edit without a change record, in order; the bytes are an [`Edited`] as
/// MessagePack ([`Edited::read`]). As with everything on the bus, who does not run then is not told: who must miss nothing
/// reads [`super::Ask::Find`] and [`super::Ask::Attachments`] when it starts.
pub const EDITED: &str = "mission.edited";

/// A text that no log shows.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(pub String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden(…)")
    }
}

/// One edit. Further kinds may come: what is not known is left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Edited {
    /// The mission's guid.
    pub mission: String,
    /// One of the names in [`kind`].
    pub kind: String,
    /// What was edited: id of the log entry, uid of folder, item, map layer or feed, hash of a file, guid of the parent
    /// ("" = none); "" for what is the mission's own.
    pub what: String,
    /// As it is now: a log entry, map layer or feed as clients read it (mission.md 1.7, 3.8), a folder as
    /// `{"uid","name","type","parentUid","after"}`, keywords as an array, an expiration as a number. "" = it is gone, or
    /// [`super::Ask::Find`] tells.
    pub json: String,
    /// Who did it; "" = not known.
    pub author: String,
    /// It came from another server: it must not be sent back.
    pub federated: bool,
}

impl Edited {
    /// What was published with [`EDITED`].
    ///
    /// # Errors
    /// It is no such message.
    pub fn read(bytes: &[u8]) -> crate::sdk::Result<Self> {
        Ok(crate::message::unpack(bytes)?)
    }
}

/// Kinds of [`Edited`].
pub mod kind {
    /// A log entry was written; it is told to each of its missions.
    pub const LOG: &str = "log";
    /// A log entry was removed, or is not this mission's any more.
    pub const LOG_REMOVED: &str = "log-removed";
    /// A folder was made, moved or renamed.
    pub const FOLDER: &str = "folder";
    /// A folder was removed with everything below it.
    pub const FOLDER_REMOVED: &str = "folder-removed";
    /// A map layer was changed in place (one that comes or goes is a change record).
    pub const MAP_LAYER: &str = "map-layer";
    /// Filters of a feed were changed in place (one that comes or goes is a change record).
    pub const FEED: &str = "feed";
    /// Keywords of the mission.
    pub const KEYWORDS: &str = "keywords";
    /// Keywords of a map item.
    pub const UID_KEYWORDS: &str = "uid-keywords";
    /// Keywords of a file.
    pub const CONTENT_KEYWORDS: &str = "content-keywords";
    /// It stands below another mission, or below none.
    pub const PARENT: &str = "parent";
    /// When it ends by itself.
    pub const EXPIRATION: &str = "expiration";
    /// Description, groups, tool, default role, password and the like: any of what [`Ask::Find`](super::super::Ask::Find) shows.
    pub const DETAILS: &str = "details";
}

/// New settings of a mission; None = stays as it is. Name, guid and groups stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Free text.
    pub description: Option<String>,
    /// Legacy room name.
    pub chat_room: Option<String>,
    /// Free text.
    pub base_layer: Option<String>,
    /// Free text.
    pub bbox: Option<String>,
    /// `x y,x y…`; "" = unset.
    pub bounding_polygon: Option<String>,
    /// Folder of a COP.
    pub path: Option<String>,
    /// Free text.
    pub classification: Option<String>,
    /// Its tool; "" = `public`.
    pub tool: Option<String>,
    /// For search: these instead of those before.
    pub keywords: Option<Vec<String>>,
    /// Role of who has none of their own; "" = MISSION_SUBSCRIBER.
    pub default_role: Option<String>,
    /// s UTC; -1 = never.
    pub expiration: Option<i64>,
    /// For invited members only.
    pub invite_only: Option<bool>,
    /// Hash of its password (argon2id or bcrypt); "" = it has none any more.
    pub password_hash: Option<Hidden>,
}

/// A data feed attached to a mission: what of it goes to live members.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Feed {
    /// Of the attachment, within the mission.
    pub uid: String,
    /// Of the feed: a listener, a plugin or a plugin's link, by its name.
    pub data_feed_uid: String,
    /// For people; "" = `data_feed_uid`.
    pub name: String,
    /// Only what lies inside: points `lon,lat`, none or at least three.
    pub filter_polygon: Vec<String>,
    /// Only these types, at most one `*` in each; empty = all.
    pub filter_cot_types: Vec<String>,
    /// Only this callsign; "" = all.
    pub filter_callsign: String,
    /// Only events of these groups. Empty in a question = those of the mission.
    pub groups: Vec<String>,
    /// Events of any group: an administrator attached it. Not looked at in a question.
    pub all_groups: bool,
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::{
        message::{pack, unpack},
        sdk::missions::{MissionInfo, NewMission},
    };

    /// As 1.0.0 knew it.
    #[derive(Debug, Default, Serialize, Deserialize)]
    #[serde(default)]
    struct Old {
        name: String,
        groups: Vec<String>,
    }

    #[test]
    fn older_and_newer_plugins_read_each_other() {
        let settings = Settings { invite_only: Some(true), ..Settings::default() };
        let new = NewMission { name: "n".into(), settings, ..NewMission::default() };
        assert_eq!(unpack::<Old>(&pack(&new)).unwrap().name, "n");
        let old = Old { name: "n".into(), groups: vec!["g".into()] };
        let read: NewMission = unpack(&pack(&old)).unwrap();
        assert_eq!((read.name.as_str(), read.settings), ("n", Settings::default()));
        assert_eq!(unpack::<MissionInfo>(&pack(&old)).unwrap().expiration, None);
    }

    #[test]
    fn what_is_hidden_crosses_and_is_not_shown() {
        let settings = Settings { password_hash: Some(Hidden("$2b$secret".into())), ..Settings::default() };
        assert_eq!(unpack::<Settings>(&pack(&settings)).unwrap(), settings);
        assert!(!format!("{settings:?}").contains("secret"));
        assert!(Edited::read(b"42").is_err());
    }
}
