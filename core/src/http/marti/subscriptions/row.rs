//! One row of the list: all members are always there, and of the types node-tak checks (marti-http.md 5.6). What a client
//! has not told is "".
use std::sync::{Arc, atomic::Ordering::Relaxed};

use fts_plugin_api::cot::Cot;
use serde_json::{Map, Value, json};

use crate::{
    directory::Client,
    http::native::Native,
    identity::accounts::{Direction, Group},
    observe::clock,
    store::error::StoreError,
};

/// Names the connection among others: `tls:7`.
pub(super) fn subscription_uid(client: &Client) -> String {
    format!("{}:{}", protocol(client), client.conn)
}

fn protocol(client: &Client) -> &'static str {
    if client.tls { "tls" } else { "tcp" }
}

/// The rows of these connections, in their order.
///
/// # Errors
/// The database's.
pub(super) fn rows(native: &Native, clients: &[Arc<Client>]) -> Result<Vec<Value>, StoreError> {
    let hashes: Vec<_> = clients.iter().filter_map(|c| Some(c.cert.as_ref()?.sha256.as_str())).collect();
    let sql = "SELECT sha256, subject FROM certificate WHERE sha256 IN (SELECT value FROM json_each(?1))";
    let subjects = native.db.query(sql, &[json!(hashes).to_string().into()])?;
    let groups = native.accounts.groups();
    let row = |client: &Arc<Client>| {
        let subject = client.cert.as_ref().map(|cert| {
            let stored = subjects.iter().find(|r| r.text("sha256") == cert.sha256);
            stored.map_or_else(|| format!("CN={}", cert.common_name), |r| r.text("subject").to_owned())
        });
        row(native, client, subject, &groups)
    };
    Ok(clients.iter().map(row).collect())
}

/// Figures a client tells with `t-x-c-m`: our name and its.
const STATS: [(&str, &str); 12] = [
    ("appFramerate", "app_framerate"),
    ("battery", "battery"),
    ("batteryStatus", "battery_status"),
    ("batteryTemp", "battery_temp"),
    ("deviceDataRx", "deviceDataRx"),
    ("deviceDataTx", "deviceDataTx"),
    ("heapCurrentSize", "heap_current_size"),
    ("heapFreeSize", "heap_free_size"),
    ("heapMaxSize", "heap_max_size"),
    ("deviceIPAddress", "ip_address"),
    ("storageAvailable", "storage_available"),
    ("storageTotal", "storage_total"),
];

fn row(native: &Native, client: &Arc<Client>, dn: Option<String>, groups: &[Group]) -> Value {
    let directory = &native.router.directory;
    let who = client.who();
    let heard = match client.figures.last_rx.load(Relaxed) {
        0 => client.connected,
        tick => clock::tick_to_ms(tick),
    };
    // The software stands in the last position; nothing of it is kept twice.
    let latest = directory.presence.get(&who.uid).and_then(|l| Cot::parse(l.event.xml().to_vec()).ok());
    let version = latest.as_ref().and_then(|c| Some(c.detail("takv")?.attr("version")?.into_owned()));
    let user = client.user();
    let sides = client.groups();
    let side = |bits, direction| {
        let names = directory.groups.names(bits);
        names.into_iter().map(move |name| group(groups, &name, direction)).collect::<Vec<_>>()
    };
    let both = [side(&sides.send, Direction::In), side(&sides.receive, Direction::Out)].concat();
    let mut row = json!({
        "dn": dn,
        "callsign": &*who.callsign,
        "clientUid": &*who.uid,
        "lastReportMilliseconds": heard,
        "lastReportDiffMilliseconds": (clock::now_ms() - heard).max(0),
        "takClient": &*who.platform,
        "takVersion": version.unwrap_or_default(),
        "username": if user.is_empty() { "anonymous" } else { user },
        "groups": both,
        "role": &*who.role,
        "team": &*who.team,
        "ipAddress": client.peer.ip().to_canonical().to_string(),
        "port": client.peer.port().to_string(),
        "pendingWrites": client.out.depth().items,
        "numProcessed": client.figures.rx_events.load(Relaxed),
        "protocol": protocol(client),
        "xpath": null,
        "subscriptionUid": subscription_uid(client),
        "incognito": client.incognito.load(Relaxed),
        "handlerType": client.listener.name,
    });
    let told = |name| who.stats.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
    let stats: Map<_, _> = STATS.iter().map(|(ours, theirs)| ((*ours).to_owned(), json!(told(theirs)))).collect();
    if let Value::Object(row) = &mut row {
        row.extend(stats);
    }
    row
}

/// As in the list of groups; a group without a row, of a plugin's contacts, was made by the server.
fn group(groups: &[Group], name: &str, direction: Direction) -> Value {
    let known = groups.iter().find(|g| &*g.name == name);
    let created = fts_plugin_api::cot::format_time(known.map_or(0, |g| g.created_at));
    json!({
        "name": name,
        "direction": direction.name(),
        "created": &created[..10],
        "type": known.map_or("SYSTEM", |g| g.kind.as_str()),
        "bitpos": known.map_or(0, |g| g.bit),
        "active": true,
        "description": known.map_or("", |g| g.description.as_str()),
    })
}
