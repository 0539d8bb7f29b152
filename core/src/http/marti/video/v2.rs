//! `/Marti/api/video`: connections as JSON, without the usual envelope (marti-http.md 8.2). All members are always there;
//! the numbers of a feed that ATAK has as text are text. What a request leaves out has the value ATAK would take.
use axum::http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{
    changes, groups, owner,
    url::{Parts, without_credentials},
    v1::parts,
    writer,
};
use crate::{
    http::{
        answer::{Answer, HandlerError},
        auth::Auth,
        call::Call,
        listener::Listeners,
        native::{Book, Native},
    },
    observe::clock,
    store::devices::video::{Changing, Connection, Feed, get, visible},
};

const BODY: u64 = 1 << 20;

pub(super) fn routes(book: &mut Book) {
    let json = "application/json";
    let mut on = |method, path, endpoint, about, body: bool, ok| {
        let page = book.on(method, path, Listeners::TAK, Auth::User, endpoint).about(about);
        page.answers(200, ok).answers(400, json).answers(404, json);
        if body {
            page.takes(json, BODY);
        }
    };
    on(Method::GET, "/Marti/api/video", list, "Video connections (protocol=…: with such a feed)", false, json);
    on(Method::POST, "/Marti/api/video", create, "Stores connections (group=…: seen by these groups)", true, "");
    on(Method::GET, "/Marti/api/video/{uid}", one, "One video connection", false, json);
    on(Method::PUT, "/Marti/api/video/{uid}", update, "Changes one video connection", true, "");
    on(Method::DELETE, "/Marti/api/video/{uid}", delete, "Removes one video connection", false, "");
}

fn list(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let mut all = visible(&native.db, &call.identity.groups_out)?;
    if let Some(protocol) = call.query.get_any_case("protocol").filter(|p| !p.is_empty()) {
        all.iter_mut().for_each(|c| c.feeds.retain(|f| f.protocol.eq_ignore_ascii_case(protocol)));
        all.retain(|c| !c.feeds.is_empty());
    }
    let all: Vec<_> = all.iter().map(shown).collect();
    Ok(Answer::json(&json!({"videoConnections": all})))
}

fn one(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let uid = named(&call);
    Ok(Answer::json(&shown(&seen(get(&native.db, uid)?, &call, uid)?)))
}

fn named(call: &Call) -> &str {
    call.params.get("uid").unwrap_or_default()
}

/// It, where the caller sees it.
fn seen(found: Option<Connection>, call: &Call, uid: &str) -> Result<Connection, HandlerError> {
    let found = found.filter(|c| c.seen_by(&call.identity.groups_out));
    found.ok_or_else(|| HandlerError::not_found(format!("there is no video connection {uid:?}")))
}

/// It, where the caller may change it.
fn own(found: Option<Connection>, call: &Call, uid: &str) -> Result<Connection, HandlerError> {
    let found = seen(found, call, uid)?;
    if changes(&call.identity, &found) {
        return Ok(found);
    }
    Err(HandlerError::forbidden("only its owner and administrators change a video connection"))
}

fn shown(connection: &Connection) -> Value {
    let feeds: Vec<_> = connection.feeds.iter().map(shown_feed).collect();
    json!({
        "uuid": connection.uid, "active": connection.active, "alias": connection.alias,
        "thumbnail": connection.thumbnail, "classification": connection.classification, "feeds": feeds,
    })
}

fn shown_feed(feed: &Feed) -> Value {
    let url = if feed.url.is_empty() { parts(feed).url() } else { feed.url.clone() };
    json!({
        "uuid": feed.uid, "active": feed.active, "alias": feed.alias, "url": url, "order": feed.sequence,
        "macAddress": feed.mac_address, "roverPort": feed.rover_port,
        "ignoreEmbeddedKLV": feed.ignore_embedded_klv, "source": feed.source, "networkTimeout": feed.timeout,
        "bufferTime": feed.buffer, "rtspReliable": feed.rtsp_reliable, "thumbnail": feed.thumbnail,
        "classification": feed.classification, "latitude": feed.latitude, "longitude": feed.longitude,
        "fov": feed.fov, "heading": feed.heading, "range": feed.range, "width": feed.width, "height": feed.height,
        "bitrate": feed.bitrate,
    })
}

fn body(call: &Call) -> Result<Map<String, Value>, HandlerError> {
    let bytes = call.body.bytes(BODY).map_err(|e| HandlerError::bad_request(e.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|e| HandlerError::bad_request(format!("not a JSON object: {e}")))
}

/// A text, or a number or word as one; None = it is not there, null or something else.
fn text(from: &Map<String, Value>, name: &str) -> Option<String> {
    match from.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(word) => Some(word.to_string()),
        _ => None,
    }
}

fn flag(from: &Map<String, Value>, name: &str) -> bool {
    text(from, name).is_none_or(|t| !t.eq_ignore_ascii_case("false"))
}

fn number(from: &Map<String, Value>, name: &str) -> Option<i64> {
    text(from, name)?.trim().parse().ok()
}

