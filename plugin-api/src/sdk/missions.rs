//! The service `missions`: what other plugins may ask of missions and do in them. Provided by the mission plugin.
//!
//! Everything that changes a mission goes the way a client's request goes: one transaction with its change, then the notices.
//! Rights are not looked at unless they are asked for ([`Ask::Rights`]): who acts for somebody asks first. The bus topic
//! [`CHANGED`] tells that there are new changes; [`Ask::Changes`] reads them. What is edited without a change record is told
//! by [`EDITED`].
//!
//! It grows by fields with defaults and by variants of [`Ask`]: a mission plugin that does not know one refuses it as
//! `Invalid`, and does not see a field it does not know.
//!
//! Errors: `NotFound` (no such mission or thing, or it was deleted), `Forbidden`, `Invalid`, `Constraint` (there already).
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{FileInfo, Service, StoredEvent};

mod edit;

pub use edit::{EDITED, Edited, Feed, Hidden, Settings, kind};

/// See the file's head.
pub struct Missions;

/// Published behind every commit with changes; the bytes are the number of the newest one, as text.
pub const CHANGED: &str = "mission.changed";

/// Which mission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Key {
    /// By its guid.
    Guid(String),
    /// The newest of this name, in any case.
    Name(String),
}

/// Who does it, and how it is recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct By {
    /// Client uid, or another name: `creatorUid` of the change, `authorUid` of the notice.
    pub author: String,
    /// When it happened, ms UTC; None = now.
    pub at: Option<i64>,
    /// It came from another server: it is shown so, and must not be sent back.
    pub federated: bool,
}

/// For whom rights are asked.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Who {
    /// User name; "" = anonymous.
    pub user: String,
    /// Its groups.
    pub groups: Vec<String>,
    /// An administrator.
    pub admin: bool,
    /// The device it speaks for.
    pub client_uid: Option<String>,
    /// Its mission token (without `Bearer`).
    pub token: Option<String>,
    /// A password of the mission.
    pub password: Option<String>,
}

impl std::fmt::Debug for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |secret: &Option<String>| secret.as_ref().map(|_| "…");
        let (token, password) = (shown(&self.token), shown(&self.password));
        write!(
            f,
            "Who({:?} of {:?}, admin {}, token {token:?}, password {password:?})",
            self.user, self.groups, self.admin
        )
    }
}

/// A mission that is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewMission {
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Its tool; "" = `public`.
    pub tool: String,
    /// Its groups.
    pub groups: Vec<String>,
    /// For search.
    pub keywords: Vec<String>,
    /// Role of who has none of their own; "" = MISSION_SUBSCRIBER.
    pub default_role: String,
    /// A mission it is below.
    pub parent: Option<Key>,
    /// Its first member, an owner: client uid and user.
    pub owner: Option<(String, String)>,
    /// Everything else it begins with; what stands above counts where both say something.
    pub settings: Settings,
}

/// A mission, without what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MissionInfo {
    /// Made by the server.
    pub guid: String,
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Its tool.
    pub tool: String,
    /// Its groups; empty when `all_groups`.
    pub groups: Vec<String>,
    /// Everybody sees it.
    pub all_groups: bool,
    /// For search.
    pub keywords: Vec<String>,
    /// Who made it.
    pub creator_uid: String,
    /// When, ms UTC.
    pub created: i64,
    /// It has a password.
    pub protected: bool,
    /// For invited members only.
    pub invite_only: bool,
    /// Role of who has none of their own.
    pub default_role: String,
    /// Legacy room name.
    pub chat_room: String,
    /// Free text.
    pub base_layer: String,
    /// Free text.
    pub bbox: String,
    /// `x y,x y…`; "" = unset.
    pub bounding_polygon: String,
    /// Folder of a COP.
    pub path: String,
    /// Free text.
    pub classification: String,
    /// s UTC; None = never.
    pub expiration: Option<i64>,
    /// Guid of the mission it is below; told by [`Ask::Find`] and [`Ask::List`].
    pub parent: Option<String>,
}

/// A record of another tool that a mission points to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct External {
    /// Within the mission.
    pub uid: String,
    /// For people.
    pub name: String,
    /// Whose record it is.
    pub tool: String,
    /// Where its data is.
    pub url_data: String,
    /// Where it is shown.
    pub url_view: String,
    /// For people.
    pub notes: String,
}

/// A row of the folder tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Folder {
    /// Within the mission; of an `ITEM` what it binds.
    pub uid: String,
    /// For people.
    pub name: String,
    /// `GROUP`, `UID`, `CONTENTS`, `MAPLAYER` or `ITEM`.
    pub kind: String,
    /// None = at the root.
    pub parent_uid: Option<String>,
    /// The sibling before it; None = it is the first.
    pub after: Option<String>,
}

/// A stored file that goes into a mission.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewFile {
    /// Hash.
    pub sha256: String,
    /// XML that stands in the notice's `<content>`; "" = nothing.
    pub inline: String,
}

