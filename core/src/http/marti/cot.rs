//! Stored events (cot.md 12.4): by uid, several, all of one uid, everything in a window of time and a box, uids by a part.
//!
//! Who may: whoever the listener lets in, within the groups it receives from; what was addressed to somebody is given by
//! its uid to who sent or received it, and listed for named users only. Events go out as they were stored, without
//! `<marti>`. Long lists are made while they are sent, a page of the database at a time.
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use bytes::Bytes;
use fts_plugin_api::{
    cot::{Millis, parse_time},
    message::StoredEvent,
};
use serde_json::Value;

use crate::{
    http::{
        answer::{Answer, HandlerError},
        auth::Auth,
        call::Call,
        listener::Listeners,
        native::{Book, Native},
    },
    observe::clock,
    store::history::{
        Reach,
        query::{Area, Search, Window},
        without_marti,
    },
};

/// The longest window of `cot/sa`, ms.
const LONGEST: Millis = 86_400_000;
/// Types `cot/sa` keeps when it filters.
const SHOWN: [&str; 5] = ["a-f", "a-n", "a-u", "a-h", "b-m-r"];
/// Uids asked for at once.
const UIDS: usize = 1_000;
const XML: &str = "application/xml";
const DECLARATION: &str = "<?xml version='1.0' encoding='UTF-8' standalone='yes'?>";

/// Its routes.
pub fn routes(book: &mut Book) {
    const GET: Method = Method::GET;
    book.on(GET, "/Marti/api/cot/xml/{uid*}", Listeners::TAK, Auth::User, by_uid)
        .about("The newest event of a uid; with /all behind it every stored one, newest first")
        .query("secago", "integer", false)
        .query("start", "string", false)
        .query("end", "string", false)
        .answers(200, XML)
        .answers(400, "application/json")
        .answers(404, "");
    for method in [GET, Method::POST] {
        book.on(method, "/Marti/api/cot", Listeners::TAK, Auth::User, several)
            .about("The newest events of these uids")
            .takes("application/json", 1 << 20)
            .answers(200, XML)
            .answers(400, "application/json");
    }
    book.on(GET, "/Marti/api/cot/sa", Listeners::TAK, Auth::User, in_window)
        .about("Everything received in a window of at most 24 h, newest first")
        .query("start", "string", true)
        .query("end", "string", true)
        .query("left", "number", false)
        .query("bottom", "number", false)
        .query("right", "number", false)
        .query("top", "number", false)
        .query("isFiltered", "boolean", false)
        .answers(200, XML)
        .answers(400, "application/json")
        .answers(404, "");
    book.on(GET, "/Marti/api/cot/matchUid", Listeners::TAK, Auth::User, matching)
        .about("Up to five uids that contain a text")
        .query("search", "string", false)
        .answers(200, "application/json")
        .answers(404, "");
}

fn nothing() -> Result<Answer, HandlerError> {
    Ok(Answer::empty(StatusCode::NOT_FOUND))
}

fn by_uid(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let uid = call.params.get("uid").unwrap_or_default();
    let reach = Reach::of(&call.identity);
    native.history.fresh();
    if let Some(uid) = uid.strip_suffix("/all") {
        return all(native, &call, uid, &reach);
    }
    match native.history.newest(uid, &reach, None)? {
        Some(event) => Ok(Answer::bytes(XML, [DECLARATION.as_bytes(), &bare(&event)].concat())),
        None => nothing(),
    }
}

fn all(native: &Native, call: &Call, uid: &str, reach: &Reach) -> Result<Answer, HandlerError> {
    let window = window(call)?;
    let mut found = native.history.all(uid, window, reach, None)?;
    if found.is_empty() {
        return nothing();
    }
    let truncated = found.truncated;
    let answer = events(None, move || found.page().map_err(|e| e.to_string()));
    let header = (HeaderName::from_static("x-truncated"), HeaderValue::from_static("true"));
    Ok(if truncated { answer.with(header.0, header.1) } else { answer })
}

fn several(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let body = call.body.bytes(1 << 20).map_err(|e| HandlerError::bad_request(e.to_string()))?;
    let list: Option<Vec<Value>> = serde_json::from_slice(&body).ok();
    let uids: Option<Vec<String>> =
        list.and_then(|l| l.into_iter().map(|v| v.as_str().filter(|u| !u.is_empty()).map(str::to_owned)).collect());
    let uids = uids.filter(|u| !u.is_empty() && u.len() <= UIDS);
    let wanted = || HandlerError::bad_request(format!("the body must be a JSON list of 1 to {UIDS} uids, none empty"));
    let uids = uids.ok_or_else(wanted)?;
    let reach = Reach::of(&call.identity);
    native.history.fresh();
    let mut found = Vec::new();
    for uid in &uids {
        found.extend(native.history.newest(uid, &reach, None)?);
    }
    let mut found = Some(found);
    Ok(events(None, move || Ok(found.take().unwrap_or_default())))
}

