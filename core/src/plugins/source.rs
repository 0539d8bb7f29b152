//! Where an event came from, as plugins are told.
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use fts_plugin_api::{
    cot::{Cot, PointAttr, unescape},
    message::{ClientInfo, Position, Role, RouteInfo, SourceInfo, SourceKind},
};

use super::Plugins;
use crate::{
    directory::Client,
    identity,
    route::{Source, hooks::Seen},
    store::journal::{Kind, Origin},
};

/// About a source.
pub fn describe(plugins: &Plugins, source: &Source<'_>) -> SourceInfo {
    let groups = plugins.router.directory.groups.names(&source.send_groups());
    let mut info = SourceInfo { conn: source.conn(), groups, ..SourceInfo::default() };
    match source {
        Source::Client(client) => {
            let who = client.who();
            (info.uid, info.callsign) = (who.uid.to_string(), who.callsign.to_string());
            info.user = client.user().to_owned();
            info.role = role_of(client);
            info.listener = client.listener.name.clone();
        }
        Source::Datagram { listener, .. } => {
            (info.kind, info.listener) = (SourceKind::Datagram, listener.name.clone());
        }
        Source::Server { .. } => info.kind = SourceKind::Server,
        Source::Plugin(from) => {
            info.kind = SourceKind::Plugin;
            (info.plugin, info.link, info.hop) = (from.plugin.to_string(), from.link.clone(), from.hop);
        }
    }
    info
}

/// What the user of a connection is; nobody in particular where the listener knows no users.
fn role_of(client: &Client) -> Role {
    match client.role() {
        identity::Role::Admin => Role::Admin,
        identity::Role::ReadOnly => Role::Readonly,
        identity::Role::User if client.user().is_empty() && client.cert.is_none() => Role::Anonymous,
        identity::Role::User => Role::User,
    }
}

/// The same of a user who may have been given or lost it since: the journal does not keep roles.
fn role_now(plugins: &Plugins, user: &str) -> Role {
    let native = plugins.native().filter(|_| !user.is_empty());
    match native.and_then(|n| n.accounts.user(user).ok().flatten()).filter(|u| !u.disabled).map(|u| u.role) {
        Some(identity::Role::Admin) => Role::Admin,
        Some(identity::Role::User) => Role::User,
        Some(identity::Role::ReadOnly) => Role::Readonly,
        None => Role::Anonymous,
    }
}

fn read_back(plugins: &Plugins, origin: &Origin) -> SourceInfo {
    let kind = match origin.kind {
        Kind::Client => SourceKind::Client,
        Kind::Datagram => SourceKind::Datagram,
        Kind::Plugin | Kind::Link => SourceKind::Plugin,
        Kind::Server => SourceKind::Server,
    };
    SourceInfo {
        kind,
        conn: origin.conn,
        uid: origin.uid.clone(),
        callsign: origin.callsign.clone(),
        user: origin.user.clone(),
        plugin: origin.plugin.clone(),
        groups: origin.groups.clone(),
        hop: origin.hop,
        role: if kind == SourceKind::Client { role_now(plugins, &origin.user) } else { Role::Anonymous },
        ..SourceInfo::default()
    }
}

/// About an observed or held event.
pub fn route(plugins: &Plugins, seen: &Seen) -> RouteInfo {
    let source = match &seen.origin {
        Some(origin) => read_back(plugins, origin),
        None => describe(plugins, &seen.source.lend()),
    };
    let dests = if seen.held.is_empty() { dests(&seen.text) } else { seen.held.clone() };
    let archived = seen.source.lend().plugin().is_none_or(|from| from.archive);
    RouteInfo { source, dests, received: seen.received, replayed: seen.replayed, archived, link: seen.link.clone() }
}

fn dests(text: &Bytes) -> Vec<(String, String)> {
    let Ok(cot) = Cot::parse(text.clone()) else { return Vec::new() };
    let dests = cot.details("marti").flat_map(|m| m.children().filter(|e| e.name() == "dest"));
    dests
        .filter_map(|d| d.attributes().next().map(|(kind, name)| (kind.to_owned(), unescape(name).into_owned())))
        .collect()
}

/// About a connection.
pub fn client(plugins: &Plugins, client: &Client) -> ClientInfo {
    let (who, groups, names) = (client.who(), client.groups(), &plugins.router.directory.groups);
    ClientInfo {
        conn: client.conn,
        uid: who.uid.to_string(),
        callsign: who.callsign.to_string(),
        user: client.user().to_owned(),
        team: who.team.to_string(),
        role: who.role.to_string(),
        platform: who.platform.to_string(),
        groups_in: names.names(&groups.send),
        groups_out: names.names(&groups.receive),
        listener: client.listener.name.clone(),
        peer: client.peer.to_string(),
        connected: client.connected,
        position: position(plugins, &who.uid).filter(|_| !client.incognito.load(Relaxed)),
        remote_of: client.remote_of().to_owned(),
    }
}

fn position(plugins: &Plugins, uid: &str) -> Option<Position> {
    let latest = plugins.router.directory.presence.get(uid)?;
    let cot = Cot::parse(latest.event.xml().to_vec()).ok()?;
    let (lat, lon) = (cot.point(PointAttr::Lat)?, cot.point(PointAttr::Lon)?);
    let hae = cot.point(PointAttr::Hae).unwrap_or(9_999_999.0);
    // 0,0 is what clients send that do not know where they are.
    (lat != 0.0 || lon != 0.0).then_some(Position { lat, lon, hae, time: latest.time })
}
