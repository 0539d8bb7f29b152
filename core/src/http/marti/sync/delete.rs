//! Deleting stored files (marti-http.md 6.9): by who stored them and by administrators. Several may be named; those that are
//! somebody else's make the answer 403 only when none is left. GET is refused unless the operator allows it, because
//! browsers and mail readers follow links by themselves.
use axum::http::{HeaderValue, Method, StatusCode, header};

use super::{sight, values, writer};
use crate::{
    files::{Caller, Resource},
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
    for (method, endpoint) in
        [(Method::DELETE, delete as crate::http::native::Endpoint), (Method::POST, delete), (Method::GET, by_get)]
    {
        let get = method == Method::GET;
        let page = book
            .on(method, "/Marti/sync/delete", Listeners::TAK, Auth::User, endpoint)
            .about("Deletes stored files")
            .query("hash", "string", false)
            .query("PrimaryKey", "string", false)
            .answers(200, "text/plain")
            .answers(400, "text/plain")
            .answers(403, "text/plain")
            .answers(404, "text/plain")
            .answers(405, "text/plain")
            .answers(409, "text/plain");
        if get {
            page.answers(405, "text/plain");
        }
    }
}

pub(super) fn by_get(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    if !native.config().files.allow_get_delete {
        let answer = Answer::bytes("text/plain", "a file is deleted with DELETE or POST");
        let allow = HeaderValue::from_static("DELETE, POST");
        return Ok(Answer { status: StatusCode::METHOD_NOT_ALLOWED, ..answer.with(header::ALLOW, allow) });
    }
    delete(native, call)
}

pub(super) fn delete(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    writer(&call)?;
    let (caller, eyes) = (Caller::of(&call.identity), sight(&call));
    let mut rows: Vec<Resource> = Vec::new();
    let (mut named, mut add) = (false, |found: Vec<Resource>| {
        for row in found {
            if !rows.iter().any(|r| r.id == row.id) {
                rows.push(row);
            }
        }
    });
    for hash in values(&call, "hash").map(str::trim).filter(|h| !h.is_empty()) {
        named = true;
        add(native.files.named(hash, &eyes)?);
    }
    for key in values(&call, "PrimaryKey").map(str::trim).filter(|k| !k.is_empty()) {
        named = true;
        let id = key.parse().map_err(|_| HandlerError::bad_request("PrimaryKey is a number"))?;
        add(native.files.by_id(id, &eyes)?.into_iter().collect());
    }
    if !named {
        return Err(HandlerError::bad_request("hash or PrimaryKey is missing"));
    }
    let deleted = native.files.delete_owned(rows, &caller)?;
    Ok(Answer::bytes("text/plain", format!("Deleted {deleted} resource(s).")))
}
