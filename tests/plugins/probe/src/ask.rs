//! `POST /api/plugins/probe/do`: one JSON object `{"do": …}` per request, answered when it is done. For administrators,
//! that is: through the local socket.
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use fts_plugin_api::{cot::Cot, params, sdk::*};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Probe, store,
    watch::{Word, Words},
};

/// What can be asked for.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
enum Ask {
    /// Notes of the diary, `""` = all.
    Diary { what: String },
    /// Held events in the database.
    Events,
    /// How many that are.
    StoredCount,
    /// Times of held events.
    Took,
    /// Stops before a step; `ms` = goes on by itself after so long.
    Pause {
        before: String,
        ms: Option<u64>,
        #[serde(default)]
        stubborn: bool,
    },
    /// Goes on.
    GoOn,
    /// Does somebody stand before the step?
    Paused,
    /// A handler panics.
    Fuse { handler: String, times: u32 },
    /// A member of an audience.
    Add { audience: String, member: Member },
    /// Not any more.
    Remove { audience: String, member: Member },
    /// Connections in an audience.
    Connected { audience: String },
    /// Ends an audience.
    Delete { audience: String },
    /// Binds a destination.
    Bind {
        kind: String,
        name: String,
        members: String,
        writers: Option<String>,
        #[serde(default)]
        deliver: bool,
    },
    /// Binds a name in any case: its events go to the audience.
    BindAnyCase { kind: String, name: String, members: String },
    /// Takes it back.
    Unbind { kind: String, name: String },
    /// Sends an event.
    Send {
        text: String,
        to: Target,
        #[serde(default)]
        archive: bool,
        #[serde(default)]
        link: String,
    },
    /// Sends reliable events of so many bytes to everybody, as fast as it may and `Busy` lets it, for so long: uids
    /// `flood-0` and so on.
    Flood { ms: u64, bytes: usize },
    /// Accounts, certificates and secrets of the server.
    Identity { ask: crate::identity::Do },
    /// Newcomers are shown it, now and after each start.
    Show { uid: String, event: String },
    /// Not any more.
    Hide { uid: String },
    /// Stands for a remote contact.
    Contact(Contact),
    /// Newcomers get an event of their own.
    Greet { on: bool },
    /// A value that outlives it; None reads it.
    Kv { key: String, value: Option<String> },
    /// How it fares.
    Status { level: Level, text: String },
    /// A counter.
    Count { name: String, by: u64 },
    /// Its folder.
    Dir,
    /// Clients it sees.
    Clients,
    /// The newest event of a uid.
    Latest { uid: String },
    /// The diary is told when an event of the uid is stored, or after so many ms.
    Await { uid: String, ms: u64 },
    /// The keyed intercept listens to these types.
    ListenTo { types: Vec<String> },
    /// Stored events.
    Stored(EventQuery),
    /// Points of tracks.
    Tracks(TrackQuery),
    /// Adds points.
    Append { points: Vec<TrackPoint> },
    /// What it answers as a source of events from now on.
    Keep { events: Vec<StoredEvent>, slow: bool },
    /// Something with stored files.
    File { file: Box<crate::files::Do> },
    /// A thread: `send`, `panic` or `linger`.
    Spawn { what: String },
    /// Calls another plugin.
    Call { plugin: String, method: String, args: String },
    /// Asks the service `words`.
    Words { text: String },
    /// Tells a topic.
    Publish { topic: String, text: String },
    /// Waits for links.
    Listen { profile: String },
    /// Dials.
    Dial { host: String, port: u16, profile: String },
    /// Writes to a link; what the link says to it.
    Write {
        link: u64,
        text: String,
        #[serde(default)]
        times: usize,
    },
    /// STARTTLS.
    Starttls { link: u64, last: String, seen: u64 },
    /// Ends a link.
    Close { link: u64 },
    /// A link carries everything from now on.
    Relay { link: u64 },
    /// Chats and positions that wait for links.
    Waiting,
    /// Rows into the table `bulk`.
    Fill { rows: u32, bytes: u32 },
    /// Bytes of the write-ahead log.
    Wal,
    /// A transaction in which everything else is tried.
    Inside,
    /// A transaction that is left open by a panic.
    HalfWay,
    /// Ends a connection.
    Kick { conn: u64 },
}

/// Registers the route.
pub fn register(reg: &mut Registrar<'_>, probe: &Arc<Probe>) {
    let probe = probe.clone();
    reg.route(POST, "/api/plugins/probe/do", Listeners::ADMIN, Auth::Admin, move |request| {
        let ask: Ask = request.json()?;
        Ok(answer(&probe, ask)?)
    });
}

