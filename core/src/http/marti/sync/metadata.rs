//! What is known of a stored file, by its hash (marti-http.md 6.8): commo sets `tool` after every package it sends, node-tak
//! keywords and expiration. Bodies are read raw whatever their type says.
use axum::http::{Method, StatusCode};

use super::{number, sight, writer};
use crate::{
    files::{Caller, name},
    http::{
        answer::{Answer, HandlerError},
        auth::Auth,
        call::Call,
        listener::Listeners,
        native::{Book, Native},
    },
};

/// Longest value of a field, in characters.
const LONGEST: usize = 255;

/// Its routes.
pub fn routes(book: &mut Book) {
    book.on(Method::PUT, "/Marti/api/sync/metadata/{hash}/{field}", Listeners::TAK, Auth::User, set)
        .about("Sets tool, keywords, mimetype or expiration")
        .query("expiration", "integer", false)
        .takes("text/plain", 1 << 20)
        .answers(200, "")
        .answers(200, "text/plain")
        .answers(400, "application/json")
        .answers(403, "application/json")
        .answers(404, "application/json");
    book.on(Method::GET, "/Marti/sync/{hash}/metadata", Listeners::TAK, Auth::User, get)
        .about("What is known of a stored file")
        .answers(200, "text/json")
        .answers(404, "text/plain");
}

pub(super) fn get(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let found = native.files.find(call.params.get("hash").unwrap_or_default().trim(), &sight(&call))?;
    Ok(Answer::bytes("text/json", found.legacy().to_string()))
}

pub(super) fn set(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    writer(&call)?;
    let (files, caller, eyes) = (&native.files, Caller::of(&call.identity), sight(&call));
    let hash = call.params.get("hash").unwrap_or_default().trim();
    match call.params.get("field").unwrap_or_default() {
        "tool" => {
            files.set_tool(hash, &value(&call)?, &caller, &eyes)?;
            return Ok(Answer::bytes("text/plain", "Okay"));
        }
        "keywords" => {
            let bytes = body(&call)?;
            let keywords: Vec<String> = serde_json::from_slice(&bytes)
                .map_err(|_| HandlerError::bad_request("the keywords are a JSON array of strings"))?;
            files.set_keywords(hash, &keywords, &caller, &eyes)?;
        }
        "mimetype" => {
            let mime = name::content_type(&value(&call)?);
            if mime.is_empty() {
                return Err(HandlerError::bad_request("this is no content type like image/png"));
            }
            files.set_mime_type(hash, &mime, &caller, &eyes)?;
        }
        "expiration" => {
            let at = number::<i64>(&call, &["expiration"])?.filter(|at| *at >= -1);
            let at = at.ok_or_else(|| HandlerError::bad_request("expiration is in seconds UTC, or -1"))?;
            files.set_expiration(hash, at, &caller, &eyes)?;
        }
        _ => return Err(HandlerError::bad_request("fields are tool, keywords, mimetype and expiration")),
    }
    Ok(Answer::empty(StatusCode::OK))
}

fn body(call: &Call) -> Result<bytes::Bytes, HandlerError> {
    call.body.bytes(1 << 20).map_err(|_| HandlerError::internal("the body cannot be read"))
}

/// The body as one word; JSON's quotes around it are taken off.
fn value(call: &Call) -> Result<String, HandlerError> {
    let bytes = body(call)?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim();
    let bare = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    let bare: String = bare.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    if bare.trim().is_empty() {
        return Err(HandlerError::bad_request("the body is empty"));
    }
    Ok(bare.trim().to_owned())
}
