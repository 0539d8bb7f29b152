//! Device profiles in the database: what they are called, for whom they are, and their files (marti-http.md 7). Files are
//! small (preferences, overlays), so that they lie in the database; large ones are data packages. Every change of a profile
//! or of one of its files sets its time, because clients ask for what is newer than their last look.
use serde_json::{Value, json};

use crate::{
    observe::clock,
    store::{
        database::{Database, Value as Sql},
        error::StoreError,
        rows::Row,
    },
};

/// One profile, without the contents of its files. Times ms UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Row.
    pub id: i64,
    /// Unique without regard to case.
    pub name: String,
    /// Handed out at all.
    pub active: bool,
    /// With the first certificate.
    pub on_enrollment: bool,
    /// At every connect, when it is newer than the client's last look.
    pub on_connect: bool,
    /// When this tool asks; "" = no tool.
    pub tool: String,
    /// Only for the device of this uid; "" = all.
    pub device: String,
    /// Last change.
    pub updated: i64,
    /// For members of these.
    pub groups: Vec<String>,
}

/// One file of a profile. The name is a relative path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileFile {
    /// Row.
    pub id: i64,
    /// Parts separated by `/`.
    pub name: String,
    /// Content; empty where it was not asked for.
    pub bytes: Vec<u8>,
    /// Length of the content.
    pub size: i64,
    /// Last change, ms UTC.
    pub updated: i64,
}

/// Which profiles are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// A device has got its certificate.
    Enrollment,
    /// A device has connected.
    Connection,
    /// A tool asks.
    Tool(String),
}

impl Profile {
    fn of(row: &Row<'_>) -> Self {
        let text = |column| row.text(column).to_owned();
        Self {
            id: row.int("id"),
            name: text("name"),
            active: row.flag("active"),
            on_enrollment: row.flag("on_enrollment"),
            on_connect: row.flag("on_connect"),
            tool: text("tool"),
            device: text("device"),
            updated: row.int("updated_at"),
            groups: serde_json::from_str(row.text("groups")).unwrap_or_default(),
        }
    }

    /// As TAK Server's API has it.
    pub fn json(&self) -> Value {
        json!({
            "id": self.id, "name": self.name, "active": self.active, "applyOnEnrollment": self.on_enrollment,
            "applyOnConnect": self.on_connect, "tool": self.tool, "deviceUid": self.device,
            "updated": fts_plugin_api::cot::format_time(self.updated), "groups": self.groups,
        })
    }
}

impl ProfileFile {
    fn of(row: &Row<'_>) -> Self {
        let bytes = match row.value("bytes") {
            Sql::Blob(bytes) => bytes.clone(),
            _ => Vec::new(),
        };
        let name = row.text("name").to_owned();
        Self { id: row.int("id"), name, bytes, size: row.int("size"), updated: row.int("updated_at") }
    }

    /// As TAK Server's API has it, with the size.
    pub fn json(&self) -> Value {
        let updated = fts_plugin_api::cot::format_time(self.updated);
        json!({"id": self.id, "name": self.name, "size": self.size, "updated": updated})
    }
}

/// Everything of a profile; the table is called `p`.
const COLUMNS: &str = "p.*, (SELECT json_group_array(name) FROM (SELECT name FROM device_profile_group \
    WHERE profile_id = p.id ORDER BY name)) AS groups";

fn text(value: &str) -> Sql {
    Sql::Text(value.to_owned())
}

fn flag(value: bool) -> Sql {
    Sql::Integer(i64::from(value))
}

/// All profiles by name.
///
/// # Errors
/// The database's, here and below.
pub fn all(db: &Database) -> Result<Vec<Profile>, StoreError> {
    let rows = db.query(&format!("SELECT {COLUMNS} FROM device_profile p ORDER BY p.name"), &[])?;
    Ok(rows.iter().map(|r| Profile::of(&r)).collect())
}

/// One by name.
pub fn named(db: &Database, name: &str) -> Result<Option<Profile>, StoreError> {
    let rows = db.query(&format!("SELECT {COLUMNS} FROM device_profile p WHERE p.name = ?1"), &[text(name)])?;
    Ok(rows.first().map(|r| Profile::of(&r)))
}

/// Active ones for an occasion, in the order of their names, changed after `since` (ms UTC), for a device in one of these
/// groups.
pub fn chosen(
    db: &Database,
    occasion: &Occasion,
    since: i64,
    device: &str,
    groups: &[String],
) -> Result<Vec<Profile>, StoreError> {
    let (kind, tool) = match occasion {
        Occasion::Enrollment => (0, ""),
        Occasion::Connection => (1, ""),
        Occasion::Tool(tool) => (2, tool.as_str()),
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM device_profile p WHERE p.active AND p.updated_at > ?1 \
         AND ((?2 = 0 AND p.on_enrollment) OR (?2 = 1 AND p.on_connect) OR (?2 = 2 AND p.tool <> '' AND p.tool = ?3)) \
         AND (p.device = '' OR p.device = ?4) \
         AND EXISTS (SELECT 1 FROM device_profile_group g WHERE g.profile_id = p.id \
           AND g.name IN (SELECT value FROM json_each(?5))) ORDER BY p.name"
    );
    let values = [Sql::Integer(since), Sql::Integer(kind), text(tool), text(device), text(&json!(groups).to_string())];
    Ok(db.query(&sql, &values)?.iter().map(|r| Profile::of(&r)).collect())
}