/// One change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChangeInfo {
    /// Its number: later ones are higher.
    pub id: i64,
    /// The mission's guid.
    pub mission: String,
    /// It came from another server.
    pub federated: bool,
    /// As clients read it (JSON, mission.md 1.5).
    pub json: String,
}

/// What can be asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Ask {
    /// One mission.
    Find(Key),
    /// All of a tool, "" = of every tool.
    List(String),
    /// What somebody may do. A mission that it does not see is `NotFound`.
    Rights(Key, Who),
    /// Makes one. `Constraint` when the name is taken.
    Create(NewMission, By),
    /// Ends one; `deep` = its files go, too.
    Delete {
        /// Which.
        mission: Key,
        /// Files, too.
        deep: bool,
        /// Who.
        by: By,
    },
    /// Its newest events, files and external data.
    Items(Key),
    /// Adds events; members get them.
    AddEvents(Key, Vec<ByteBuf>, By),
    /// Links files.
    AddFiles(Key, Vec<NewFile>, By),
    /// Takes out map items (uids) and files (hashes).
    Remove {
        /// Which.
        mission: Key,
        /// Map items.
        uids: Vec<String>,
        /// Files.
        hashes: Vec<String>,
        /// Who.
        by: By,
    },
    /// Adds external data, or writes it again.
    PutExternal(Key, External, By),
    /// Removes it: uid and notes of the notice.
    RemoveExternal(Key, String, Option<String>, By),
    /// What it points to was changed: uid, notes, token of the notice's URLs.
    ExternalChanged(Key, String, Option<String>, String, By),
    /// Makes (client uid, user) a member with a role, live at once.
    Subscribe(Key, String, String, String),
    /// Puts a mission below another, or (None) below none. [`Ask::Assign`] says by whom.
    SetParent(Key, Option<Key>),
    /// Writes a log entry (JSON, mission.md 3.8) of these missions, new or (by its id) again. Its id is in `messages`.
    PutLog(Vec<Key>, String, By),
    /// Removes a log entry.
    RemoveLog(String, By),
    /// Adds a folder, or moves one that is there.
    PutFolder(Key, Folder, By),
    /// Removes folders with everything below them; items leave the mission.
    RemoveFolders(Key, Vec<String>, By),
    /// Tells live members: `t-x-m-c-m` or `t-x-m-c-l`, without a change.
    Tell(Key, String, By),
    /// Changes with a number above this, at most so many, oldest first; of one mission or of all.
    Changes(Option<Key>, i64, u32),
    /// Other settings. `t-x-m-c-m` when one is another than before.
    Update(Key, Settings, By),
    /// As [`Ask::SetParent`], by somebody.
    Assign(Key, Option<Key>, By),
    /// Adds a map layer (JSON, mission.md 1.7, with its `uid`): a change. One that is there is written over: no change,
    /// nobody is told.
    PutMapLayer(Key, String, By),
    /// Removes a map layer: a change.
    RemoveMapLayer(Key, String, By),
    /// Attaches a data feed (a change), or gives one that is attached these filters (none).
    PutFeed(Key, Feed, By),
    /// Detaches it, by its `uid`: a change.
    RemoveFeed(Key, String, By),
    /// Its log, folders, map layers and feeds.
    Attachments(Key),
    /// The hash of its password, for a server that is to have the same mission.
    PasswordHash(Key),
}

/// What somebody may do in a mission.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rights {
    /// Its role; "" = none.
    pub role: String,
    /// Names such as `MISSION_WRITE`.
    pub permissions: Vec<String>,
    /// The password that was given is right.
    pub password_right: bool,
}

/// What is answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Answer {
    /// The missions asked for, made or ended.
    pub missions: Vec<MissionInfo>,
    /// To [`Ask::Rights`].
    pub rights: Option<Rights>,
    /// To [`Ask::Items`].
    pub events: Vec<StoredEvent>,
    /// To [`Ask::Items`].
    pub files: Vec<FileInfo>,
    /// To [`Ask::Items`].
    pub externals: Vec<External>,
    /// To [`Ask::Changes`].
    pub changes: Vec<ChangeInfo>,
    /// What was not done, and why.
    pub messages: Vec<String>,
    /// To [`Ask::Attachments`]: log entries as clients read them (JSON), oldest first.
    pub log: Vec<String>,
    /// To [`Ask::Attachments`]: folders, and items in them, in no order.
    pub folders: Vec<Folder>,
    /// To [`Ask::Attachments`]: map layers (JSON).
    pub map_layers: Vec<String>,
    /// To [`Ask::Attachments`].
    pub feeds: Vec<Feed>,
    /// To [`Ask::PasswordHash`]; None = it has none.
    pub password_hash: Option<Hidden>,
}

impl Service for Missions {
    const NAME: &'static str = "missions";
    type Ask = Ask;
    type Answer = Answer;
}
