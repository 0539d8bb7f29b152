//! The file manager of TAK Server's web interface and the size limit clients ask for (marti-http.md 6.10). Everybody reads
//! what its groups show; deleting and changing by this door is for administrators.
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{list, number, said, search::paged, sight, text};
use crate::{
    files::{Caller, Resource, Search, resource::PACKAGE, search::Pattern},
    http::{
        answer::{Answer, HandlerError},
        auth::{Auth, Role},
        call::Call,
        listener::Listeners,
        marti::envelope,
        native::{Book, Native},
    },
    store::setting::SettingError,
};

/// The largest limit that can be set, in MB: what clients read as a whole number.
const MOST: u64 = i32::MAX as u64;

/// Its routes.
pub fn routes(book: &mut Book) {
    let json = "application/json";
    book.on(Method::GET, "/Marti/api/files/metadata", Listeners::TAK, Auth::User, rows)
        .about("Stored files, for people")
        .query("page", "integer", false)
        .query("limit", "integer", false)
        .query("missionPackage", "boolean", false)
        .query("name", "string", false)
        .query("sort", "string", false)
        .query("ascending", "boolean", false)
        .answers(200, json)
        .answers(400, json);
    book.on(Method::GET, "/Marti/api/files/metadata/count", Listeners::TAK, Auth::User, count)
        .about("How many stored files there are")
        .query("missionPackage", "boolean", false)
        .answers(200, json);
    book.on(Method::DELETE, "/Marti/api/files/{hash}", Listeners::TAK, Auth::RoleAdmin, delete)
        .about("Deletes a stored file")
        .answers(200, "")
        .answers(404, json)
        .answers(409, json);
    book.on(Method::PUT, "/Marti/api/files/{hash}/metadata", Listeners::TAK, Auth::RoleAdmin, set)
        .about("Sets who stored a file, keywords and expiration")
        .query("user", "string", false)
        .query("expiration", "integer", false)
        .query("keywords", "string", false)
        .answers(200, "")
        .answers(400, json)
        .answers(404, json);
    book.on(Method::GET, "/files/api/config", Listeners::TAK, Auth::User, config)
        .about("Largest upload, in MB")
        .answers(200, json);
    book.on(Method::POST, "/files/api/config", Listeners::TAK, Auth::RoleAdmin, configure)
        .about("Sets the largest upload from now on and after every start, in MB; null = as the configuration has it")
        .takes(json, 1 << 16)
        .answers(200, "")
        .answers(400, json)
        .answers(409, json);
}

fn find(native: &Native, call: &Call) -> Result<Vec<Resource>, HandlerError> {
    let packages = said(call, &["missionPackage"]).is_some_and(|v| v.eq_ignore_ascii_case("true"));
    let search = Search {
        name: Pattern::new(&text(call, &["name"])),
        keywords: if packages { Pattern::new(&format!("^{PACKAGE}$")).into_iter().collect() } else { Vec::new() },
        ..Search::default()
    };
    let mut found = native.files.search(&search, &sight(call))?;
    if call.identity.role == Role::Admin {
        let private = Search { tool: Some("private".into()), admin: true, ..search };
        found.extend(native.files.search(&private, &sight(call))?);
    }
    Ok(found)
}

pub(super) fn rows(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let mut found = find(native, &call)?;
    let falling = said(&call, &["ascending"]).is_some_and(|v| v.eq_ignore_ascii_case("false"));
    match text(&call, &["sort"]).to_ascii_lowercase().as_str() {
        "name" => found.sort_by(|a, b| a.name.cmp(&b.name)),
        "user" => found.sort_by(|a, b| a.submitter.cmp(&b.submitter)),
        "size" => found.sort_by_key(|r| r.size),
        "mimetype" => found.sort_by(|a, b| a.mime_type.cmp(&b.mime_type)),
        "expiration" => found.sort_by_key(|r| r.expiration),
        _ => found.sort_by_key(|r| (r.submission_time, r.id)),
    }
    if falling {
        found.reverse();
    }
    let found = paged(found, number(&call, &["page"])?, number(&call, &["limit"])?);
    let rows: Vec<_> = found.iter().map(|row| shown(native, row)).collect();
    Ok(envelope(native, "Files", rows.into()))
}