/// Its uid, or a new one.
fn uid(from: &Map<String, Value>) -> String {
    text(from, "uuid").filter(|t| !t.is_empty()).unwrap_or_else(|| uuid::Uuid::new_v4().to_string())
}

/// Lays what a request says over a connection: `old` is the one it replaces.
fn laid(from: &Map<String, Value>, old: Connection, strip: bool) -> Result<Connection, HandlerError> {
    let feeds = match from.get("feeds") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(feeds)) => feeds.iter().map(|f| feed(f, &old, strip)).collect::<Result<Vec<_>, _>>()?,
        Some(_) => return Err(HandlerError::bad_request("feeds: not a list")),
    };
    let mut uids: Vec<_> = feeds.iter().map(|f| &f.uid).collect();
    uids.sort_unstable();
    if let Some(twice) = uids.windows(2).find(|w| w[0] == w[1]) {
        return Err(HandlerError::bad_request(format!("feed {:?} is there twice", twice[0])));
    }
    Ok(Connection {
        alias: text(from, "alias").unwrap_or_default(),
        active: flag(from, "active"),
        thumbnail: text(from, "thumbnail"),
        classification: text(from, "classification"),
        updated_at: clock::now_ms(),
        feeds,
        ..old
    })
}

fn feed(from: &Value, old: &Connection, strip: bool) -> Result<Feed, HandlerError> {
    let from = from.as_object().ok_or_else(|| HandlerError::bad_request("feeds: a feed is not an object"))?;
    let (uid, mut url) = (uid(from), text(from, "url").unwrap_or_default());
    if strip {
        url = without_credentials(&url);
    }
    let parts = Parts::of(&url).unwrap_or_else(|| Parts {
        protocol: "raw".into(),
        address: url.clone(),
        port: "-1".into(),
        ..Parts::default()
    });
    // What only the first version knows stays.
    let kept = old.feeds.iter().find(|f| f.uid == uid);
    let word = |name: &str, or: &str| text(from, name).unwrap_or_else(|| or.to_owned());
    Ok(Feed {
        uid,
        alias: word("alias", ""),
        active: flag(from, "active"),
        protocol: parts.protocol,
        address: parts.address,
        port: parts.port,
        path: parts.path,
        url,
        rover_port: word("roverPort", "-1"),
        ignore_embedded_klv: word("ignoreEmbeddedKLV", "false"),
        mac_address: word("macAddress", ""),
        interface_address: kept.map(|f| f.interface_address.clone()).unwrap_or_default(),
        buffer: word("bufferTime", "-1"),
        timeout: word("networkTimeout", "5000"),
        rtsp_reliable: word("rtspReliable", "0"),
        source: text(from, "source"),
        thumbnail: text(from, "thumbnail"),
        classification: text(from, "classification"),
        latitude: text(from, "latitude"),
        longitude: text(from, "longitude"),
        fov: text(from, "fov"),
        heading: text(from, "heading"),
        range: text(from, "range"),
        sequence: number(from, "order"),
        width: number(from, "width"),
        height: number(from, "height"),
        bitrate: number(from, "bitrate"),
        xml: kept.map(|f| f.xml.clone()).unwrap_or_default(),
    })
}

fn create(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    writer(&call)?;
    let (body, groups, strip) = (body(&call)?, groups(&call)?, native.config().video.strip_credentials);
    let asked = call.query.get_any_case("group").is_some_and(|g| !g.is_empty());
    let list = body.get("videoConnections").and_then(Value::as_array);
    let list = list.ok_or_else(|| HandlerError::bad_request("videoConnections: a list of connections"))?;
    let changing = Changing::begin(&native.db)?;
    for from in list {
        let from = from.as_object().ok_or_else(|| HandlerError::bad_request("a connection is not an object"))?;
        let uid = uid(from);
        let mut old = match changing.get(&uid)? {
            Some(old) => own(Some(old), &call, &uid)?,
            None => Connection { uid, owner: owner(&call.identity), ..Connection::default() },
        };
        // One that is there keeps its groups unless others are named.
        if asked || old.groups.is_empty() {
            old.groups.clone_from(&groups);
        }
        changing.put(&laid(from, old, strip)?)?;
    }
    changing.commit()?;
    Ok(Answer::empty(StatusCode::OK))
}

fn update(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    writer(&call)?;
    let (body, strip) = (body(&call)?, native.config().video.strip_credentials);
    let changing = Changing::begin(&native.db)?;
    let old = own(changing.get(named(&call))?, &call, named(&call))?;
    changing.put(&laid(&body, old, strip)?)?;
    changing.commit()?;
    Ok(Answer::empty(StatusCode::OK))
}

fn delete(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    writer(&call)?;
    let changing = Changing::begin(&native.db)?;
    let old = own(changing.get(named(&call))?, &call, named(&call))?;
    changing.remove(&old.uid)?;
    changing.commit()?;
    Ok(Answer::empty(StatusCode::OK))
}

#[cfg(test)]
#[path = "v2_tests.rs"]
mod tests;
