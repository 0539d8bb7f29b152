//! For the administrator (`fts mission list|show|export|import|snapshot|restore`): `/admin/missions…` on the admin listener.
//!
//! Nothing here is a client's: no tokens, no password hashes in answers; an export is the one exception, and says so.
use std::{fs::File, io::Read, net::IpAddr};

use fts_plugin_api::{
    message::ServerInfo,
    params as values,
    sdk::{Auth, DELETE, Error, GET, Listeners, POST, Request, Response},
    tracing,
};
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    backup::{
        export,
        import::{self, Imported, Wishes},
    },
    book::Book,
    caller::Caller,
    chat,
    desk::Desk,
    model::{Mission, Stamp, read_time},
    package::body,
    params,
    refusal::Refusal,
    rewind,
    routes::cot::own_host,
    store::{
        Db, layers, missions,
        snapshots::{self, Moment, Snapshot},
        subscriptions,
    },
};

/// Bytes of one piece of an export.
const PIECE: usize = 256 << 10;
/// Peer of a request through the local socket.
const LOCAL: &str = "local";
/// Author of what an administrator brings back.
const AUTHOR: &str = "admin";

/// Paths of this family.
pub fn register(book: &mut Book<'_, '_>) {
    let mut on =
        |method, path: &str, f| book.at(method, &format!("/admin/missions{path}"), Listeners::ADMIN, Auth::Admin, f);
    on(GET, "", list);
    on(POST, "", load);
    on(GET, "/{mission}", show);
    on(GET, "/{mission}/export", dump);
    on(POST, "/{mission}/snapshots/{name}", snapshot);
    on(DELETE, "/{mission}/snapshots/{name}", forget);
    on(POST, "/{mission}/restore", restore);
}

/// All missions.
fn list(desk: &Desk, _: &mut Request, _: &Caller) -> Answer {
    let mut all = Vec::new();
    for mission in missions::of_tool(&desk.host.sql(), "")? {
        all.push(outline(desk, &mission)?);
    }
    Ok(Response::json(&all))
}

/// One, with members and snapshots.
fn show(desk: &Desk, request: &mut Request, _: &Caller) -> Answer {
    let mission = find(desk, request)?;
    let sql = desk.host.sql();
    let mut shown = outline(desk, &mission)?;
    let members = subscriptions::of_mission(&sql, mission.id)?;
    let member = |s: &crate::model::Subscription| {
        json!({"client_uid": s.client_uid, "user": s.username, "role": s.role.name(), "active": s.active,
            "since": Stamp(s.create_time)})
    };
    shown["members"] = members.iter().map(member).collect();
    let named = |s: Snapshot| json!({"name": s.name, "taken": Stamp(s.taken), "change": s.change_id});
    shown["qr_code"] = join(desk.host.server(), &mission.name).map_or(Value::Null, Value::from);
    shown["snapshots"] = snapshots::of_mission(&sql, mission.id)?.into_iter().map(named).collect();
    Ok(Response::json(&shown))
}

/// What clients of OpenTAKServer read from a QR code to join a mission: `HOST:PORT:ssl,HOST-8443-ssl-NAME,NAME`, the port
/// that of CoT over TLS (mission.md 8.12). None = the server does not know its name or has no such port; the name has a comma.
fn join(server: &ServerInfo, name: &str) -> Option<String> {
    let (host, cot) = (&server.public_host, server.listeners.iter().find(|(listener, _)| listener == "cot_tls"));
    let port = cot?.1.rsplit_once(':')?.1;
    let room = chat::room(host, name);
    (!host.is_empty() && !name.contains(',')).then(|| format!("{host}:{port}:ssl,{room},{name}"))
}

