//! [`Resource`]: one row of the store with its keywords and groups (marti-http.md 6.1), [`NewResource`]: what somebody who
//! stores a file says of it, and [`Sight`]: whose eyes look. Several rows may share one content.
use serde_json::{Value as Json, json};

use super::hash::Hash;
use crate::{
    http::auth::{Identity, Role, Via},
    observe::clock,
    store::rows::Row,
};

/// Keyword of every data package.
pub const PACKAGE: &str = "missionpackage";
/// Tool of what everybody in its groups may find.
pub const PUBLIC: &str = "public";
/// Tool of what is found only by its uid or hash, or by who stored it.
pub const PRIVATE: &str = "private";
/// Submitter of what nobody in particular stored.
pub const ANONYMOUS: &str = "anonymous";

/// One row. Times ms UTC; expiration s UTC, -1 = never.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Resource {
    pub id: i64,
    pub uid: String,
    pub hash: Hash,
    pub name: String,
    pub download_path: String,
    pub mime_type: String,
    pub size: u64,
    pub submission_time: i64,
    pub submitter: String,
    pub creator_uid: String,
    pub tool: String,
    pub expiration: i64,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    pub altitude: Option<f64>,
    pub remarks: String,
    pub permissions: Vec<String>,
    pub contacts: Vec<String>,
    pub keywords: Vec<String>,
    pub groups: Vec<String>,
    /// Of its manifest, if it is a data package that could be read.
    pub package_uid: String,
    pub package_name: String,
}

/// What is said of a file when it is stored. "" = the store chooses: name = the hash, mime type by the name, tool public,
/// submitter anonymous.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct NewResource {
    pub uid: Uid,
    pub name: String,
    pub download_path: String,
    pub mime_type: String,
    pub submitter: String,
    pub creator_uid: String,
    pub tool: String,
    /// s UTC; None = never.
    pub expiration: Option<i64>,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    pub altitude: Option<f64>,
    pub remarks: String,
    pub permissions: Vec<String>,
    pub contacts: Vec<String>,
    pub keywords: Vec<String>,
    /// Who may have it; empty = nobody but those who see everything.
    pub groups: Vec<String>,
}

/// The uid of a file that is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Uid {
    /// A new one.
    #[default]
    Random,
    /// Its hash: data packages.
    Hash,
    /// This one.
    Given(String),
}

/// Whose eyes look at the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Everything: the server itself, its administrator's console, plugins.
    All,
    /// What is in one of these groups.
    Groups(Vec<String>),
}

impl Sight {
    /// A caller's: what it may receive. The local socket has no groups and sees everything.
    #[must_use]
    pub fn of(who: &Identity) -> Self {
        if who.via == Via::Local && who.role == Role::Admin { Self::All } else { Self::Groups(who.groups_out.clone()) }
    }

    /// For SQL: NULL = all, else a JSON array.
    pub(super) fn param(&self) -> crate::store::rows::Value {
        match self {
            Self::All => crate::store::rows::Value::Null,
            Self::Groups(groups) => json!(groups).to_string().into(),
        }
    }
}

/// Everything of a row, keywords and groups as JSON arrays; the table is called `r`.
pub(super) const COLUMNS: &str = "r.*, \
    (SELECT json_group_array(keyword) FROM (SELECT keyword FROM resource_keyword WHERE resource_id = r.id ORDER BY place)) AS keywords, \
    (SELECT json_group_array(name) FROM (SELECT name FROM resource_group WHERE resource_id = r.id ORDER BY name)) AS groups";

/// ?1 = [`Sight::param`].
pub(super) const SEEN: &str = "(?1 IS NULL OR EXISTS (SELECT 1 FROM resource_group g \
    WHERE g.resource_id = r.id AND g.name IN (SELECT value FROM json_each(?1))))";

fn list(row: &Row<'_>, column: &str) -> Vec<String> {
    serde_json::from_str(row.text(column)).unwrap_or_default()
}

impl Resource {
    /// A row of [`COLUMNS`]. None: its hash is none, which only a foreign hand can have written.
    pub(super) fn of_row(row: &Row<'_>) -> Option<Self> {
        let text = |column| row.text(column).to_owned();
        Some(Self {
            id: row.int("id"),
            uid: text("uid"),
            hash: Hash::parse(row.text("hash"))?,
            name: text("name"),
            download_path: text("download_path"),
            mime_type: text("mime_type"),
            size: row.int("size").max(0) as u64,
            submission_time: row.int("submission_time"),
            submitter: text("submitter"),
            creator_uid: text("creator_uid"),
            tool: text("tool"),
            expiration: row.int("expiration"),
            latitude: row.opt_real("latitude"),
            longitude: row.opt_real("longitude"),
            altitude: row.opt_real("altitude"),
            remarks: text("remarks"),
            permissions: list(row, "permissions"),
            contacts: list(row, "contacts"),
            keywords: list(row, "keywords"),
            groups: list(row, "groups"),
            package_uid: text("package_uid"),
            package_name: text("package_name"),
        })
    }

