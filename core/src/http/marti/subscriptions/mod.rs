//! Subscriptions: the CoT connections of this moment, as node-tak's and WebTAK's server pages list them (marti-http.md
//! 5.6), and two things a connection can be told from outside: to be incognito, and to receive only what lies in a box.
//!
//! Who may: everybody sees the connections whose events it could receive, an administrator sees all; what is not seen is
//! 404. A connection is changed by its own user or an administrator. Subscriptions the server would open itself
//! (`/subscriptions/add`) are not offered: listeners and outputs are configured in `fts.toml`.
mod row;

use std::sync::{Arc, atomic::Ordering::Relaxed};

use axum::http::{Method, StatusCode};
use serde_json::Value;

use super::envelope;
use crate::{
    config::GeoBox,
    directory::{Bits, Client, GeoFilter},
    document::Element,
    http::{
        answer::{Answer, HandlerError},
        auth::{Auth, Identity, Role},
        call::Call,
        listener::Listeners,
        native::{Book, Native},
    },
    session::incognito,
};

/// Its routes.
pub fn routes(book: &mut Book) {
    let json = "application/json";
    book.on(Method::GET, "/Marti/api/subscriptions/all", Listeners::TAK, Auth::User, list)
        .about("CoT connections")
        .query("sortBy", "string", false)
        .query("direction", "string", false)
        .query("page", "integer", false)
        .query("limit", "integer", false)
        .answers(200, json)
        .answers(400, json);
    book.on(Method::GET, "/Marti/api/subscription/{uid}", Listeners::TAK, Auth::User, one)
        .about("One CoT connection, by uid of its client or by its own")
        .answers(200, json)
        .answers(404, json);
    book.on(Method::POST, "/Marti/api/subscriptions/incognito/{uid}", Listeners::TAK, Auth::Login, toggle)
        .about("Shows a client to those who come later, or no longer")
        .answers(200, "")
        .answers(404, json);
    let path = "/Marti/api/subscriptions/{uid}/filter";
    book.on(Method::PUT, path, Listeners::TAK, Auth::Login, set_filter)
        .about("What lies in these boxes is sent to a client, other broadcasts are not")
        .takes("application/xml", 64 << 10)
        .answers(200, "")
        .answers(400, json)
        .answers(404, json);
    book.on(Method::DELETE, path, Listeners::TAK, Auth::Login, clear_filter)
        .about("A client is sent everything again")
        .answers(200, "")
        .answers(404, json);
}

/// Connections the caller may know of: those whose events reach a group it receives from.
fn visible<'a>(native: &'a Native, who: &Identity) -> impl Fn(&Arc<Client>) -> bool + use<'a> {
    let names = &native.router.directory.groups;
    let receives = Bits::of(who.groups_out.iter().filter_map(|name| names.find(name)));
    let all = who.role == Role::Admin;
    move |client| {
        let person = !client.internal() && client.remote_of().is_empty();
        person && (all || client.groups().send.meets(&receives))
    }
}

fn found(native: &Native, call: &Call) -> Result<Arc<Client>, HandlerError> {
    let uid = call.params.get("uid").unwrap_or_default();
    let sees = visible(native, &call.identity);
    let roster = native.router.directory.roster();
    let named = |c: &&Arc<Client>| *c.who().uid == *uid || row::subscription_uid(c) == uid;
    let found = roster.clients().filter(named).find(|c| sees(c)).cloned();
    found.ok_or_else(|| HandlerError::not_found(format!("nobody is connected as {uid:?}")))
}

/// The same where the caller wants to change it.
fn own(native: &Native, call: &Call) -> Result<Arc<Client>, HandlerError> {
    let client = found(native, call)?;
    let own = call.identity.user.as_deref().is_some_and(|user| user == client.user());
    if own || call.identity.role == Role::Admin {
        return Ok(client);
    }
    Err(HandlerError::forbidden("only its own user and administrators change a connection"))
}

