//! Data packages as commo sends them (marti-http.md 6.4, 6.5, 11.2): ask whether it is there, send it, and both answer the
//! URL that goes verbatim into the offer others fetch from. Success is 200 and the bare URL: no newline, no JSON.
use axum::http::Method;

use super::{groups, list, said, sight, text, upload};
use crate::{
    files::{FileError, NewResource, Uid, change, content_url, name},
    http::{
        answer::{Answer, HandlerError},
        auth::Auth,
        call::Call,
        listener::Listeners,
        native::{Book, Native},
        url,
    },
};

/// Its routes. FreeTAKServer bound POST and PUT to the question too; they carry no body then.
pub fn routes(book: &mut Book) {
    for method in [Method::POST, Method::PUT] {
        book.on(method, "/Marti/sync/missionupload", Listeners::TAK, Auth::User, send)
            .about("Stores a data package; answers its URL")
            .query("filename", "string", false)
            .query("hash", "string", false)
            .query("creatorUid", "string", false)
            .query("keyword", "string", false)
            .query("mimetype", "string", false)
            .query("tool", "string", false)
            .query("groups", "string", false)
            .upload(&["assetfile", "resource"])
            .answers(200, "text/plain")
            .answers(400, "text/plain")
            .answers(403, "text/plain")
            .answers(507, "text/plain");
    }
    for method in [Method::GET, Method::POST, Method::PUT] {
        book.on(method, "/Marti/sync/missionquery", Listeners::TAK, Auth::User, ask)
            .about("URL of a data package that is there")
            .query("hash", "string", true)
            .answers(200, "text/plain")
            .answers(400, "text/plain")
            .answers(404, "text/plain");
    }
}

pub(super) fn send(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    upload::check(native, &call)?;
    let file_name = upload::file_name(&call);
    let name = name::clean(said(&call, &["filename"]).unwrap_or(&file_name));
    if name.is_empty() {
        return Err(HandlerError::bad_request("filename is missing"));
    }
    let mut keywords = list(&call, "keyword");
    upload::with_package(&mut keywords);
    let mime = said(&call, &["mimetype"]).map(name::content_type).filter(|m| !m.is_empty());
    let new = NewResource {
        uid: Uid::Hash,
        download_path: if file_name.is_empty() { name.clone() } else { name::clean(&file_name) },
        name,
        mime_type: mime.unwrap_or_else(|| "application/x-zip-compressed".to_owned()),
        submitter: change::submitter(&call.identity),
        creator_uid: text(&call, &["creatorUid"]),
        tool: text(&call, &["tool"]),
        keywords,
        groups: groups(&call)?,
        ..NewResource::default()
    };
    let base = url::base_url(native, &call);
    let stored = native.files.put(call.body, new)?;
    Ok(Answer::bytes("text/plain", content_url(&base, &stored.hash)))
}

pub(super) fn ask(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let Some(hash) = said(&call, &["hash"]) else { return Err(HandlerError::bad_request("hash is missing")) };
    let found = native.files.find(hash.trim(), &sight(&call))?;
    // Without its content it is not there for the client: it uploads again, which heals it.
    native.files.open_content(&found).map_err(|error| match error {
        FileError::Missing(_) => FileError::NotFound,
        error => error,
    })?;
    Ok(Answer::bytes("text/plain", content_url(&url::base_url(native, &call), &found.hash)))
}
