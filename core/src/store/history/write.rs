//! One batch as rows: the statements of the recorder. Everything of a batch, with the numbers of the journal it settles,
//! is one transaction: after a crash all of it is there or none (fanout.md 2.7).
use std::collections::HashMap;

use fts_plugin_api::cot::PointAttr;

use super::{
    chat::Chat,
    entry::Entry,
    kept::{Goodbye, Session},
    track::Point,
};
use crate::{
    app::background,
    config::Archive,
    store::{error::StoreError, rows::Value, transaction::Transaction},
};

/// What becomes a row, in order.
#[derive(Debug)]
pub(super) enum Row {
    /// An event with the number of its set of groups, and whether it is kept as one.
    Event {
        entry: Box<Entry>,
        groups: i64,
        keep: bool,
    },
    Point {
        point: Point,
        groups: i64,
    },
    Session {
        session: Session,
        groups: i64,
    },
    Goodbye(Goodbye),
}

/// Rows of open sessions by connection, with what they say.
pub(super) type Open = HashMap<u64, (i64, [String; 5])>;

fn text(value: impl Into<String>) -> Value {
    Value::Text(value.into())
}

fn real(value: Option<f64>) -> Value {
    value.map_or(Value::Null, Value::Real)
}

fn maybe(value: Option<String>) -> Value {
    value.map_or(Value::Null, Value::Text)
}

/// Writes all of it. `open` is changed as the rows say; the caller takes it over when the commit succeeded.
pub(super) fn all(tx: &Transaction, rows: &[Row], archive: Archive, open: &mut Open) -> Result<(), StoreError> {
    let mut newest: HashMap<String, Vec<Value>> = HashMap::new();
    for row in rows {
        background::breathe();
        match row {
            Row::Event { entry, groups, keep } => {
                if *keep {
                    let (uid, latest) = event(tx, entry, *groups)?;
                    newest.insert(uid, latest);
                }
                if entry.journal != 0 {
                    tx.exec("INSERT OR IGNORE INTO history_done VALUES(?1)", &[Value::Integer(entry.journal as i64)])?;
                }
                let deletes = entry.deletes();
                if !deletes.is_empty() {
                    settle(tx, &mut newest, archive)?;
                    deletes.iter().try_for_each(|uid| delete(tx, uid, entry))?;
                }
            }
            Row::Point { point, groups } => drop(track(tx, point, *groups, "")?),
            Row::Session { session, groups } => begin(tx, session, *groups, open)?,
            Row::Goodbye(goodbye) => {
                settle(tx, &mut newest, archive)?;
                end(tx, goodbye, open)?;
            }
        }
    }
    settle(tx, &mut newest, archive)
}

/// The event's row; its uid, and what `cot_latest` will say.
fn event(tx: &Transaction, entry: &Entry, groups: i64) -> Result<(String, Vec<Value>), StoreError> {
    let cot = &entry.cot;
    let uid = cot.uid().into_owned();
    let [time, start, stale] = entry.times();
    let readers = entry.readers.as_ref().map(|r| serde_json::Value::from(r.clone()).to_string());
    let degrees = |attr| Value::Real(cot.point(attr).unwrap_or(0.0));
    let values = [
        text(uid.clone()),
        text(cot.kind()),
        text(cot.raw(fts_plugin_api::cot::Attr::How)),
        Value::Integer(time),
        Value::Integer(start),
        Value::Integer(stale),
        Value::Integer(entry.received),
        degrees(PointAttr::Lat),
        degrees(PointAttr::Lon),
        real(entry.metres(PointAttr::Hae)),
        real(entry.metres(PointAttr::Ce)),
        real(entry.metres(PointAttr::Le)),
        text(entry.callsign()),
        text(entry.from.uid.clone()),
        text(entry.from.user.clone()),
        Value::Integer(groups),
        maybe(readers),
        maybe(entry.dest_json()),
        text(entry.text()),
    ];
    let sql = "INSERT INTO cot_event(uid, type, how, time_ms, start_ms, stale_ms, server_ms, lat, lon, hae, ce, le, callsign, \
               sender_uid, sender_user, groups, readers, dest, xml) \
               VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19)";
    let id = tx.insert(sql, &values)?;
    if let Some(chat) = Chat::of(cot) {
        message(tx, &chat, entry, id, groups, time)?;
    }
    let latest =
        vec![text(uid.clone()), Value::Integer(id), Value::Integer(stale), Value::Integer(i64::from(cot.is_sa()))];
    Ok((uid, latest))
}

/// `cot_latest` follows: one statement per uid and batch.
fn settle(tx: &Transaction, newest: &mut HashMap<String, Vec<Value>>, archive: Archive) -> Result<(), StoreError> {
    for (_, latest) in newest.drain() {
        if archive == Archive::Latest {
            tx.exec("DELETE FROM cot_event WHERE uid = ?1 AND id <> ?2", &latest[..2])?;
        }
        tx.exec(
            "INSERT INTO cot_latest(uid, event_id, stale_ms, is_sa) VALUES(?1, ?2, ?3, ?4) ON CONFLICT(uid) DO UPDATE SET \
             event_id = excluded.event_id, stale_ms = excluded.stale_ms, is_sa = excluded.is_sa, gone = 0, deleted = 0",
            &latest,
        )?;
    }
    Ok(())
}

