//! Changing device profiles, as TAK Server's API does: `/Marti/api/device/profile…` for administrators. Sending one stores
//! its package and offers it to the named devices (cot.md 7.1).
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    ZIP, on,
    package::{self, Entry, zipped},
    path_of,
    store::{self, Profile},
};
use crate::{
    files::{
        NewResource, Offer, Receivers, Uid,
        resource::{PACKAGE, PRIVATE},
    },
    http::{
        answer::{Answer, HandlerError},
        auth::{Auth, Role},
        call::Call,
        listener::Listeners,
        marti::envelope,
        native::{Book, Native},
    },
};

/// Longest file of a profile, and all of them together, bytes. More belongs into a data package.
const FILE: u64 = 16 << 20;
const FILES: i64 = 64 << 20;
/// Names that are routes.
const TAKEN: [&str; 2] = ["connection", "tool"];
/// Members of `__ANON__` are everybody who is in no other group.
const ANON: &str = "__ANON__";

pub fn routes(book: &mut Book) {
    const JSON: &str = "application/json";
    let mut admin = |method: Method, path, endpoint, about, status| {
        let page = book.on(method, path, Listeners::TAK, Auth::RoleAdmin, endpoint).about(about);
        page.answers(status, if status == 204 { "" } else { JSON }).answers(404, JSON);
    };
    let (get, put, post, delete) = (Method::GET, Method::PUT, Method::POST, Method::DELETE);
    admin(get.clone(), "/Marti/api/device/profile", list, "All device profiles", 200);
    admin(get.clone(), "/Marti/api/device/profile/{name}", one, "One device profile", 200);
    admin(get.clone(), "/Marti/api/device/profile/{name}/files", files, "Files of a device profile", 200);
    admin(delete.clone(), "/Marti/api/device/profile/{name}", remove, "Removes a device profile, by its id", 200);
    admin(delete, "/Marti/api/device/profile/{name}/file/{id}", remove_file, "Removes a file of a profile", 200);
    let page = book.on(post.clone(), "/Marti/api/device/profile/{name}", Listeners::TAK, Auth::RoleAdmin, create);
    page.about("Makes a device profile for members of groups").query("group", "string", false);
    page.answers(201, JSON).answers(400, JSON).answers(409, JSON);
    let page = book.on(put.clone(), "/Marti/api/device/profile/{name}", Listeners::TAK, Auth::RoleAdmin, change);
    page.about("Changes a device profile").takes(JSON, 64 << 10).answers(200, JSON).answers(400, JSON);
    page.answers(404, JSON);
    let page = book.on(put, "/Marti/api/device/profile/{name}/file", Listeners::TAK, Auth::RoleAdmin, put_file);
    page.about("Stores a file of a device profile").query("filename", "string", true);
    page.takes("application/octet-stream", FILE).answers(200, JSON).answers(400, JSON).answers(404, JSON);
    let page =
        book.on(get.clone(), "/Marti/api/device/profile/{name}/file/{id}", Listeners::TAK, Auth::RoleAdmin, file);
    page.about("One file of a device profile").answers(200, "application/octet-stream").answers(404, JSON);
    let page = book.on(post, "/Marti/api/device/profile/{name}/send", Listeners::TAK, Auth::RoleAdmin, send);
    page.about("Offers a device profile to devices").takes(JSON, 1 << 20).answers(200, JSON).answers(400, JSON);
    page.answers(404, JSON);
    let path = "/Marti/api/device/profile/{name}/missionpackage";
    let page = book.on(get, path, Listeners::TAK, Auth::User, missionpackage);
    // 204: under the name `tool` it is the profile of the tool `missionpackage`.
    page.about("A device profile as data package").answers(200, ZIP).answers(204, "").answers(404, JSON);
}

fn name(call: &Call) -> &str {
    call.params.get("name").unwrap_or_default()
}

fn profile(native: &Native, call: &Call) -> Result<Profile, HandlerError> {
    on(native)?;
    store::named(&native.db, name(call))?.ok_or_else(|| HandlerError::not_found("no such device profile"))
}

pub(super) fn list(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    on(native)?;
    let all: Vec<_> = store::all(&native.db)?.iter().map(Profile::json).collect();
    Ok(envelope(native, "Profile", json!(all)))
}

pub(super) fn one(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    Ok(envelope(native, "Profile", profile(native, &call)?.json()))
}

pub(super) fn create(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    on(native)?;
    let name = name(&call).to_owned();
    let good = (1..=64).contains(&name.chars().count()) && !name.chars().any(|c| c.is_control() || "/\\\"".contains(c));
    if !good || TAKEN.contains(&name.as_str()) {
        return Err(HandlerError::bad_request(
            "a profile's name has 1 to 64 characters, no slash and no quote, and is not connection or tool",
        ));
    }
    if store::named(&native.db, &name)?.is_some() {
        return Err(HandlerError::new(StatusCode::CONFLICT, "there is a device profile of this name"));
    }
    let mut groups: Vec<_> = call.query.all("group").map(str::to_owned).collect();
    if groups.is_empty() {
        groups.push(ANON.to_owned());
    }
    known(native, &groups)?;
    let made = store::save(&native.db, &Profile { name, active: true, groups, ..Profile::default() })?;
    let mut answer = envelope(native, "Profile", made.json());
    answer.status = StatusCode::CREATED;
    Ok(answer)
}

fn known(native: &Native, groups: &[String]) -> Result<(), HandlerError> {
    let unknown = groups.iter().find(|g| *g != ANON && native.accounts.group(g).is_none());
    unknown.map_or(Ok(()), |g| Err(HandlerError::bad_request(format!("there is no group {g}"))))
}

