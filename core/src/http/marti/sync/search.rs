//! Searching: `/Marti/sync/search` for ATAK and CloudTAK with strings for numbers, `/Marti/api/sync/search` for node-tak
//! (marti-http.md 6.6). ATAK drops the whole list for one bad row, and looks for `resultCount` in the text of the answer.
use axum::http::Method;
use serde_json::json;

use super::{number, said, sight, values};
use crate::{
    files::{
        Resource, Search, change,
        search::{Area, Pattern},
    },
    http::{
        answer::{Answer, HandlerError},
        auth::{Auth, Role},
        call::Call,
        listener::Listeners,
        marti::envelope,
        native::{Book, Native, Page},
    },
};

/// Its routes.
pub fn routes(book: &mut Book) {
    let page = book.on(Method::GET, "/Marti/sync/search", Listeners::TAK, Auth::User, legacy);
    parameters(page.about("Finds stored files").answers(200, "text/json").answers(400, "text/plain"));
    let page = book.on(Method::GET, "/Marti/api/sync/search", Listeners::TAK, Auth::User, modern);
    parameters(page.about("Finds stored files").answers(200, "application/json").answers(400, "application/json"));
}

fn parameters(page: &mut Page) {
    for name in ["keywords", "tool", "name", "filename", "uid", "hash", "mimetype", "submissionUser", "creatorUid"] {
        page.query(name, "string", false);
    }
    for (name, kind) in [
        ("bbox", "string"),
        ("circle", "string"),
        ("startTime", "string"),
        ("endTime", "string"),
        ("minAltitude", "number"),
        ("maxAltitude", "number"),
        ("limit", "integer"),
        ("page", "integer"),
    ] {
        page.query(name, kind, false);
    }
}

pub(super) fn legacy(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let found = find(native, &call)?;
    let rows: Vec<_> = found.iter().map(Resource::legacy).collect();
    Ok(Answer::bytes("text/json", json!({"resultCount": rows.len(), "results": rows}).to_string()))
}

pub(super) fn modern(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let found = find(native, &call)?;
    Ok(envelope(native, "Resource", found.iter().map(Resource::modern).collect::<Vec<_>>().into()))
}

fn find(native: &Native, call: &Call) -> Result<Vec<Resource>, HandlerError> {
    let pattern = |names: &[&str]| said(call, names).and_then(|v| Pattern::new(v.trim()));
    let patterns = |a: &'static str, b: &'static str| Pattern::list(values(call, a).chain(values(call, b)));
    let exact = |name: &str| said(call, &[name]).map(|v| v.trim().to_owned());
    let search = Search {
        keywords: patterns("keywords", "keyword"),
        permissions: patterns("permissions", "permission"),
        name: pattern(&["name"]),
        filename: pattern(&["filename"]),
        mime_type: pattern(&["mimetype", "mime"]),
        submitter: pattern(&["submissionUser"]),
        creator_uid: pattern(&["creatorUid"]),
        remarks: pattern(&["remarks"]),
        uid: pattern(&["uid"]),
        hash: exact("hash"),
        primary_key: exact("primaryKey"),
        tool: exact("tool"),
        from: time(call, &["startTime", "submissionDateTime"])?,
        to: time(call, &["stopTime", "endTime"])?,
        min_altitude: number(call, &["minAltitude"])?,
        max_altitude: number(call, &["maxAltitude"])?,
        area: area(call)?,
        asker: change::submitter(&call.identity),
        admin: call.identity.role == Role::Admin,
    };
    let found = native.files.search(&search, &sight(call))?;
    Ok(paged(found, number(call, &["page"])?, number(call, &["limit"])?))
}

/// Pages are counted from 0; without a limit there is one.
pub fn paged<T>(all: Vec<T>, page: Option<i64>, limit: Option<i64>) -> Vec<T> {
    let Some(limit) = limit.filter(|l| *l > 0).and_then(|l| usize::try_from(l).ok()) else { return all };
    let page = page.and_then(|p| usize::try_from(p).ok()).unwrap_or(0);
    all.into_iter().skip(page.saturating_mul(limit)).take(limit).collect()
}

fn area(call: &Call) -> Result<Option<Area>, HandlerError> {
    let bad = |what: &str| HandlerError::bad_request(what.to_owned());
    match (said(call, &["bbox", "box"]), said(call, &["circle"])) {
        (Some(_), Some(_)) => Err(bad("bbox and circle cannot both be asked for")),
        (Some(text), None) => Area::of_box(text).map(Some).ok_or_else(|| bad("bbox is west,south,east,north")),
        (None, Some(text)) => Area::of_circle(text).map(Some).ok_or_else(|| bad("circle is lon,lat,radius in metres")),
        (None, None) => Ok(None),
    }
}

fn time(call: &Call, names: &[&str]) -> Result<Option<i64>, HandlerError> {
    let bad = || HandlerError::bad_request(format!("{} is no time like 2025-03-04T05:06:07Z", names[0]));
    let parse = |v: &str| fts_plugin_api::cot::parse_time(v.trim()).map(|(ms, _)| ms).ok_or_else(bad);
    said(call, names).map(parse).transpose()
}
