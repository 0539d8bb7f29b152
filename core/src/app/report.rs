//! Status and client list as JSON: what `fts status`, `fts clients` and the admin routes show.
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use fts_plugin_api::{cot::Cot, message::ServerInfo};
use serde_json::{Value, json};

use super::Server;
use crate::{
    config::Config,
    directory::{Client, Gone},
    identity::ca::parse,
    observe::{clock, metrics},
    route::{Reason, Router},
};

/// What plugins are told of the server.
pub fn about(server: &Server) -> ServerInfo {
    let config = server.config();
    ServerInfo {
        node_id: config.server.node_id.clone(),
        name: config.server.name.clone(),
        public_host: config.server.public_host.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        listeners: server.listeners.iter().map(|l| (l.name.clone(), l.address.to_string())).collect(),
    }
}

/// `fts status --json`.
pub fn status(server: &Server) -> Value {
    let config = server.config();
    let roster = server.router.directory.roster();
    let people = || roster.clients().filter(|c| !c.internal());
    let counts = server.router.directory.per_listener();
    let listeners: Vec<_> = server
        .listeners
        .iter()
        .map(|l| json!({"name": l.name, "kind": l.kind, "address": l.address.ip().to_string(), "port": l.address.port(), "tls": l.tls, "clients": counts.get(&l.name).copied().unwrap_or(0)}))
        .collect();
    let mut reasons: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for (metric, label, n) in Reason::totals() {
        let list = if metric == "fts_cot_rejected_total" { "rejected" } else { "dropped" };
        reasons.entry(list).or_default().insert(label, n);
    }
    let protobuf = people().filter(|c| c.proto.load(Relaxed)).count();
    let totals = server.router.totals();
    let process = metrics::read_process();
    let certificates = server.authority.load().as_ref().map(|a| a.days_left());
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "git": env!("FTS_GIT"),
        "node_id": config.server.node_id,
        "name": config.server.name,
        "data_dir": config.server.data_dir,
        "phase": server_phase(server),
        "started_ms": server.started,
        "uptime_s": (clock::now_ms() - server.started) / 1_000,
        "listeners": listeners,
        "clients": {"connected": people().count(), "identified": people().filter(|c| c.identified()).count(), "protobuf": protobuf, "contacts": server.router.directory.presence.len()},
        "events": {"received": totals.received.load(Relaxed), "routed": totals.routed.load(Relaxed), "delivered": totals.delivered.load(Relaxed),
            "rejected": reasons.get("rejected"), "dropped": reasons.get("dropped")},
        "plugins": server.plugins.get().map(|p| p.list()).unwrap_or_default(),
        "certificates": certificates.map(|(ca, server)| json!({"ca_days": ca, "server_days": server})),
        "process": {"cpu_seconds": process.cpu_seconds, "resident_bytes": process.resident_bytes, "threads": process.threads, "open_fds": process.open_fds},
    })
}

fn server_phase(server: &Server) -> &'static str {
    use crate::http::admin::Control;
    match server.readiness().status {
        "ok" | "degraded" | "failed" => "ready",
        other => other,
    }
}

/// `fts clients list --json`.
pub fn clients(router: &Router, gone: bool) -> Vec<Value> {
    let roster = router.directory.roster();
    let mut list: Vec<_> = roster.clients().filter(|c| !c.internal()).map(|c| client(router, c)).collect();
    if gone {
        list.extend(router.directory.gone().iter().filter(|g| !g.client.internal()).map(
            |Gone { client: c, why, at }| {
                let mut entry = client(router, c);
                entry["gone"] = json!({"at_ms": at, "reason": why.name()});
                entry
            },
        ));
    }
    list
}