/// RULE-70: the newest row is marked, none is deleted; only by who could send to those who may see it.
fn delete(tx: &Transaction, uid: &str, by: &Entry) -> Result<(), StoreError> {
    let found = tx.query(
        "SELECT l.event_id, s.names FROM cot_latest l JOIN cot_event e ON e.id = l.event_id JOIN group_set s ON s.id = e.groups \
         WHERE l.uid = ?1",
        &[text(uid)],
    )?;
    let Some(row) = found.first() else { return Ok(()) };
    let names: Vec<String> = serde_json::from_str(row.text("names")).unwrap_or_default();
    if names.iter().any(|n| by.groups.contains(n)) {
        tx.exec("UPDATE cot_event SET deleted = 1 WHERE id = ?1", &[Value::Integer(row.int("event_id"))])?;
        tx.exec("UPDATE cot_latest SET deleted = 1 WHERE uid = ?1", &[text(uid)])?;
    }
    Ok(())
}

fn message(tx: &Transaction, c: &Chat, entry: &Entry, id: i64, groups: i64, time: i64) -> Result<(), StoreError> {
    let values = [
        Value::Integer(id),
        text(entry.cot.uid()),
        text(entry.cot.kind()),
        text(c.sender_uid.clone()),
        text(c.sender_callsign.clone()),
        text(entry.from.user.clone()),
        text(c.room.clone()),
        text(c.room_id.clone()),
        Value::Integer(i64::from(c.everyone)),
        maybe(c.dest_uid.clone()),
        maybe(c.dest_callsign.clone()),
        text(c.text.clone()),
        Value::Integer(time),
        Value::Integer(entry.received),
        Value::Integer(groups),
    ];
    let sql = "INSERT INTO chat(event_id, uid, type, sender_uid, sender_callsign, sender_user, room, room_id, everyone, dest_uid, \
               dest_callsign, text, time_ms, server_ms, groups) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)";
    tx.exec(sql, &values).map(drop)
}

/// A point; the same time of the same uid is there once. How many are new: one or none.
pub(super) fn track(tx: &Transaction, p: &Point, groups: i64, source: &str) -> Result<usize, StoreError> {
    let values = [
        text(p.uid.clone()),
        text(p.callsign.clone()),
        Value::Integer(p.time),
        Value::Integer(p.server),
        Value::Real(p.lat),
        Value::Real(p.lon),
        real(p.hae),
        real(p.ce),
        real(p.speed),
        real(p.course),
        real(p.battery),
        text(p.kind.clone()),
        text(p.team.clone()),
        text(p.role.clone()),
        text(source),
        Value::Integer(groups),
    ];
    let sql = "INSERT OR IGNORE INTO track_point(uid, callsign, time_ms, server_ms, lat, lon, hae, ce, speed, course, battery, type, \
               team, role, source, groups) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)";
    tx.exec(sql, &values)
}

fn begin(tx: &Transaction, s: &Session, groups: i64, open: &mut Open) -> Result<(), StoreError> {
    let said = [&*s.uid, &*s.callsign, &*s.user, &*s.team, &*s.role].map(str::to_owned);
    if let Some((row, before)) = open.get(&s.conn) {
        if *before == said {
            let values = [text(&*s.takv), Value::Integer(groups), Value::Integer(*row)];
            tx.exec("UPDATE client_session SET takv = ?1, groups = ?2 WHERE id = ?3", &values)?;
            return Ok(());
        }
        let values = [Value::Integer(s.at), text("changed"), Value::Integer(*row)];
        tx.exec("UPDATE client_session SET disconnected_ms = ?1, reason = ?2 WHERE id = ?3", &values)?;
    }
    let mut values: Vec<Value> = said.iter().cloned().map(Value::Text).collect();
    values.extend([text(&*s.takv), text(s.address.clone()), text(s.listener.clone())]);
    values.extend([Value::Integer(s.at), Value::Integer(groups)]);
    let sql = "INSERT INTO client_session(uid, callsign, user, team, role, takv, address, listener, connected_ms, groups) \
               VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)";
    let row = tx.insert(sql, &values)?;
    open.insert(s.conn, (row, said));
    Ok(())
}

fn end(tx: &Transaction, goodbye: &Goodbye, open: &mut Open) -> Result<(), StoreError> {
    if let Some((row, _)) = open.remove(&goodbye.conn) {
        let values = [Value::Integer(goodbye.at), text(goodbye.reason), Value::Integer(row)];
        tx.exec("UPDATE client_session SET disconnected_ms = ?1, reason = ?2 WHERE id = ?3", &values)?;
    }
    let gone = |uid: &std::sync::Arc<str>| tx.exec("UPDATE cot_latest SET gone = 1 WHERE uid = ?1", &[text(&**uid)]);
    goodbye.uids.iter().try_for_each(|uid| gone(uid).map(drop))
}