/// Members of the body that are there change; the others stay.
pub(super) fn change(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let mut profile = profile(native, &call)?;
    let said: Value = body(&call)?;
    let flag = |key: &str, now: bool| match said.get(key) {
        None | Some(Value::Null) => Ok(now),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(HandlerError::bad_request(format!("{key} must be true or false"))),
    };
    let text = |key: &str, now: &str| match said.get(key) {
        None => Ok(now.to_owned()),
        Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) if text.len() <= 255 => Ok(text.clone()),
        Some(_) => Err(HandlerError::bad_request(format!("{key} must be a text of at most 255 bytes"))),
    };
    profile.active = flag("active", profile.active)?;
    profile.on_enrollment = flag("applyOnEnrollment", profile.on_enrollment)?;
    profile.on_connect = flag("applyOnConnect", profile.on_connect)?;
    profile.tool = text("tool", &profile.tool)?;
    profile.device = text("deviceUid", &profile.device)?;
    if let Some(groups) = said.get("groups").filter(|g| !g.is_null()) {
        let bad = |_| HandlerError::bad_request("groups must be a list of names");
        profile.groups = serde_json::from_value(groups.clone()).map_err(bad)?;
        known(native, &profile.groups)?;
    }
    Ok(envelope(native, "Profile", store::save(&native.db, &profile)?.json()))
}

fn body(call: &Call) -> Result<Value, HandlerError> {
    let bytes = call.body.bytes(1 << 20).map_err(|e| HandlerError::bad_request(e.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|e| HandlerError::bad_request(format!("the body must be JSON: {e}")))
}

pub(super) fn remove(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    on(native)?;
    let id = name(&call).parse().map_err(|_| HandlerError::not_found("no such device profile"))?;
    match store::remove(&native.db, id)? {
        true => Ok(Answer::empty(StatusCode::OK)),
        false => Err(HandlerError::not_found("no such device profile")),
    }
}

pub(super) fn files(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let files = store::files(&native.db, profile(native, &call)?.id, false)?;
    Ok(envelope(native, "ProfileFile", files.iter().map(store::ProfileFile::json).collect()))
}

pub(super) fn put_file(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let profile = profile(native, &call)?;
    let asked = call.query.get_any_case("filename").unwrap_or_default();
    let path = path_of(asked.strip_prefix('/').unwrap_or(asked))
        .ok_or_else(|| HandlerError::bad_request("filename: a relative path that leads nowhere else"))?;
    let bytes = call.body.bytes(FILE).map_err(|e| HandlerError::new(StatusCode::PAYLOAD_TOO_LARGE, e.to_string()))?;
    let there = store::files(&native.db, profile.id, false)?;
    let others: i64 = there.iter().filter(|f| f.name != path).map(|f| f.size).sum();
    if others + bytes.len() as i64 > FILES {
        let why = format!("the files of a profile have at most {} MiB together; send a data package", FILES >> 20);
        return Err(HandlerError::new(StatusCode::PAYLOAD_TOO_LARGE, why));
    }
    let stored = store::put_file(&native.db, profile.id, &path, bytes.to_vec())?;
    Ok(envelope(native, "ProfileFile", stored.json()))
}

fn file_id(call: &Call) -> Result<i64, HandlerError> {
    let id = call.params.get("id").and_then(|id| id.parse().ok());
    id.ok_or_else(|| HandlerError::not_found("no such file"))
}

pub(super) fn file(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let profile = profile(native, &call)?;
    let found = store::file(&native.db, profile.id, file_id(&call)?)?;
    let found = found.ok_or_else(|| HandlerError::not_found("no such file"))?;
    Ok(package::raw(&found.name, found.bytes))
}

pub(super) fn remove_file(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let profile = profile(native, &call)?;
    match store::remove_file(&native.db, profile.id, file_id(&call)?)? {
        true => Ok(Answer::empty(StatusCode::OK)),
        false => Err(HandlerError::not_found("no such file")),
    }
}

fn zip(native: &Native, profile: &Profile) -> Result<Vec<u8>, HandlerError> {
    let files = store::files(&native.db, profile.id, true)?;
    let entries: Vec<_> = files.into_iter().map(|f| Entry::of(&f.name, f.bytes)).collect();
    zipped(&native.config().server.node_id, &profile.name, &entries)
}

/// For whoever is in one of its groups, and for administrators.
pub(super) fn missionpackage(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let profile = profile(native, &call)?;
    let seen = call.identity.groups_out.iter().any(|g| profile.groups.contains(g)) && profile.active;
    if !seen && call.identity.role != Role::Admin {
        return Err(HandlerError::not_found("no such device profile"));
    }
    let attachment = axum::http::HeaderValue::from_static("attachment; filename=profile.zip");
    Ok(Answer::bytes(ZIP, zip(native, &profile)?).with(axum::http::header::CONTENT_DISPOSITION, attachment))
}

/// To devices by their uids, as far as they are in one of the profile's groups. How many it was offered to.
pub(super) fn send(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let profile = profile(native, &call)?;
    let bad = |_| HandlerError::bad_request("the body must be a list of client uids");
    let uids: Vec<String> = serde_json::from_value(body(&call)?).map_err(bad)?;
    let new = NewResource {
        uid: Uid::Hash,
        name: format!("{}.zip", profile.name),
        mime_type: ZIP.to_owned(),
        submitter: call.identity.user.as_deref().unwrap_or_default().to_owned(),
        tool: PRIVATE.to_owned(),
        keywords: vec![PACKAGE.to_owned()],
        groups: profile.groups.clone(),
        ..NewResource::default()
    };
    let stored = native.files.put_bytes(&zip(native, &profile)?, new)?;
    let sent = native.files.share(native, &stored, &Receivers::Uids(uids), &Offer::of(native, &call));
    Ok(envelope(native, "Integer", json!(sent)))
}
