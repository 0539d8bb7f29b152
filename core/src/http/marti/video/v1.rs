//! `/Marti/vcm`: feeds as XML (marti-http.md 8.1). A feed that is posted again by its owner is the new one, by anybody else
//! it stays as it was (and 200, as clients expect). The element a client sent is kept: what this server does not know
//! comes back as it was, what it knows comes from the columns, so that both versions always say the same.
use axum::http::{HeaderMap, Method, StatusCode};

use super::{
    changes, groups, owner,
    url::{Parts, without_credentials},
    writer,
};
use crate::{
    document::Element,
    http::{
        answer::{Answer, HandlerError},
        auth::Auth,
        call::Call,
        listener::Listeners,
        native::{Book, Native},
    },
    observe::clock,
    store::devices::video::{Changing, Connection, Feed, visible},
};

const BODY: u64 = 1 << 20;

pub(super) fn routes(book: &mut Book) {
    let text = "text/plain";
    book.on(Method::GET, "/Marti/vcm", Listeners::TAK, Auth::User, list)
        .about("Video feeds, as XML")
        .answers(200, "application/xml");
    book.on(Method::POST, "/Marti/vcm", Listeners::TAK, Auth::User, post)
        .about("Stores feeds, or switches one on or off")
        .query("action", "string", false)
        .query("id", "string", false)
        .query("active", "boolean", false)
        .takes("application/xml", BODY)
        .answers(200, text)
        .answers(400, text)
        .answers(404, text);
    book.on(Method::DELETE, "/Marti/vcm", Listeners::TAK, Auth::User, delete)
        .about("Removes a feed")
        .query("id", "string", true)
        .answers(200, "")
        .answers(400, text)
        .answers(404, text);
}

pub(super) fn list(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let whole = is_itak(&call.headers);
    let mut text = String::from("<videoConnections>");
    for connection in visible(&native.db, &call.identity.groups_out)? {
        for feed in &connection.feeds {
            element(&connection, feed, whole).write(&mut text);
        }
    }
    text += "</videoConnections>";
    Ok(Answer::bytes("application/xml", text))
}

/// iTAK wants the whole URL in the address.
fn is_itak(headers: &HeaderMap) -> bool {
    headers.get("user-agent").and_then(|v| v.to_str().ok()).is_some_and(|v| v.to_ascii_lowercase().contains("itak"))
}

/// ATAK drops a feed, and with it the list, when protocol, alias or uid are empty.
fn element(connection: &Connection, feed: &Feed, whole: bool) -> Element {
    // What was parsed when it came parses again.
    let mut element =
        Element::parse(&feed.xml).unwrap_or_else(|_| Element { name: "feed".into(), ..Element::default() });
    let first = |texts: [&str; 3]| texts.into_iter().find(|t| !t.is_empty()).unwrap_or_default().to_owned();
    let protocol = if feed.protocol.is_empty() { "raw" } else { &feed.protocol };
    let address = if whole { parts(feed).url() } else { feed.address.clone() };
    let said = [
        ("protocol", protocol),
        ("alias", &first([&feed.alias, &connection.alias, &feed.uid])),
        ("uid", &feed.uid),
        ("address", &address),
        ("port", &feed.port),
        ("roverPort", &feed.rover_port),
        ("ignoreEmbeddedKLV", &feed.ignore_embedded_klv),
        ("preferredMacAddress", &feed.mac_address),
        ("preferredInterfaceAddress", &feed.interface_address),
        ("path", &feed.path),
        ("buffer", &feed.buffer),
        ("timeout", &feed.timeout),
        ("rtspReliable", &feed.rtsp_reliable),
        ("active", if feed.active && connection.active { "true" } else { "false" }),
    ];
    said.into_iter().for_each(|(name, text)| element.set_text(name, text));
    let optional = [
        ("source", &feed.source),
        ("thumbnail", &feed.thumbnail),
        ("classification", &feed.classification),
        ("latitude", &feed.latitude),
        ("longitude", &feed.longitude),
        ("fov", &feed.fov),
        ("heading", &feed.heading),
        ("range", &feed.range),
    ];
    for (name, text) in optional {
        match text {
            Some(text) => element.set_text(name, text),
            None => element.children.retain(|c| c.name != name),
        }
    }
    element
}

pub(super) fn parts(feed: &Feed) -> Parts {
    let (protocol, address) = (feed.protocol.clone(), feed.address.clone());
    Parts { protocol, address, port: feed.port.clone(), path: feed.path.clone() }
}

/// A feed a client sent; with `strip`, without credentials.
fn feed(mut element: Element, strip: bool) -> Result<Feed, HandlerError> {
    let text = |name: &str, or: &str| match element.text_of(name) {
        "" => or.to_owned(),
        text => text.to_owned(),
    };
    let optional = |name: &str| Some(element.text_of(name).to_owned()).filter(|t| !t.is_empty());
    let mut parts = Parts {
        protocol: text("protocol", ""),
        address: text("address", ""),
        port: text("port", "-1"),
        path: text("path", ""),
    };
    for name in ["uid", "alias", "protocol"] {
        if element.text_of(name).is_empty() {
            return Err(HandlerError::bad_request(format!("a feed without {name}; nothing was stored")));
        }
    }
    if parts.address.contains("://") {
        // iTAK sends the address as it gets it.
        parts = Parts::of(&parts.address).unwrap_or(parts);
    }
    if strip {
        parts.address = without_credentials(&parts.address);
    }
    let feed = Feed {
        uid: text("uid", ""),
        alias: text("alias", ""),
        active: !element.text_of("active").eq_ignore_ascii_case("false"),
        rover_port: text("roverPort", "-1"),
        ignore_embedded_klv: text("ignoreEmbeddedKLV", "false"),
        mac_address: text("preferredMacAddress", ""),
        interface_address: text("preferredInterfaceAddress", ""),
        buffer: text("buffer", "-1"),
        timeout: text("timeout", "5000"),
        rtsp_reliable: text("rtspReliable", "0"),
        source: optional("source"),
        thumbnail: optional("thumbnail"),
        classification: optional("classification"),
        latitude: optional("latitude"),
        longitude: optional("longitude"),
        fov: optional("fov"),
        heading: optional("heading"),
        range: optional("range"),
        protocol: parts.protocol,
        address: parts.address,
        port: parts.port,
        path: parts.path,
        ..Feed::default()
    };
    element.set_text("address", &feed.address);
    let mut xml = String::new();
    element.write(&mut xml);
    Ok(Feed { xml, ..feed })
}

