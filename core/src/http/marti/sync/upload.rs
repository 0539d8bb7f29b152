//! `POST /Marti/sync/upload` (marti-http.md 6.3) and what it shares with `missionupload`: checks of the body, names, types
//! and groups. The body is whole, hashed and on disk or in memory before the handler runs; nothing is read here.
use axum::http::{Method, StatusCode, header};

use super::{groups, list, number, said, text, writer};
use crate::{
    files::{Hash, NewResource, Offer, Receivers, Resource, Uid, change, name, resource::PACKAGE},
    http::{
        answer::{Answer, HandlerError},
        auth::Auth,
        call::Call,
        listener::Listeners,
        native::{Book, Native},
    },
};

/// Its routes.
pub fn routes(book: &mut Book) {
    let page = book
        .on(Method::POST, "/Marti/sync/upload", Listeners::TAK, Auth::User, upload)
        .about("Stores a file")
        .upload(&["assetfile", "resource"])
        .answers(200, "text/json")
        .answers(400, "text/plain")
        .answers(403, "text/plain")
        .answers(507, "text/plain");
    parameters(page);
    for method in [Method::PUT, Method::POST] {
        let page = book
            .on(method, "/Marti/sync/content", Listeners::TAK, Auth::User, content)
            .about("Stores a file; answers its uid")
            .upload(&["assetfile", "resource"])
            .answers(200, "text/plain")
            .answers(400, "text/plain")
            .answers(403, "text/plain")
            .answers(507, "text/plain");
        parameters(page);
    }
}

fn parameters(page: &mut crate::http::native::Page) {
    for (name, kind) in [
        ("name", "string"),
        ("keywords", "string"),
        ("uid", "string"),
        ("creatorUid", "string"),
        ("tool", "string"),
        ("mimetype", "string"),
        ("latitude", "number"),
        ("longitude", "number"),
        ("altitude", "number"),
        ("remarks", "string"),
        ("contacts", "string"),
        ("permissions", "string"),
        ("expiration", "integer"),
        ("groups", "string"),
        ("hash", "string"),
        ("broadcast", "boolean"),
    ] {
        page.query(name, kind, false);
    }
}

pub(super) fn upload(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let stored = store(native, call)?;
    Ok(Answer::bytes("text/json", stored.legacy().to_string()))
}

/// FreeTAKServer's, broken there; what it meant to answer (marti-http.md 6.7).
pub(super) fn content(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    Ok(Answer::bytes("text/plain", store(native, call)?.uid))
}

fn store(native: &Native, call: Call) -> Result<Resource, HandlerError> {
    check(native, &call)?;
    let file_name = file_name(&call);
    let mut new = NewResource {
        uid: said(&call, &["uid"]).map_or(Uid::Random, |uid| Uid::Given(uid.trim().chars().take(255).collect())),
        name: name::clean(said(&call, &["name", "filename"]).unwrap_or(&file_name)),
        download_path: name::clean(said(&call, &["downloadPath"]).unwrap_or(&file_name)),
        mime_type: mime_type(&call),
        submitter: change::submitter(&call.identity),
        creator_uid: text(&call, &["creatorUid"]),
        tool: text(&call, &["tool"]),
        expiration: number(&call, &["expiration"])?,
        latitude: number(&call, &["latitude", "lat"])?,
        longitude: number(&call, &["longitude", "lon"])?,
        altitude: number(&call, &["altitude", "alt"])?,
        remarks: text(&call, &["remarks"]),
        permissions: list(&call, "permissions"),
        contacts: list(&call, "contacts"),
        keywords: list(&call, "keywords"),
        groups: groups(&call)?,
    };
    if is_itak_package(&call, &new.mime_type) {
        as_package(&mut new, &Hash::of_digest(call.body.sha256()));
    }
    let offer = said(&call, &["broadcast"]).is_some_and(|v| v.eq_ignore_ascii_case("true"));
    let offer = offer.then(|| Offer::of(native, &call));
    let stored = native.files.put(call.body, new)?;
    if let Some(offer) = offer {
        native.files.share(native, &stored, &Receivers::All, &offer);
    }
    Ok(stored)
}

/// iTAK sends data packages here and without saying that they are some (marti-http.md 6.3).
fn is_itak_package(call: &Call, mime: &str) -> bool {
    let agent = call.headers.get(header::USER_AGENT).map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
    agent.is_some_and(|a| a.contains("iTAK")) && matches!(mime, "application/x-zip-compressed" | "application/zip")
}

fn as_package(new: &mut NewResource, hash: &Hash) {
    if new.name.is_empty() {
        new.name = hash.to_string();
    }
    if !new.name.contains('.') {
        new.name.push_str(".zip");
    }
    (new.uid, new.tool) = (Uid::Hash, crate::files::resource::PUBLIC.to_owned());
    with_package(&mut new.keywords);
}

/// Every data package has its keyword.
pub fn with_package(keywords: &mut Vec<String>) {
    if !keywords.iter().any(|k| k == PACKAGE) {
        keywords.push(PACKAGE.to_owned());
    }
}

/// Who may, something came, and it is what the client says it is. A wrong hash is somebody's mistake or an attempt on
/// another file; only its own hash ever names a content (marti-http.md 6.2).
pub fn check(native: &Native, call: &Call) -> Result<(), HandlerError> {
    writer(call)?;
    let form = header_text(call, header::CONTENT_TYPE).to_ascii_lowercase().starts_with("multipart/form-data");
    if form && call.part.is_none() {
        return Err(HandlerError::bad_request("the form has no file: name its part assetfile"));
    }
    if call.body.is_empty() {
        return Err(HandlerError::bad_request("the body is empty"));
    }
    let Some(said) = said(call, &["hash"]) else { return Ok(()) };
    let hash = Hash::of_digest(call.body.sha256());
    if Hash::parse(said).as_ref() == Some(&hash) {
        return Ok(());
    }
    if native.config().files.reject_hash_mismatch {
        return Err(HandlerError::new(StatusCode::BAD_REQUEST, "hash mismatch"));
    }
    let shown: String = said.chars().filter(|c| !c.is_control()).take(80).collect();
    tracing::warn!(event = "file.hash_mismatch", said = %shown, %hash, submitter = %change::submitter(&call.identity), "an upload has another hash than its sender says; it is stored under its own");
    Ok(())
}

/// What the form calls the file.
pub fn file_name(call: &Call) -> String {
    call.part.as_ref().and_then(|p| p.file_name.clone()).unwrap_or_default()
}

/// Said in the query, else by the part or the request, "" = to be guessed by the name.
pub fn mime_type(call: &Call) -> String {
    let asked = said(call, &["mimetype", "mime"]).map(name::content_type).filter(|m| !m.is_empty());
    let sent = || match &call.part {
        Some(part) => part.content_type.clone().unwrap_or_default(),
        None => header_text(call, header::CONTENT_TYPE),
    };
    // The last two are what tools send that were not told a type.
    let useful = |m: &String| !matches!(m.as_str(), "application/x-www-form-urlencoded" | "application/octet-stream");
    asked.unwrap_or_else(|| Some(name::content_type(&sent())).filter(useful).unwrap_or_default())
}

fn header_text(call: &Call, name: header::HeaderName) -> String {
    call.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().trim().to_owned()
}
