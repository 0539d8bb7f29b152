//! What the probe keeps: held events (journal id UNIQUE, so a repeat is known), audiences with their members, bindings,
//! shown events and contacts, all of which are declared again at a start.
use fts_plugin_api::{cot::Cot, params, sdk::*};
use serde_json::{Value, json};

use crate::Probe;

const STEPS: &[(u32, &str)] = &[
    (
        1,
        "CREATE TABLE event(journal_id INTEGER PRIMARY KEY, uid TEXT NOT NULL, dests TEXT NOT NULL, replayed INTEGER NOT NULL)",
    ),
    (2, "CREATE TABLE audience(name TEXT PRIMARY KEY)"),
    (3, "CREATE TABLE member(audience TEXT, uid TEXT, user TEXT, PRIMARY KEY(audience, uid, user))"),
    (
        4,
        "CREATE TABLE binding(kind TEXT, name TEXT, members TEXT, writers TEXT, deliver INTEGER, PRIMARY KEY(kind, name))",
    ),
    (5, "CREATE TABLE shown(uid TEXT PRIMARY KEY, event TEXT NOT NULL)"),
    (6, "CREATE TABLE contact(uid TEXT PRIMARY KEY, contact TEXT NOT NULL)"),
    (7, "CREATE TABLE bulk(id INTEGER PRIMARY KEY, data BLOB NOT NULL)"),
];

/// Opens the database and declares what is in it, unless it is to forget.
pub fn open(probe: &Probe) -> Result<()> {
    let (host, sql) = (&probe.host, probe.host.sql());
    sql.migrate(STEPS)?;
    if host.kv().get("forget")?.is_some() {
        return Ok(());
    }
    for row in sql.query("SELECT name FROM audience", &[])?.iter() {
        let audience = host.clients().audience(row.get::<String>("name")?)?;
        let members = sql.query("SELECT uid, user FROM member WHERE audience = ?1", params![audience.name()])?;
        let all: Result<Vec<Member>> =
            members.iter().map(|m| Ok(Member::Client { uid: m.get("uid")?, user: m.get("user")? })).collect();
        audience.add(all?)?;
    }
    for row in sql.query("SELECT * FROM binding", &[])?.iter() {
        let mode = if row.get("deliver")? { Mode::Deliver } else { Mode::Hold };
        let writers: Option<String> = row.get("writers")?;
        bind_now(
            host,
            &row.get::<String>("kind")?,
            &row.get::<String>("name")?,
            &row.get::<String>("members")?,
            writers.as_deref(),
            mode,
        )?;
    }
    for row in sql.query("SELECT uid, event FROM shown", &[])?.iter() {
        let event = Cot::parse(row.get::<String>("event")?).map_err(|e| Error::new(e.to_string()))?;
        host.history().show(&row.get::<String>("uid")?, &event, None)?;
    }
    for row in sql.query("SELECT contact FROM contact", &[])?.iter() {
        host.clients().set_contact(&serde_json::from_str(&row.get::<String>("contact")?)?)?;
    }
    Ok(())
}

/// A member, kept where it is a client and not a mere connection.
pub fn add(host: &Host, audience: &str, member: Member) -> Result<()> {
    host.sql().exec("INSERT OR IGNORE INTO audience VALUES(?1)", params![audience])?;
    if let Member::Client { uid, user } = &member {
        host.sql().exec("INSERT OR IGNORE INTO member VALUES(?1, ?2, ?3)", params![audience, uid, user])?;
    }
    host.clients().audience(audience)?.add([member])
}

/// Takes a member out.
pub fn remove(host: &Host, audience: &str, member: Member) -> Result<()> {
    if let Member::Client { uid, user } = &member {
        let known = params![audience, uid, user];
        host.sql().exec("DELETE FROM member WHERE audience = ?1 AND uid = ?2 AND user = ?3", known)?;
    }
    host.clients().audience(audience)?.remove([member])
}

/// Binds a destination and keeps that.
pub fn bind(host: &Host, kind: &str, name: &str, members: &str, writers: Option<&str>, mode: Mode) -> Result<()> {
    for audience in [Some(members), writers].into_iter().flatten() {
        host.sql().exec("INSERT OR IGNORE INTO audience VALUES(?1)", params![audience])?;
    }
    bind_now(host, kind, name, members, writers, mode)?;
    let deliver = mode == Mode::Deliver;
    let bound = params![kind, name, members, writers.map(str::to_owned), deliver];
    host.sql().exec("INSERT OR REPLACE INTO binding VALUES(?1, ?2, ?3, ?4, ?5)", bound)?;
    Ok(())
}

fn bind_now(host: &Host, kind: &str, name: &str, members: &str, writers: Option<&str>, mode: Mode) -> Result<()> {
    let members = host.clients().audience(members)?;
    let mut binding = Binding::new(kind, name, &members, mode);
    if let Some(writers) = writers {
        binding = binding.writers(&host.clients().audience(writers)?);
    }
    host.bind_dest(&binding)
}

/// The audience behind a bound destination.
pub fn members_of(host: &Host, kind: &str, name: &str) -> Result<String> {
    let found = host.sql().query("SELECT members FROM binding WHERE kind = ?1 AND name = ?2", params![kind, name])?;
    match found.first() {
        Some(row) => row.get("members"),
        None => Err(Error::not_found(format!("nothing is bound to {kind} {name}"))),
    }
}

/// The held events it has, oldest first.
pub fn events(host: &Host) -> Result<Value> {
    let rows = host.sql().query("SELECT * FROM event ORDER BY journal_id", &[])?;
    let row = |r: sql::Row<'_>| -> Result<Value> {
        let (id, uid, dests): (i64, String, String) = (r.get("journal_id")?, r.get("uid")?, r.get("dests")?);
        Ok(json!({"id": id, "uid": uid, "dests": dests, "replayed": r.get::<bool>("replayed")?}))
    };
    Ok(rows.iter().map(row).collect::<Result<Vec<_>>>()?.into())
}