    /// It is over, and only waits for the sweep.
    #[must_use]
    pub fn expired(&self) -> bool {
        self.expiration >= 0 && self.expiration < clock::now_ms() / 1_000
    }

    /// May these eyes see it?
    #[must_use]
    pub fn seen_by(&self, sight: &Sight) -> bool {
        match sight {
            Sight::All => true,
            Sight::Groups(groups) => self.groups.iter().any(|g| groups.contains(g)),
        }
    }

    /// When it was stored, as clients read it (marti-http.md 2.9).
    #[must_use]
    pub fn submitted(&self) -> String {
        fts_plugin_api::cot::format_time(self.submission_time)
    }

    /// The object of `/Marti/sync/search` and `/upload`: numbers are strings, absent members are left out, and the nine
    /// that node-tak needs are always there (marti-http.md 6.3, 6.6).
    #[must_use]
    pub fn legacy(&self) -> Json {
        let name = if self.name.is_empty() { self.hash.as_str() } else { &self.name };
        let mut out = json!({
            "UID": self.uid, "Name": name, "Hash": self.hash.as_str(), "PrimaryKey": self.id.to_string(),
            "SubmissionDateTime": self.submitted(), "SubmissionUser": self.submitter, "CreatorUid": self.creator_uid,
            "Keywords": self.keywords, "MIMEType": self.mime_type, "Size": self.size.to_string(), "Tool": self.tool,
            "EXPIRATION": self.expiration.to_string(),
        });
        for (key, text) in [("DownloadPath", &self.download_path), ("Remarks", &self.remarks)] {
            if !text.is_empty() {
                out[key] = json!(text);
            }
        }
        for (key, number) in [("Latitude", self.latitude), ("Longitude", self.longitude), ("Altitude", self.altitude)] {
            if let Some(number) = number {
                out[key] = json!(number.to_string());
            }
        }
        for (key, list) in [("Permissions", &self.permissions), ("Contacts", &self.contacts)] {
            if !list.is_empty() {
                out[key] = json!(list);
            }
        }
        out
    }

    /// The object of `/Marti/api/sync/search` and of missions (marti-http.md 6.1, 6.6).
    #[must_use]
    pub fn modern(&self) -> Json {
        let mut out = json!({
            "filename": if self.download_path.is_empty() { &self.name } else { &self.download_path },
            "keywords": self.keywords, "mimeType": self.mime_type, "name": self.name,
            "submissionTime": self.submitted(), "submitter": self.submitter, "uid": self.uid,
            "creatorUid": self.creator_uid, "hash": self.hash.as_str(), "size": self.size, "tool": self.tool,
            "groups": self.groups, "expiration": self.expiration,
        });
        for (key, number) in [("latitude", self.latitude), ("longitude", self.longitude), ("altitude", self.altitude)] {
            if let Some(number) = number {
                out[key] = json!(number);
            }
        }
        out
    }
}

impl Resource {
    /// The same with its number, for administrators.
    #[must_use]
    pub fn modern_with_id(&self) -> Json {
        let mut out = self.modern();
        out["id"] = json!(self.id);
        out
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A public file of anonymous.
    pub fn sample(hash: Hash) -> Resource {
        Resource {
            id: 7,
            uid: hash.to_string(),
            name: "mp.zip".into(),
            download_path: String::new(),
            mime_type: "application/zip".into(),
            size: 3,
            submission_time: 1_700_000_000_007,
            submitter: ANONYMOUS.into(),
            creator_uid: String::new(),
            tool: PUBLIC.into(),
            expiration: -1,
            latitude: None,
            longitude: None,
            altitude: None,
            remarks: String::new(),
            permissions: Vec::new(),
            contacts: Vec::new(),
            keywords: vec![PACKAGE.into()],
            groups: vec!["__ANON__".into()],
            package_uid: String::new(),
            package_name: String::new(),
            hash,
        }
    }

    #[test]
    fn both_forms_have_what_clients_demand() {
        let row = sample(Hash::of(b"x"));
        let old = row.legacy();
        for key in [
            "UID",
            "SubmissionDateTime",
            "Keywords",
            "MIMEType",
            "SubmissionUser",
            "PrimaryKey",
            "Hash",
            "CreatorUid",
            "Name",
        ] {
            assert!(old.get(key).is_some_and(|v| !v.is_null()), "{key}");
        }
        assert_eq!((old["PrimaryKey"].as_str(), old["Size"].as_str()), (Some("7"), Some("3")));
        assert_eq!(old["SubmissionDateTime"], "2023-11-14T22:13:20.007Z");
        assert!(old.get("Latitude").is_none() && old.get("Remarks").is_none());
        let nameless = Resource { name: String::new(), ..row.clone() };
        assert_eq!(nameless.legacy()["Name"], row.hash.as_str());
        let new = Resource { latitude: Some(1.5), ..row }.modern();
        assert_eq!(
            (new["size"].as_u64(), new["expiration"].as_i64(), new["latitude"].as_f64()),
            (Some(3), Some(-1), Some(1.5))
        );
    }
}
