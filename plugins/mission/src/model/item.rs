//! What is in a mission: uid items and files (mission.md 1.4).
use fts_plugin_api::sdk::FileInfo;
use serde::{Deserialize, Serialize};

use super::{Details, Stamp};

/// `uids[]`: a map item.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UidItem {
    /// CoT uid.
    #[serde(rename = "data")]
    pub uid: String,
    /// When it was added.
    pub timestamp: Stamp,
    /// Who added it.
    pub creator_uid: String,
    /// Its own keywords.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// Absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
}

/// `contents[]`: a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContentItem {
    /// The file.
    #[serde(rename = "data")]
    pub resource: Resource,
    /// When it was added.
    pub timestamp: Stamp,
    /// Who added it.
    pub creator_uid: String,
    /// Its keywords in this mission.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
}

/// A stored file. Only `hash` is there when the file is gone: nothing is invented.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Resource {
    /// SHA-256, hex.
    pub hash: String,
    /// What is known of it; None = it is gone.
    #[serde(flatten)]
    pub known: Option<Known>,
}

/// See [`Resource`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Known {
    /// Name of the file it came from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub filename: String,
    /// For search.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// MIME type.
    pub mime_type: String,
    /// As people see it.
    pub name: String,
    /// When it was stored.
    pub submission_time: Stamp,
    /// Who stored it.
    pub submitter: String,
    /// Of the resource.
    pub uid: String,
    /// The device it came from.
    #[serde(default)]
    pub creator_uid: String,
    /// Bytes.
    pub size: u64,
    /// `public`, `private` …
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tool: String,
    /// Degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latitude: Option<f64>,
    /// Degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longitude: Option<f64>,
    /// Metres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub altitude: Option<f64>,
    /// s UTC; -1 = never.
    pub expiration: i64,
}

impl Resource {
    /// A file that is gone.
    pub fn gone(hash: impl Into<String>) -> Self {
        Self { hash: hash.into(), known: None }
    }

    /// As the database keeps it.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// As the database kept it; of an unreadable text only the hash is left.
    pub fn from_json(hash: &str, text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|_| Self::gone(hash))
    }
}

impl From<&FileInfo> for Resource {
    fn from(file: &FileInfo) -> Self {
        let known = Known {
            filename: file.file_name.clone(),
            keywords: file.keywords.clone(),
            mime_type: file.content_type.clone(),
            name: file.name.clone(),
            submission_time: Stamp(file.time),
            submitter: file.submitter.clone(),
            uid: file.uid.clone(),
            creator_uid: file.creator_uid.clone(),
            size: file.len,
            tool: file.tool.clone(),
            latitude: file.latitude,
            longitude: file.longitude,
            altitude: file.altitude,
            expiration: if file.expiration > 0 { file.expiration } else { -1 },
        };
        Self { hash: file.sha256.clone(), known: Some(known) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_gone_has_its_hash_and_nothing_else() {
        assert_eq!(Resource::gone("h").to_json(), r#"{"hash":"h"}"#);
        assert_eq!(Resource::from_json("h", r#"{"hash":"h"}"#), Resource::gone("h"));
        let file = FileInfo { sha256: "h".into(), len: 7, name: "a.jpg".into(), ..FileInfo::default() };
        let known = Resource::from(&file);
        assert_eq!(Resource::from_json("h", &known.to_json()), known);
        let json = serde_json::to_value(&known).unwrap();
        assert_eq!(
            (&json["size"], &json["expiration"], &json["keywords"]),
            (&7.into(), &(-1).into(), &serde_json::json!([]))
        );
        assert!(json.get("latitude").is_none() && json.get("filename").is_none());
    }
}