fn in_window(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let needed = |name: &str| {
        time(&call, name)?.ok_or_else(|| {
            HandlerError::bad_request(format!("{name} is missing: an ISO time, as 2025-03-04T05:06:07Z"))
        })
    };
    let window = Window { from: needed("start")?, to: needed("end")? };
    if window.from > window.to || window.to - window.from > LONGEST {
        return Err(HandlerError::bad_request("start must not be after end, and at most 24 hours before it"));
    }
    let area = area(&call)?;
    let filtered = call.query.get_any_case("isFiltered").is_none_or(|v| !v.eq_ignore_ascii_case("false"));
    let types = if filtered { SHOWN.map(str::to_owned).to_vec() } else { Vec::new() };
    native.history.fresh();
    let reach = Reach::of(&call.identity);
    let mut pages = native.history.search(Search { uid: None, window, area, types, chat: true, listed: true, reach });
    let first = pages.page()?;
    if first.is_empty() {
        return nothing();
    }
    Ok(events(Some(first), move || pages.page().map_err(|e| e.to_string())))
}

fn matching(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    native.history.fresh();
    let part = call.query.get_any_case("search").unwrap_or_default().trim();
    let found = native.history.matching(part, &Reach::of(&call.identity))?;
    if found.is_empty() { nothing() } else { Ok(Answer::json(&Value::from(found))) }
}

/// The document of many events, made as they come.
fn events(
    mut first: Option<Vec<StoredEvent>>,
    mut next: impl FnMut() -> Result<Vec<StoredEvent>, String> + Send + 'static,
) -> Answer {
    let mut begun = false;
    let mut over = false;
    Answer::pull(
        XML,
        Box::new(std::iter::from_fn(move || {
            if over {
                return None;
            }
            if !begun {
                begun = true;
                return Some(Ok(Bytes::from(format!("{DECLARATION}<events>"))));
            }
            let page = match first.take().map_or_else(&mut next, Ok) {
                Ok(page) => page,
                Err(error) => {
                    over = true;
                    return Some(Err(error));
                }
            };
            if page.is_empty() {
                over = true;
                return Some(Ok(Bytes::from_static(b"</events>")));
            }
            let mut text = Vec::with_capacity(page.iter().map(|e| e.text.len() + 1).sum());
            for event in &page {
                text.extend_from_slice(&bare(event));
                text.push(b'\n');
            }
            Some(Ok(Bytes::from(text)))
        })),
    )
}

/// The event without `<marti>`.
fn bare(event: &StoredEvent) -> Vec<u8> {
    let text = String::from_utf8_lossy(&event.text);
    without_marti(&text).unwrap_or_else(|| event.text.to_vec())
}

fn time(call: &Call, name: &str) -> Result<Option<Millis>, HandlerError> {
    let Some(text) = call.query.get_any_case(name).filter(|t| !t.trim().is_empty()) else { return Ok(None) };
    // A plus sign of a zone that was not encoded came as a blank.
    let read = parse_time(text.trim()).or_else(|| parse_time(&text.trim().replacen(' ', "+", 1)));
    let wrong = || HandlerError::bad_request(format!("{name} is no time: write it as 2025-03-04T05:06:07Z"));
    read.map(|(ms, _)| Some(ms)).ok_or_else(wrong)
}

/// `secago` (over 0) takes the place of `start`; without them everything.
fn window(call: &Call) -> Result<Window, HandlerError> {
    let ago = match call.query.get_any_case("secago").filter(|t| !t.trim().is_empty()) {
        Some(text) => {
            text.trim().parse::<i64>().map_err(|_| HandlerError::bad_request("secago is a number of seconds"))?
        }
        None => 0,
    };
    let start = time(call, "start")?;
    let from = if ago > 0 { Some(clock::now_ms().saturating_sub(ago.saturating_mul(1_000))) } else { start };
    let window = Window { from: from.unwrap_or(Window::ALL.from), to: time(call, "end")?.unwrap_or(Window::ALL.to) };
    if window.from >= window.to {
        return Err(HandlerError::bad_request("start must be before end"));
    }
    Ok(window)
}

fn area(call: &Call) -> Result<Option<Area>, HandlerError> {
    let names = ["left", "bottom", "right", "top"];
    let given: Vec<&str> = names.iter().filter_map(|n| call.query.get_any_case(n)).collect();
    if given.is_empty() {
        return Ok(None);
    }
    let numbers: Vec<f64> =
        given.iter().filter_map(|t| t.trim().parse::<f64>().ok()).filter(|n| n.is_finite()).collect();
    match numbers[..] {
        [left, bottom, right, top] if bottom <= top => Ok(Some(Area { left, bottom, right, top })),
        _ => Err(HandlerError::bad_request("a box is left, bottom, right and top in degrees, all four or none")),
    }
}

#[cfg(test)]
#[path = "cot_tests.rs"]
mod tests;