fn answer(probe: &Arc<Probe>, ask: Ask) -> Result<Value> {
    let host = &probe.host;
    Ok(match ask {
        Ask::Diary { what } => probe.diary.read(&what).into(),
        Ask::Events => store::events(host)?,
        Ask::StoredCount => {
            let rows = host.sql().query("SELECT count(*) AS n FROM event", &[])?;
            rows.first().map(|row| row.get::<i64>("n")).transpose()?.into()
        }
        Ask::Took => probe.hold.told(),
        Ask::Pause { before, ms, stubborn } => json!(probe.pause.set(&before, ms.map(Duration::from_millis), stubborn)),
        Ask::GoOn => json!(probe.pause.go_on()),
        Ask::Paused => probe.pause.waiting().into(),
        Ask::Fuse { handler, times } => json!(probe.fuses.set(&handler, times)),
        Ask::Add { audience, member } => json!(store::add(host, &audience, member)?),
        Ask::Remove { audience, member } => json!(store::remove(host, &audience, member)?),
        Ask::Connected { audience } => host.clients().audience(audience)?.connected()?.into(),
        Ask::Delete { audience } => {
            host.sql().exec("DELETE FROM audience WHERE name = ?1", params![&audience])?;
            json!(host.clients().audience(audience)?.delete()?)
        }
        Ask::Bind { kind, name, members, writers, deliver } => {
            probe.hold.forget();
            let mode = if deliver { Mode::Deliver } else { Mode::Hold };
            json!(store::bind(host, &kind, &name, &members, writers.as_deref(), mode)?)
        }
        Ask::BindAnyCase { kind, name, members } => {
            let members = host.clients().audience(members)?;
            json!(host.bind_dest(&Binding::new(kind, name, &members, Mode::Deliver).any_case())?)
        }
        Ask::Unbind { kind, name } => {
            probe.hold.forget();
            host.sql().exec("DELETE FROM binding WHERE kind = ?1 AND name = ?2", params![&kind, &name])?;
            json!(host.unbind_dest(&kind, &name)?)
        }
        Ask::Send { text, to, archive, link } => {
            let mut how = Send::to(to);
            if archive {
                how = how.archived();
            }
            if !link.is_empty() {
                how = how.from_link(link, false);
            }
            json!(host.cot().send(&event(text)?, how)?)
        }
        Ask::Flood { ms, bytes } => crate::flood::run(host, Duration::from_millis(ms), bytes)?,
        Ask::Identity { ask } => crate::identity::answer(host, ask)?,
        Ask::Show { uid, event: text } => {
            host.history().show(&uid, &event(text.clone())?, None)?;
            json!(host.sql().exec("INSERT OR REPLACE INTO shown VALUES(?1, ?2)", params![&uid, &text])?)
        }
        Ask::Hide { uid } => {
            host.sql().exec("DELETE FROM shown WHERE uid = ?1", params![&uid])?;
            json!(host.history().hide(&uid)?)
        }
        Ask::Contact(contact) => {
            let kept = params![&contact.uid, json!(contact).to_string()];
            host.sql().exec("INSERT OR REPLACE INTO contact VALUES(?1, ?2)", kept)?;
            json!(host.clients().set_contact(&contact)?)
        }
        Ask::Greet { on } => json!(probe.greets.store(on, Relaxed)),
        Ask::Kv { key, value: Some(value) } => json!(host.kv().set(&key, value)?),
        Ask::Kv { key, value: None } => {
            json!(host.kv().get(&key)?.map(|v| String::from_utf8_lossy(&v).into_owned()))
        }
        Ask::Status { level, text } => json!(host.status(level, text)),
        Ask::Count { name, by } => json!(host.count(&name, &[("of", "test")], by)),
        Ask::Dir => json!(host.dir()?),
        Ask::Clients => json!(host.clients().all()?),
        Ask::Latest { uid } => {
            json!(host.history().latest(&uid)?.map(|l| String::from_utf8_lossy(&l.text).into_owned()))
        }
        Ask::Await { uid, ms } => {
            let told = probe.clone();
            let of = uid.clone();
            json!(host.history().notify(&uid, Duration::from_millis(ms), move |arrival| {
                let found = told.host.history().latest(&of).is_ok_and(|latest| latest.is_some());
                told.diary.note("told", json!({"uid": of, "what": format!("{arrival:?}"), "found": found}));
            })?)
        }
        Ask::ListenTo { types: wanted } => json!(host.listen_to("listener", types(wanted))?),
        Ask::Stored(query) => {
            let text = |e: StoredEvent| String::from_utf8_lossy(&e.text).into_owned();
            host.history().query(&query)?.into_iter().map(text).collect()
        }
        Ask::Tracks(query) => json!(host.history().tracks(&query)?),
        Ask::Append { points } => host.history().append(&points)?.into(),
        Ask::Keep { events, slow } => json!(probe.keeps.set(events, slow)),
        Ask::File { file } => crate::files::answer(probe, *file)?,
        Ask::Spawn { what } => json!(spawn(probe, what)?),
        Ask::Call { plugin, method, args } => {
            json!(String::from_utf8_lossy(&host.call(&plugin, &method, args.as_bytes())?))
        }
        Ask::Words { text } => host.require::<Words>()?.ask(&Word::Backwards(text))?.into(),
        Ask::Publish { topic, text } => host.publish(&topic, text.as_bytes())?.into(),
        Ask::Listen { profile } => {
            let listener = host.links().listen("127.0.0.1", 0, named(probe, &profile)?)?;
            json!({"id": listener.id, "address": listener.address})
        }
        Ask::Dial { host: to, port, profile } => host.links().dial(&to, port, named(probe, &profile)?)?.id.into(),
        Ask::Write { link, text, times } => {
            let written = (0..times.max(1)).try_for_each(|_| host.links().get(link).write(text.clone()));
            json!(written.err().map(|e| format!("{:?}", e.code())))
        }
        Ask::Starttls { link, last, seen } => json!(host.links().get(link).starttls(last.as_bytes(), seen)?),
        Ask::Close { link } => json!(host.links().get(link).close()?),
        Ask::Relay { link } => json!(probe.wires.relay(link)),
        Ask::Waiting => json!(probe.wires.waiting()),
        Ask::Fill { rows, bytes } => json!(fill(host, rows, bytes)?),
        Ask::Wal => std::fs::metadata(host.dir()?.join("data.db-wal")).map_or(0, |m| m.len()).into(),
        Ask::Inside => inside(host)?,
        Ask::HalfWay => host.sql().tx(|t| {
            t.exec("INSERT INTO bulk(data) VALUES(?1)", params!["half way"])?;
            crate::fuse::blow("half way")
        })?,
        Ask::Kick { conn } => host.clients().kick(conn, "told to")?.into(),
    })
}