/// Writes a new one (`id` 0) or changes one. Its time is now.
pub fn save(db: &Database, profile: &Profile) -> Result<Profile, StoreError> {
    let now = clock::now_ms();
    let values = |first: Sql| {
        let flags = [profile.active, profile.on_enrollment, profile.on_connect].map(flag);
        let mut values = vec![first];
        values.extend(flags);
        values.extend([text(&profile.tool), text(&profile.device), Sql::Integer(now)]);
        values
    };
    let tx = db.begin()?;
    let rows = if profile.id == 0 {
        let sql = "INSERT INTO device_profile (name, active, on_enrollment, on_connect, tool, device, updated_at) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id";
        tx.query(sql, &values(text(&profile.name)))?
    } else {
        let sql = "UPDATE device_profile SET active = ?2, on_enrollment = ?3, on_connect = ?4, tool = ?5, device = ?6, \
            updated_at = ?7 WHERE id = ?1 RETURNING id";
        tx.query(sql, &values(Sql::Integer(profile.id)))?
    };
    let id = rows.first().map_or(0, |r| r.int("id"));
    tx.exec("DELETE FROM device_profile_group WHERE profile_id = ?1", &[Sql::Integer(id)])?;
    for group in &profile.groups {
        let sql = "INSERT OR IGNORE INTO device_profile_group (profile_id, name) VALUES (?1, ?2)";
        tx.exec(sql, &[Sql::Integer(id), text(group)])?;
    }
    tx.commit()?;
    Ok(Profile { id, updated: now, ..profile.clone() })
}

/// Removes one with its files. False = there was none.
pub fn remove(db: &Database, id: i64) -> Result<bool, StoreError> {
    Ok(db.exec("DELETE FROM device_profile WHERE id = ?1", &[Sql::Integer(id)])? > 0)
}

/// Files of a profile, with their contents if wanted, in the order of their names.
pub fn files(db: &Database, profile: i64, contents: bool) -> Result<Vec<ProfileFile>, StoreError> {
    let sql = "SELECT id, name, CASE WHEN ?2 THEN bytes END AS bytes, length(bytes) AS size, updated_at \
        FROM device_profile_file WHERE profile_id = ?1 ORDER BY name";
    Ok(db.query(sql, &[Sql::Integer(profile), flag(contents)])?.iter().map(|r| ProfileFile::of(&r)).collect())
}

/// One file with its content.
pub fn file(db: &Database, profile: i64, id: i64) -> Result<Option<ProfileFile>, StoreError> {
    let sql = "SELECT id, name, bytes, length(bytes) AS size, updated_at FROM device_profile_file \
        WHERE profile_id = ?1 AND id = ?2";
    Ok(db.query(sql, &[Sql::Integer(profile), Sql::Integer(id)])?.first().map(|r| ProfileFile::of(&r)))
}

/// Writes a file; one of the same name is replaced.
pub fn put_file(db: &Database, profile: i64, name: &str, bytes: Vec<u8>) -> Result<ProfileFile, StoreError> {
    let (now, size) = (clock::now_ms(), bytes.len() as i64);
    let tx = db.begin()?;
    let sql = "INSERT INTO device_profile_file (profile_id, name, bytes, updated_at) VALUES (?1, ?2, ?3, ?4) \
        ON CONFLICT (profile_id, name) DO UPDATE SET bytes = excluded.bytes, updated_at = excluded.updated_at RETURNING id";
    let values = [Sql::Integer(profile), text(name), Sql::Blob(bytes), Sql::Integer(now)];
    let id = tx.query(sql, &values)?.first().map_or(0, |r| r.int("id"));
    tx.exec("UPDATE device_profile SET updated_at = ?2 WHERE id = ?1", &[Sql::Integer(profile), Sql::Integer(now)])?;
    tx.commit()?;
    Ok(ProfileFile { id, name: name.to_owned(), bytes: Vec::new(), size, updated: now })
}

/// Removes a file. False = there was none.
pub fn remove_file(db: &Database, profile: i64, id: i64) -> Result<bool, StoreError> {
    let tx = db.begin()?;
    let sql = "DELETE FROM device_profile_file WHERE profile_id = ?1 AND id = ?2";
    let removed = tx.exec(sql, &[Sql::Integer(profile), Sql::Integer(id)])? > 0;
    let values = [Sql::Integer(profile), Sql::Integer(clock::now_ms())];
    tx.exec("UPDATE device_profile SET updated_at = ?2 WHERE id = ?1", &values)?;
    tx.commit()?;
    Ok(removed)
}
