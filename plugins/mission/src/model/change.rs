//! [`Change`]: one line of a mission's history (mission.md 1.5). Its number (row id) orders everything: notices leave in
//! that order.
use serde::Serialize;

use super::{Details, External, Feed, MapLayer, Resource, Stamp};

/// What happened. The numbers are those of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// The mission was made.
    CreateMission = 0,
    /// The mission was deleted; the record outlives it.
    DeleteMission = 1,
    /// Something was added, or a uid item was sent again.
    AddContent = 2,
    /// Something was removed.
    RemoveContent = 3,
    /// A feed was attached.
    CreateDataFeed = 4,
    /// A feed was detached.
    DeleteDataFeed = 5,
}

impl ChangeKind {
    const ALL: [Self; 6] = [
        Self::CreateMission,
        Self::DeleteMission,
        Self::AddContent,
        Self::RemoveContent,
        Self::CreateDataFeed,
        Self::DeleteDataFeed,
    ];

    /// On the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::CreateMission => "CREATE_MISSION",
            Self::DeleteMission => "DELETE_MISSION",
            Self::AddContent => "ADD_CONTENT",
            Self::RemoveContent => "REMOVE_CONTENT",
            Self::CreateDataFeed => "CREATE_DATA_FEED",
            Self::DeleteDataFeed => "DELETE_DATA_FEED",
        }
    }

    /// By name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == name)
    }

    /// By its number.
    pub fn numbered(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|k| *k as i64 == number)
    }
}

/// What a change is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Subject {
    /// The mission itself.
    #[default]
    Mission,
    /// A map item: uid, and what its event says of it.
    Uid(String, Option<Details>),
    /// A file.
    Content(Resource),
    /// External data, and the token of the change ("" = none).
    External(External, String),
    /// A source of map tiles.
    MapLayer(MapLayer),
    /// A data feed.
    Feed(Feed),
}

/// One line. Times are ms UTC.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its number; 0 before it is stored.
    pub id: i64,
    /// See [`ChangeKind`].
    pub kind: ChangeKind,
    /// Display name then.
    pub mission_name: String,
    /// Of the mission.
    pub mission_guid: String,
    /// When it happened: the client's clock for offline uploads.
    pub timestamp: i64,
    /// When it was stored.
    pub server_time: i64,
    /// Who did it; "" = unknown.
    pub creator_uid: String,
    /// What it is about.
    pub subject: Subject,
    /// It came from another server.
    pub federated: bool,
}

/// As clients read it.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeView {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub is_federated_change: bool,
    pub mission_name: String,
    pub mission_guid: String,
    pub timestamp: Stamp,
    pub server_time: Stamp,
    pub creator_uid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_uid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_resource: Option<Resource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_data: Option<External>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map_layer: Option<MapLayer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mission_feed: Option<Feed>,
}

impl Change {
    /// See [`ChangeView`].
    pub fn view(&self) -> ChangeView {
        self.clone().into_view()
    }

    /// The same of one that is not needed any more: nothing of a long history is copied.
    pub fn into_view(self) -> ChangeView {
        let mut view = ChangeView {
            kind: self.kind.name(),
            is_federated_change: self.federated,
            mission_name: self.mission_name,
            mission_guid: self.mission_guid,
            timestamp: Stamp(self.timestamp),
            server_time: Stamp(self.server_time),
            creator_uid: self.creator_uid,
            ..ChangeView::default()
        };
        match self.subject {
            Subject::Mission => {}
            Subject::Uid(uid, details) => {
                view.content_uid = Some(uid);
                view.details = details;
            }
            Subject::Content(resource) => view.content_resource = Some(resource),
            Subject::External(external, token) => view.external_data = Some(external.with_token(&token)),
            Subject::MapLayer(layer) => view.map_layer = Some(layer),
            Subject::Feed(feed) => view.mission_feed = Some(feed),
        }
        view
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_lead_back() {
        for (number, kind) in (0..).zip(ChangeKind::ALL) {
            assert_eq!((ChangeKind::numbered(number), ChangeKind::named(kind.name())), (Some(kind), Some(kind)));
        }
        assert_eq!(ChangeKind::numbered(6), None);
    }

    #[test]
    fn a_change_shows_one_subject_and_never_null() {
        let change = Change {
            id: 1,
            kind: ChangeKind::AddContent,
            mission_name: "Flood".into(),
            mission_guid: "g".into(),
            timestamp: 0,
            server_time: 1,
            creator_uid: String::new(),
            subject: Subject::Uid("m-1".into(), Some(Details { kind: Some("a-f-G".into()), ..Details::default() })),
            federated: false,
        };
        assert_eq!(
            serde_json::to_value(change.view()).unwrap(),
            serde_json::json!({"type": "ADD_CONTENT", "isFederatedChange": false, "missionName": "Flood",
                "missionGuid": "g", "timestamp": "1970-01-01T00:00:00.000Z", "serverTime": "1970-01-01T00:00:00.001Z",
                "creatorUid": "", "contentUid": "m-1", "details": {"type": "a-f-G"}})
        );
        let external = External { uid: "x".into(), url_data: "http://u".into(), ..External::default() };
        let change = Change { subject: Subject::External(external, "tok".into()), ..change };
        assert_eq!(serde_json::to_value(change.view()).unwrap()["externalData"]["urlData"], "http://u?token=tok");
    }
}