fn outline(desk: &Desk, mission: &Mission) -> Result<Value, Refusal> {
    let sql = desk.host.sql();
    let count = |table: &str| sql.number(table, values![mission.id]);
    Ok(json!({
        "guid": mission.guid,
        "name": mission.name,
        "tool": mission.tool,
        "groups": mission.groups,
        "all_groups": mission.all_groups,
        "creator_uid": mission.creator_uid,
        "created": Stamp(mission.create_time),
        "edited": Stamp(mission.last_edited),
        "expiration": mission.expiration,
        "protected": mission.password.is_some(),
        "invite_only": mission.invite_only,
        "items": count("SELECT count(*) AS n FROM mission_uid WHERE mission_id = ?1")?,
        "files": count("SELECT count(*) AS n FROM mission_content WHERE mission_id = ?1")?,
        "subscribers": count("SELECT count(*) AS n FROM mission_subscription WHERE mission_id = ?1")?,
        "changes": count("SELECT count(*) AS n FROM mission_change WHERE mission_id = ?1")?,
        "event_bytes": count("SELECT sum(length(xml)) AS n FROM mission_cot WHERE mission_id = ?1")?,
        "file_bytes": count(
            "SELECT sum(json_extract(resource_json, '$.size')) AS n FROM mission_content WHERE mission_id = ?1"
        )?,
    }))
}

/// The host by which clients reach the server, for what is handed on: the one it is set to, else the one the administrator
/// used; "" = neither is known. The local socket's is none, and a loopback is nobody else's.
fn named_host<'a>(set: &'a str, peer: &str, asked: &'a str) -> &'a str {
    let asked = own_host(asked);
    let bare = asked.trim_matches(['[', ']']);
    let here = bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match set {
        "" if peer == LOCAL || here => "",
        "" => asked,
        set => set,
    }
}

/// The whole mission as a zip; `files=false` leaves the content of files out.
fn dump(desk: &Desk, request: &mut Request, caller: &Caller) -> Answer {
    let mission = find(desk, request)?;
    let (head, set) = (request.head(), &desk.host.server().public_host);
    let host = named_host(set, &head.peer, &head.host);
    let work = export::write(desk, &mission, host, params::flag(request, "files", true)?)?;
    tracing::info!(event = "mission.exported", mission = %mission.guid, user = %caller.user, "exported with members and password hash");
    // The open file outlives its name.
    let mut file = File::open(work.path()).map_err(Error::from)?;
    let pieces = std::iter::from_fn(move || {
        let mut piece = vec![0; PIECE];
        match file.read(&mut piece) {
            Ok(0) => None,
            Ok(n) => {
                piece.truncate(n);
                Some(Ok(piece))
            }
            Err(error) => Some(Err(error.to_string())),
        }
    });
    let name = format!("attachment; filename=\"mission-{}.zip\"", mission.guid);
    Ok(Response::pieces("application/zip", pieces).header("content-disposition", name))
}

/// The body is an export, or an archive zip of any TAK server. `name` = another name, `copy=true` = another guid and no members.
fn load(desk: &Desk, request: &mut Request, caller: &Caller) -> Answer {
    let name = params::filled(request, "name").map(str::to_owned);
    let wishes = Wishes { name, copy: params::flag(request, "copy", false)? };
    let body = body::of(desk, request)?;
    let Imported { mission, notes } = import::read(desk, body.path(), &wishes)?;
    tracing::info!(event = "mission.imported", mission = %mission.guid, user = %caller.user, "imported");
    let mut shown = outline(desk, &mission)?;
    shown["notes"] = notes.into();
    Ok(Response::json(&shown).status(201))
}

/// Names the state of now.
fn snapshot(desk: &Desk, request: &mut Request, _: &Caller) -> Answer {
    let mission = find(desk, request)?;
    let name = request.param("name").trim().to_owned();
    if name.is_empty() || name.len() > 200 {
        return Err(Refusal::Bad("a snapshot has a name of at most 200 bytes".into()));
    }
    let taken = desk.write(|w| {
        let mission = w.fresh(&mission)?;
        let (taken, layers) = (w.now, layers::of_mission(w.tx, mission.id)?);
        let change_id = snapshots::change_at(w.tx, mission.id, i64::MAX)?;
        let snapshot = Snapshot { name, taken, change_id, layers };
        snapshots::put(w.tx, mission.id, &snapshot)?;
        Ok(snapshot)
    })?;
    let shown = json!({"name": taken.name, "taken": Stamp(taken.taken), "change": taken.change_id});
    Ok(Response::json(&shown).status(201))
}