fn event(text: String) -> Result<Cot> {
    Cot::parse(text).map_err(|e| Error::new(e.to_string()))
}

fn named(probe: &Probe, profile: &str) -> Result<Profile> {
    probe.config.profiles.get(profile).cloned().ok_or_else(|| Error::not_found(format!("no profile {profile:?}")))
}

/// Many rows, a hundred per commit.
fn fill(host: &Host, rows: u32, bytes: u32) -> Result<()> {
    for first in (0..rows).step_by(100) {
        host.sql().tx(|t| {
            (first..rows.min(first + 100)).try_for_each(|n| {
                t.exec("INSERT INTO bulk(data) VALUES(?1)", params![vec![n as u8; bytes as usize]]).map(drop)
            })
        })?;
    }
    Ok(())
}

/// What works inside of a transaction and what does not.
fn inside(host: &Host) -> Result<Value> {
    let cot = host.cot().build("b-m-p-s-m").build().map_err(|e| Error::new(e.to_string()))?;
    host.sql().tx(|t| {
        let code = |done: Result<()>| done.err().map(|e| format!("{:?}", e.code()));
        Ok(json!({
            "exec": code(t.exec("DELETE FROM bulk", &[]).map(drop)),
            "send": code(host.cot().send(&cot, Send::all())),
            "kv": code(host.kv().get("x").map(drop)),
            "call": code(host.call("twin", "echo", b"").map(drop)),
            "clients": code(host.clients().all().map(drop)),
        }))
    })
}

fn spawn(probe: &Arc<Probe>, what: String) -> Result<()> {
    let of = probe.clone();
    let dir = probe.host.dir()?;
    probe.host.spawn(&what.clone(), move || match what.as_str() {
        "panic" => crate::fuse::blow("thread"),
        "linger" => {
            // Outlives `stop` on purpose; ends when the host says that its generation is over.
            let refused = loop {
                match of.host.clients().all() {
                    Ok(_) => std::thread::park_timeout(Duration::from_millis(5)),
                    Err(error) => break error,
                }
            };
            let said = std::fs::write(dir.join("lingered"), format!("{:?}", refused.code()));
            drop(said);
        }
        _ => {
            let sent = of.host.cot().build("b-m-p-s-m").uid("from-thread").build();
            let sent = sent.map_err(|e| Error::new(e.to_string())).and_then(|e| of.host.cot().send(&e, Send::all()));
            of.diary.note("thread", json!(sent.err().map(|e| e.to_string())));
        }
    })
}