fn list(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let sees = visible(native, &call.identity);
    let roster = native.router.directory.roster();
    let clients: Vec<_> = roster.clients().filter(|c| sees(c)).cloned().collect();
    let mut rows = row::rows(native, &clients)?;
    let key = match call.query.get_any_case("sortBy").unwrap_or("CALLSIGN") {
        word if word.eq_ignore_ascii_case("UID") => "clientUid",
        word if word.eq_ignore_ascii_case("CALLSIGN") => "callsign",
        other => return Err(HandlerError::bad_request(format!("sortBy {other:?}: CALLSIGN or UID"))),
    };
    let by = |row: &Value| (row[key].as_str().unwrap_or_default().to_lowercase(), row["subscriptionUid"].to_string());
    rows.sort_by_cached_key(by);
    if call.query.get_any_case("direction").is_some_and(|d| d.eq_ignore_ascii_case("DESCENDING")) {
        rows.reverse();
    }
    let rows = paged(rows, number(&call, "page")?, number(&call, "limit")?);
    Ok(envelope(native, "SubscriptionInfo", Value::Array(rows)))
}

fn number(call: &Call, name: &str) -> Result<i64, HandlerError> {
    let text = call.query.get_any_case(name).filter(|t| !t.is_empty()).unwrap_or("-1");
    text.trim().parse().map_err(|_| HandlerError::bad_request(format!("{name} {text:?}: a whole number")))
}

/// Pages count from 1; without a limit there is only one.
fn paged(rows: Vec<Value>, page: i64, limit: i64) -> Vec<Value> {
    let Ok(limit @ 1..) = usize::try_from(limit) else { return rows };
    let before = usize::try_from(page - 1).unwrap_or(0).saturating_mul(limit);
    rows.into_iter().skip(before).take(limit).collect()
}

fn one(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let client = found(native, &call)?;
    let row = row::rows(native, &[client])?.pop().unwrap_or(Value::Null);
    Ok(envelope(native, "SubscriptionInfo", row))
}

fn toggle(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let client = own(native, &call)?;
    incognito(&native.router, &client, !client.incognito.load(Relaxed));
    Ok(Answer::empty(StatusCode::OK))
}

fn set_filter(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let client = own(native, &call)?;
    let bytes = call.body.bytes(64 << 10).map_err(|e| HandlerError::bad_request(e.to_string()))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| HandlerError::bad_request("the filter is not UTF-8"))?;
    let filter = Element::parse(text).map_err(|e| HandlerError::bad_request(e.to_string()))?;
    client.set_filter(geo_filter(&filter).map_err(HandlerError::bad_request)?);
    Ok(Answer::empty(StatusCode::OK))
}

fn clear_filter(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    own(native, &call)?.set_filter(None);
    Ok(Answer::empty(StatusCode::OK))
}

/// `<filter><geospatialFilter><boundingBox …/></geospatialFilter></filter>`; None = no boxes, which clears the filter.
fn geo_filter(filter: &Element) -> Result<Option<GeoFilter>, String> {
    let geo = match filter.name.as_str() {
        "geospatialFilter" => Some(filter),
        _ => filter.child("geospatialFilter"),
    };
    let geo = geo.ok_or("the filter has no geospatialFilter")?;
    let degrees = |e: &Element, name: &str| {
        let number = e.attr(name).and_then(|t| t.trim().parse::<f64>().ok()).filter(|n| n.is_finite());
        number.ok_or_else(|| format!("boundingBox: {name} is missing or no number of degrees"))
    };
    let boxes = geo.children.iter().filter(|c| c.name == "boundingBox").map(|e| {
        let (west, south) = (degrees(e, "minLongitude")?, degrees(e, "minLatitude")?);
        Ok(GeoBox { west, south, east: degrees(e, "maxLongitude")?, north: degrees(e, "maxLatitude")? })
    });
    let boxes = boxes.collect::<Result<Vec<_>, String>>()?;
    let tak_clients = geo.attr("filterTAKClients").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    Ok((!boxes.is_empty()).then_some(GeoFilter { boxes, tak_clients }))
}

#[cfg(test)]
mod tests;