fn forget(desk: &Desk, request: &mut Request, _: &Caller) -> Answer {
    let mission = find(desk, request)?;
    let name = request.param("name").to_owned();
    desk.write(|w| match snapshots::remove(w.tx, mission.id, &name)? {
        true => Ok(()),
        false => Err(Refusal::none("snapshot", &name)),
    })?;
    Ok(Response::empty(200))
}

/// `at` = a time, or `snapshot` = a name; `dry=true` only says what would be done.
fn restore(desk: &Desk, request: &mut Request, caller: &Caller) -> Answer {
    let mission = find(desk, request)?;
    let dry = params::flag(request, "dry", false)?;
    let sql = desk.host.sql();
    let (moment, folders) = match (params::filled(request, "at"), params::filled(request, "snapshot")) {
        (Some(at), None) => {
            let wrong = || Refusal::Bad(format!("at={at}: a time like 2026-03-01T10:00:00.000Z is expected"));
            let time = read_time(at).ok_or_else(wrong)?;
            if time < mission.create_time {
                return Err(Refusal::Bad(format!(
                    "the mission is younger: it was made {}",
                    Stamp(mission.create_time)
                )));
            }
            (Moment { change: snapshots::change_at(&sql, mission.id, time)?, received: time }, None)
        }
        (None, Some(name)) => {
            let found = snapshots::find(&sql, mission.id, name)?.ok_or_else(|| Refusal::none("snapshot", name))?;
            (Moment { change: found.change_id, received: i64::MAX }, Some(found.layers))
        }
        _ => return Err(Refusal::Bad("one of at (a time) and snapshot (a name) is needed".into())),
    };
    let author = if caller.user.is_empty() { AUTHOR } else { &caller.user };
    let mut report = rewind::to(desk, &mission, moment, folders.as_deref(), author, dry)?;
    let keep = desk.config.change_history.ms();
    if keep > 0 {
        report.messages.push("plugins.mission.change_history is set: older states may be incomplete".to_owned());
    }
    Ok(Response::json(&report))
}

/// By guid, else the newest of the name.
fn find(desk: &Desk, request: &Request) -> Result<Mission, Refusal> {
    let (sql, wanted) = (desk.host.sql(), request.param("mission"));
    if let Some(mission) = missions::by_guid(&sql, wanted)? {
        return Ok(mission);
    }
    missions::by_name(&sql, wanted)?.into_iter().next().ok_or_else(|| Refusal::none("mission", wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_names_server_room_and_mission() {
        let at = |name: &str, address: &str| (name.to_owned(), address.to_owned());
        let server =
            |host: &str, listeners| ServerInfo { public_host: host.into(), listeners, ..ServerInfo::default() };
        let all = || vec![at("cot_tcp", "0.0.0.0:8087"), at("cot_tls", "[::]:8089")];
        assert_eq!(join(&server("h", all()), "Flood North").unwrap(), "h:8089:ssl,h-8443-ssl-Flood North,Flood North");
        assert_eq!(join(&server("h", all()), "a,b"), None, "a comma separates");
        assert_eq!(join(&server("", all()), "a"), None);
        assert_eq!(join(&server("h", Vec::new()), "a"), None);
    }

    #[test]
    fn a_server_is_named_as_it_is_set_or_as_others_reach_it() {
        for (set, peer, asked, named) in [
            ("tak.example", "local", "fts", "tak.example"),
            ("tak.example", "192.0.2.1:5", "10.0.0.1:19023", "tak.example"),
            ("", "192.0.2.1:5", "10.0.0.1:19023", "10.0.0.1"),
            ("", "192.0.2.1:5", "[2001:db8::1]:19023", "[2001:db8::1]"),
            ("", "192.0.2.1:5", "", ""),
            ("", "local", "fts", ""),
            ("", "127.0.0.1:5", "localhost:19023", ""),
            ("", "127.0.0.1:5", "127.0.0.1:19023", ""),
            ("", "[::1]:5", "[::1]:19023", ""),
        ] {
            assert_eq!(named_host(set, peer, asked), named, "{set} {peer} {asked}");
        }
    }
}