pub(super) fn post(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    writer(&call)?;
    match call.query.get_any_case("action").unwrap_or_default() {
        "" => {}
        "setActive" => return set_active(native, &call),
        other => return Err(HandlerError::bad_request(format!("action {other:?}: setActive is the only one"))),
    }
    let bad = |error: String| HandlerError::bad_request(format!("{error}; nothing was stored"));
    let bytes = call.body.bytes(BODY).map_err(|e| bad(e.to_string()))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| bad("the feeds are not UTF-8".into()))?;
    let document = Element::parse(text).map_err(|e| bad(e.to_string()))?;
    let elements = match document.name.as_str() {
        "feed" => vec![document],
        "videoConnections" => document.children.into_iter().filter(|c| c.name == "feed").collect(),
        other => return Err(bad(format!("{other} is neither videoConnections nor feed"))),
    };
    let strip = native.config().video.strip_credentials;
    let feeds = elements.into_iter().map(|e| feed(e, strip)).collect::<Result<Vec<_>, _>>()?;
    let (who, groups) = (&call.identity, groups(&call)?);
    let (owner, now) = (owner(who), clock::now_ms());
    let changing = Changing::begin(&native.db)?;
    for feed in feeds {
        let with = changing.with_feed(&feed.uid, &owner)?;
        let known = !with.is_empty() || changing.get(&feed.uid)?.is_some();
        let connection = match with.into_iter().find(|c| changes(who, c)) {
            Some(mut own) => {
                own.updated_at = now;
                own.feeds.iter_mut().filter(|f| f.uid == feed.uid).for_each(|f| *f = feed.clone());
                if own.uid == feed.uid && own.feeds.len() == 1 {
                    (own.alias, own.active) = (feed.alias, true);
                }
                own
            }
            // Somebody else's: theirs stays.
            None if known => {
                tracing::debug!(uid = feed.uid, owner, "video feed of somebody else left as it was");
                continue;
            }
            None => Connection {
                uid: feed.uid.clone(),
                alias: feed.alias.clone(),
                active: true,
                thumbnail: feed.thumbnail.clone(),
                classification: feed.classification.clone(),
                owner: owner.clone(),
                groups: groups.clone(),
                updated_at: now,
                feeds: vec![feed],
            },
        };
        changing.put(&connection)?;
    }
    changing.commit()?;
    Ok(Answer::bytes("text/plain", "Okay"))
}

/// The connections with this feed that the caller sees; none = 404, none it may change = 403.
fn own(changing: &Changing, call: &Call, uid: &str) -> Result<Connection, HandlerError> {
    let who = &call.identity;
    let mut seen = changing.with_feed(uid, &owner(who))?;
    seen.retain(|c| c.seen_by(&who.groups_out));
    if seen.is_empty() {
        return Err(HandlerError::not_found(format!("there is no feed {uid:?}")));
    }
    let own = seen.into_iter().find(|c| changes(who, c));
    own.ok_or_else(|| HandlerError::forbidden("only its owner and administrators change a feed"))
}

fn id(call: &Call) -> Result<&str, HandlerError> {
    let id = call.query.get_any_case("id").filter(|id| !id.is_empty());
    id.ok_or_else(|| HandlerError::bad_request("id: the uid of a feed"))
}

fn set_active(native: &Native, call: &Call) -> Result<Answer, HandlerError> {
    let (uid, word) = (id(call)?, call.query.get_any_case("active").unwrap_or_default());
    let active = word.to_ascii_lowercase().parse::<bool>();
    let active = active.map_err(|_| HandlerError::bad_request(format!("active {word:?}: true or false")))?;
    let changing = Changing::begin(&native.db)?;
    let mut own = own(&changing, call, uid)?;
    own.feeds.iter_mut().filter(|f| f.uid == uid).for_each(|f| f.active = active);
    // A feed of a connection that is off would stay off.
    own.active |= active;
    changing.put(&Connection { updated_at: clock::now_ms(), ..own })?;
    changing.commit()?;
    Ok(Answer::bytes("text/plain", "Okay"))
}

fn delete(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    writer(&call)?;
    let uid = id(&call)?;
    let changing = Changing::begin(&native.db)?;
    let mut own = own(&changing, &call, uid)?;
    own.feeds.retain(|f| f.uid != uid);
    if own.feeds.is_empty() {
        changing.remove(&own.uid)?;
    } else {
        changing.put(&Connection { updated_at: clock::now_ms(), ..own })?;
    }
    changing.commit()?;
    Ok(Answer::empty(StatusCode::OK))
}

#[cfg(test)]
#[path = "v1_tests.rs"]
mod tests;
