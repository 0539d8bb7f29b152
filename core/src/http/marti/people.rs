//! Who was and who is here (marti-http.md 5.3, 5.4): the history of endpoints, and the contacts of this moment.
//!
//! Who may: whoever the listener lets in; it sees those that send into a group it receives from. ATAK throws the whole
//! list of endpoints away for one line it cannot read, so none leaves without uid, callsign and time. CloudTAK wants every
//! member of a contact but `filterGroups` to be a text.
use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue, Method};
use fts_plugin_api::cot::{Cot, format_time};
use serde_json::{Value, json};

use super::envelope;
use crate::{
    directory::Client,
    http::{
        answer::{Answer, HandlerError},
        auth::{Auth, Identity},
        call::Call,
        listener::Listeners,
        native::{Book, Native},
    },
    observe::clock,
    store::history::{Reach, endpoints::EndpointQuery},
};

/// Its routes.
pub fn routes(book: &mut Book) {
    const GET: Method = Method::GET;
    book.on(GET, "/Marti/api/clientEndPoints", Listeners::TAK, Auth::User, endpoints)
        .about("Who was here, with the latest coming or going")
        .query("secAgo", "integer", false)
        .query("showCurrentlyConnectedClients", "string", false)
        .query("showMostRecentOnly", "string", false)
        .query("group", "string", false)
        .answers(200, "application/json")
        .answers(400, "application/json")
        .answers(403, "application/json");
    let mut contacts = |path, endpoint, about| {
        book.on(GET, path, Listeners::TAK, Auth::User, endpoint)
            .about(about)
            .query("sortBy", "string", false)
            .query("direction", "string", false)
            .query("noFederates", "string", false)
            .answers(200, "application/json")
            .answers(400, "application/json");
    };
    contacts("/Marti/api/contacts/all", short, "Who is here");
    contacts("/Marti/api/contacts/all/lite", lite, "Who is here, with the user");
    contacts("/Marti/api/contacts/all/full", full, "Who is here, with the connection");
}

/// `true` and `false` as texts; anything else is refused.
fn flag(call: &Call, name: &str) -> Result<bool, HandlerError> {
    match call.query.get_any_case(name).map(str::trim).unwrap_or_default() {
        "" => Ok(false),
        yes if yes.eq_ignore_ascii_case("true") => Ok(true),
        no if no.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(HandlerError::bad_request(format!("{name} is true or false"))),
    }
}

fn endpoints(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let ago = match call.query.get_any_case("secAgo").map(str::trim).unwrap_or_default() {
        "" => 0,
        text => text
            .parse::<i64>()
            .ok()
            .filter(|n| *n >= 0)
            .ok_or_else(|| HandlerError::bad_request("secAgo is a number of seconds, 0 or more; 0 = no limit"))?,
    };
    let groups: Vec<String> = call.query.all("group").filter(|g| !g.is_empty()).map(str::to_owned).collect();
    if let Some(group) = groups.iter().find(|g| !call.identity.groups_out.contains(g)) {
        return Err(HandlerError::forbidden(format!("you are no member of the group {group}")));
    }
    let query = EndpointQuery {
        since: (ago > 0).then(|| clock::now_ms().saturating_sub(ago.saturating_mul(1_000))),
        connected: flag(&call, "showCurrentlyConnectedClients")?,
        latest_only: flag(&call, "showMostRecentOnly")?,
        groups,
    };
    native.history.fresh();
    let found = native.history.endpoints(&query, &Reach::of(&call.identity))?;
    let data: Vec<Value> = found
        .into_iter()
        .map(|e| {
            let status = if e.connected { "Connected" } else { "Disconnected" };
            json!({"callsign": e.callsign, "uid": e.uid, "username": e.user, "team": e.team, "role": e.role,
                "lastEventTime": format_time(e.at), "lastStatus": status})
        })
        .collect();
    let answer = envelope(native, "com.bbn.marti.remote.ClientEndpoint", Value::Array(data));
    Ok(answer.with(HeaderName::from_static("cache-control"), HeaderValue::from_static("no-cache")))
}

