//! Stored files for the `fts` command and administrators: list, look at, store, delete, check, sweep. Everything is seen,
//! whatever groups it is in. Content goes in and out as a file of this machine, and so only through the local socket or
//! without a server: a token of the admin listener must not make the server read any file it can.
use std::{fs::File, path::PathBuf};

use axum::http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use crate::{
    files::{Caller, FileError, NewResource, PRIVATE, Resource, Search, Sight, Uid, name, search::Pattern},
    http::{
        answer::{Answer, HandlerError},
        auth::{Auth, Via},
        call::Call,
        listener::Listeners,
        native::{Book, Native},
    },
};

const JSON: &str = "application/json";

/// Its routes.
pub fn routes(book: &mut Book) {
    let mut here = |method, path, endpoint, about, status| {
        let kind = if status == 204 { "" } else { JSON };
        let page = book.on(method, path, Listeners::ADMIN, Auth::RoleAdmin, endpoint).about(about);
        page.answers(status, kind).answers(400, JSON).answers(404, JSON).answers(409, JSON).takes(JSON, 64 << 10);
    };
    here(Method::GET, "/admin/files", list, "Stored files", 200);
    here(Method::POST, "/admin/files", put, "Stores a file of this machine", 201);
    here(Method::GET, "/admin/files/check", check, "Looks at all rows and contents", 200);
    here(Method::POST, "/admin/files/sweep", sweep, "Removes what has expired, and contents without a row", 200);
    here(Method::GET, "/admin/files/{hash}", info, "One stored file", 200);
    here(Method::DELETE, "/admin/files/{hash}", delete, "Deletes a stored file", 204);
}

/// Who asks through the socket could read the file itself.
fn local(call: &Call) -> Result<(), HandlerError> {
    if call.identity.via == Via::Local {
        return Ok(());
    }
    Err(HandlerError::forbidden("content goes in and out only with the fts command on the server's machine"))
}

fn list(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let said = |name| call.query.get_any_case(name).map(str::trim).filter(|v| !v.is_empty());
    let search = Search {
        name: said("name").and_then(Pattern::new),
        keywords: Pattern::list(said("keyword").into_iter()),
        uid: said("uid").and_then(Pattern::new),
        tool: said("tool").map(str::to_owned),
        admin: true,
        ..Search::default()
    };
    let mut found = native.files.search(&search, &Sight::All)?;
    if search.tool.is_none() {
        let private = Search { tool: Some(PRIVATE.to_owned()), ..search };
        found.extend(native.files.search(&private, &Sight::All)?);
        found.sort_by_key(|r| r.id);
        found.dedup_by_key(|r| r.id);
    }
    let rows: Vec<_> = found.iter().map(Resource::modern_with_id).collect();
    Ok(Answer::json(&json!({"files": rows, "bytes": native.files.total()})))
}

fn info(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let rows = native.files.named(call.params.get("hash").unwrap_or_default(), &Sight::All)?;
    let Some(first) = rows.first() else { return Err(FileError::NotFound.into()) };
    let there = native.files.open_content(first).is_ok();
    let mut about = json!({"files": rows.iter().map(Resource::modern_with_id).collect::<Vec<_>>(), "there": there});
    if call.identity.via == Via::Local {
        about["path"] = native.files.path(&first.hash).display().to_string().into();
    }
    Ok(Answer::json(&about))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    path: PathBuf,
    #[serde(default)]
    name: String,
    #[serde(default)]
    uid: String,
    #[serde(default)]
    mime: String,
    #[serde(default)]
    tool: String,
    #[serde(default)]
    keywords: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
    expiration: Option<i64>,
    /// A data package.
    #[serde(default)]
    package: bool,
}

fn put(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    local(&call)?;
    let body = call.body.bytes(64 << 10).map_err(|e| HandlerError::bad_request(e.to_string()))?;
    let said: Put = serde_json::from_slice(&body).map_err(|e| HandlerError::bad_request(format!("the body: {e}")))?;
    let bad = |e: std::io::Error| {
        HandlerError::bad_request(format!("{}: {e}; the server must be able to read it", said.path.display()))
    };
    let mut file = File::open(&said.path).map_err(bad)?;
    if !file.metadata().map_err(bad)?.is_file() {
        return Err(HandlerError::bad_request(format!("{}: not a file", said.path.display())));
    }
    let own = said.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let mut keywords = said.keywords;
    if said.package && !keywords.iter().any(|k| k == crate::files::PACKAGE) {
        keywords.push(crate::files::PACKAGE.to_owned());
    }
    let uid = match (said.package, said.uid.as_str()) {
        (true, _) => Uid::Hash,
        (false, "") => Uid::Random,
        (false, uid) => Uid::Given(uid.to_owned()),
    };
    let new = NewResource {
        uid,
        name: name::clean(if said.name.is_empty() { &own } else { &said.name }),
        download_path: name::clean(&own),
        mime_type: name::content_type(&said.mime),
        submitter: crate::files::oversize::SERVER.to_owned(),
        tool: said.tool,
        expiration: said.expiration,
        keywords,
        groups: if said.groups.is_empty() { vec![crate::directory::ANON.to_owned()] } else { said.groups },
        ..NewResource::default()
    };
    let stored = native.files.put_file(&mut file, new)?;
    Ok(Answer { status: StatusCode::CREATED, ..Answer::json(&stored.modern_with_id()) })
}

fn delete(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let hash = call.params.get("hash").unwrap_or_default();
    native.files.delete_named(hash, &Caller::server("fts"), &Sight::All)?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

fn check(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let read = call.query.get_any_case("read").is_some_and(|v| v == "true");
    let checked = native.files.check(read)?;
    Ok(Answer::json(&json!(checked)))
}

fn sweep(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    let mut swept = native.files.sweep_expired()?;
    swept.orphans = native.files.sweep_orphans(true)?;
    Ok(Answer::json(&json!(swept)))
}