/// Strings only, as the web interface shows them.
fn shown(native: &Native, row: &Resource) -> Value {
    let index = native.router.directory.index();
    let creator = index.uid(&row.creator_uid).first().map(|c| c.who().callsign.to_string());
    json!({
        "Name": row.name, "User": row.submitter, "Creator": creator.unwrap_or_else(|| row.creator_uid.clone()),
        "Size": size(row.size), "Time": row.submitted(), "MimeType": row.mime_type,
        "Keywords": row.keywords.join(", "), "Expiration": row.expiration.to_string(), "Hash": row.hash.as_str(),
        "PrimaryKey": row.id.to_string(),
    })
}

/// Bytes for people: `47kB`.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes}B"),
        1_000..1_000_000 => format!("{}kB", bytes.div_ceil(1_000)),
        1_000_000..1_000_000_000 => format!("{}MB", bytes.div_ceil(1_000_000)),
        _ => format!("{}GB", bytes.div_ceil(1_000_000_000)),
    }
}

pub(super) fn count(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    Ok(envelope(native, "Count", find(native, &call)?.len().into()))
}

pub(super) fn delete(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let hash = call.params.get("hash").unwrap_or_default().trim();
    native.files.delete_named(hash, &Caller::of(&call.identity), &sight(&call))?;
    Ok(Answer::empty(StatusCode::OK))
}

pub(super) fn set(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let (files, caller, eyes) = (&native.files, Caller::of(&call.identity), sight(&call));
    let hash = call.params.get("hash").unwrap_or_default().trim();
    let expiration = number::<i64>(&call, &["expiration"])?;
    files.find(hash, &eyes)?;
    if let Some(user) = said(&call, &["user"]) {
        files.set_submitter(hash, user.trim(), &eyes)?;
    }
    let keywords = list(&call, "keywords");
    if !keywords.is_empty() {
        files.set_keywords(hash, &keywords, &caller, &eyes)?;
    }
    // Last: what has ended is not found any more.
    if let Some(at) = expiration {
        files.set_expiration(hash, at, &caller, &eyes)?;
    }
    Ok(Answer::empty(StatusCode::OK))
}

/// Decimal megabytes, as in `files.max_upload`; no limit is said as the largest whole number clients read.
pub(super) fn config(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    let limit = match native.config().files.max_upload {
        0 => i64::from(i32::MAX),
        bytes => (bytes / 1_000_000).min(i32::MAX as u64) as i64,
    };
    Ok(Answer::json(&json!({"uploadSizeLimit": limit})))
}

pub(super) fn configure(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let bad = || HandlerError::bad_request(r#"the body is {"uploadSizeLimit":400}, in MB, or null to take it back"#);
    let bytes = call.body.bytes(1 << 16).map_err(|_| bad())?;
    let said: Value = serde_json::from_slice(&bytes).map_err(|_| bad())?;
    let megabytes = match said.get("uploadSizeLimit").ok_or_else(bad)? {
        Value::Null => None,
        number => Some(number.as_u64().filter(|l| (1..=MOST).contains(l)).ok_or_else(bad)?),
    };
    native.settings.set_max_upload(megabytes.map(|mb| mb * 1_000_000)).map_err(|error| match error {
        SettingError::Fixed(..) => HandlerError::new(StatusCode::CONFLICT, error.to_string()),
        SettingError::Store(error) => {
            tracing::error!(event = "db.error", %error, "the largest upload was not changed");
            HandlerError::internal("the setting could not be kept; the log of the server says why")
        }
    })?;
    native.accounts.audit.did(&call.actor(), "files.limit", "files.max_upload", json!({"megabytes": megabytes}));
    Ok(Answer::empty(StatusCode::OK))
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_for_people() {
        let shown = [0, 999, 46_001, 1_814_000, 5_000_000_001].map(super::size);
        assert_eq!(shown, ["0B", "999B", "47kB", "2MB", "6GB"]);
    }
}