/// The clients this caller sees, sorted as it asks.
fn seen(native: &Native, call: &Call) -> Result<Vec<Arc<Client>>, HandlerError> {
    let own_only = flag(call, "noFederates")?;
    let word = |name: &str, words: [&str; 2]| {
        let said = call.query.get_any_case(name).map(str::trim).unwrap_or_default();
        let at = if said.is_empty() { Some(0) } else { words.iter().position(|w| w.eq_ignore_ascii_case(said)) };
        at.ok_or_else(|| HandlerError::bad_request(format!("{name} is {} or {}", words[0], words[1])))
    };
    let by_uid = word("sortBy", ["CALLSIGN", "UID"])? == 1;
    let down = word("direction", ["ASCENDING", "DESCENDING"])? == 1;
    let directory = &native.router.directory;
    let shares = |client: &Client, caller: &Identity| {
        directory.groups.names(&client.groups().send).iter().any(|g| caller.groups_out.contains(g))
            || (!client.remote_of().is_empty()
                && directory.groups.names(&client.groups().receive).iter().any(|g| caller.groups_out.contains(g)))
    };
    let roster = directory.roster();
    let mut found: Vec<Arc<Client>> = roster
        .clients()
        .filter(|c| {
            !c.internal()
                && c.identified()
                && !c.incognito.load(std::sync::atomic::Ordering::Relaxed)
                && (!own_only || c.remote_of().is_empty())
                && shares(c, &call.identity)
        })
        .cloned()
        .collect();
    found.sort_by_cached_key(|client| {
        let who = client.who();
        if by_uid { (who.uid.clone(), who.callsign.clone()) } else { (who.callsign.clone(), who.uid.clone()) }
    });
    if down {
        found.reverse();
    }
    Ok(found)
}

/// The seven members every form has.
fn contact(native: &Native, client: &Client) -> Value {
    let who = client.who();
    let (uid, callsign, platform) = (who.uid.to_string(), who.callsign.to_string(), who.platform.to_string());
    let (team, role) = (who.team.to_string(), who.role.to_string());
    drop(who);
    // The version stands in the last position; it is kept nowhere else.
    let latest = native.router.directory.presence.get(&uid);
    let cot = latest.and_then(|l| Cot::parse(l.event.xml().to_vec()).ok());
    let version = cot.as_ref().and_then(|c| Some(c.detail("takv")?.attr("version")?.into_owned())).unwrap_or_default();
    let takv = match (platform.as_str(), version.as_str()) {
        (_, "") => platform,
        ("", _) => version,
        _ => format!("{platform}: {version}"),
    };
    json!({"filterGroups": null, "notes": client.user(), "callsign": callsign, "team": team, "role": role, "takv": takv, "uid": uid})
}

fn short(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let all = seen(native, &call)?;
    Ok(Answer::json(&all.iter().map(|c| contact(native, c)).collect()))
}

fn lite(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let with_user = |client: &Arc<Client>| {
        let mut one = contact(native, client);
        one["user"] = json!({"name": client.user()});
        one
    };
    let all = seen(native, &call)?;
    Ok(Answer::json(&all.iter().map(with_user).collect()))
}

fn full(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let with_connection = |client: &Arc<Client>| {
        let mut one = contact(native, client);
        one["user"] = json!({"name": client.user()});
        one["clientUid"] = one["uid"].clone();
        one["username"] = json!(client.user());
        one["subscriptionUid"] = json!(client.conn.to_string());
        one["protocol"] = json!(if client.tls { "tls" } else { "tcp" });
        one["handlerType"] = json!(client.listener.name);
        one["lastReportMilliseconds"] =
            json!(clock::tick_to_ms(client.figures.last_rx.load(std::sync::atomic::Ordering::Relaxed)));
        one
    };
    let all = seen(native, &call)?;
    Ok(Answer::json(&all.iter().map(with_connection).collect()))
}

#[cfg(test)]
#[path = "people_tests.rs"]
mod tests;