fn client(router: &Router, client: &Arc<Client>) -> Value {
    let who = client.who();
    let depth = client.out.depth();
    let figures = &client.figures;
    let when = |tick: u32| (tick != 0).then(|| clock::tick_to_ms(tick));
    // Software and battery stand in the last position; nothing of it is kept twice.
    let latest = router.directory.presence.get(&who.uid).and_then(|l| Cot::parse(l.event.xml().to_vec()).ok());
    let attr =
        |element: &str, name: &str| latest.as_ref().and_then(|c| Some(c.detail(element)?.attr(name)?.into_owned()));
    let groups = client.groups();
    json!({
        "conn": client.conn,
        "uid": &*who.uid,
        "callsign": &*who.callsign,
        "user": if client.user().is_empty() { "anonymous" } else { client.user() },
        "listener": client.listener.name,
        "peer": client.peer.to_string(),
        "tls": client.tls,
        "proto": if client.proto.load(Relaxed) { "protobuf" } else { "xml" },
        "team": &*who.team,
        "role": &*who.role,
        "takv": {"device": attr("takv", "device"), "platform": &*who.platform, "os": attr("takv", "os"), "version": attr("takv", "version")},
        "battery": attr("status", "battery").or_else(|| who.stats.iter().find(|(n, _)| n == "battery").map(|(_, v)| v.clone())),
        "stats": who.stats.iter().cloned().collect::<BTreeMap<_, _>>(),
        "groups": {"in": router.directory.groups.names(&groups.send), "out": router.directory.groups.names(&groups.receive)},
        "contacts": who.contacts.iter().map(|c| json!({"uid": &*c.uid, "callsign": &*c.callsign})).collect::<Vec<_>>(),
        "incognito": client.incognito.load(Relaxed),
        "connected_ms": client.connected,
        "last_rx_ms": when(figures.last_rx.load(Relaxed)),
        "last_write_ms": when(figures.last_tx.load(Relaxed)),
        "rx_events": figures.rx_events.load(Relaxed),
        "rx_bytes": figures.rx_bytes.load(Relaxed),
        "tx_events": figures.tx_events.load(Relaxed),
        "tx_bytes": figures.tx_bytes.load(Relaxed),
        "rejected": figures.rejected.load(Relaxed),
        "queued_items": depth.items,
        "queued_bytes": depth.bytes,
        "oldest_ms": depth.oldest_at.map(|at| clock::tick().wrapping_sub(at)),
        "coalesced": depth.coalesced,
        "dropped": {"state": depth.dropped_state},
        "slow": depth.slow,
    })
}

/// Gauges of this moment: connections per listener and protocol, life of the certificates.
pub fn gauges(server: &Server) {
    let roster = server.router.directory.roster();
    let mut connected: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for listener in server.listeners.iter().filter(|l| !matches!(l.kind, "http" | "udp")) {
        connected.extend(["xml", "protobuf"].map(|proto| ((listener.name.as_str(), proto), 0)));
    }
    for client in roster.clients().filter(|c| !c.internal()) {
        let proto = if client.proto.load(Relaxed) { "protobuf" } else { "xml" };
        *connected.entry((&client.listener.name, proto)).or_default() += 1;
    }
    for ((listener, proto), n) in connected {
        ::metrics::gauge!("fts_clients_connected", "listener" => listener.to_owned(), "proto" => proto.to_owned())
            .set(n);
    }
    if let Some(authority) = server.authority.load().as_ref() {
        let (ca, own) = authority.seconds_left();
        ::metrics::gauge!("fts_certificate_expiry_seconds", "kind" => "ca").set(ca as f64);
        ::metrics::gauge!("fts_certificate_expiry_seconds", "kind" => "server").set(own as f64);
    }
    if let Some(web) = web_certificate(&server.config()) {
        ::metrics::gauge!("fts_certificate_expiry_seconds", "kind" => "web").set(web as f64);
    }
}

/// Seconds until the certificate for browsers ends, where there is one. Whoever renews it replaces the file, so the file
/// is asked.
pub fn web_certificate(config: &Config) -> Option<i64> {
    let (path, _) = config.tls.web.as_ref()?;
    let ders = parse::certificates(&std::fs::read_to_string(path).ok()?);
    Some(parse::Facts::of(ders.first()?)?.not_after - clock::now_ms() / 1_000)
}
