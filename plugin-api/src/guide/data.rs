//! Data that outlives the plugin.
//!
//! # SQL
//!
//! Every plugin has a SQLite database of its own, `plugin-data/<name>/data.db`. The server opens it: never link SQLite
//! yourself. Begin with [`migrate`](crate::sdk::sql::Sql::migrate); a step never changes once it was released, add another.
//!
//! ```
//! # use fts_plugin_api::{params, sdk::*, testkit::MockHost};
//! # struct Notes;
//! # impl Plugin for Notes {
//! #     type Config = NoConfig;
//! #     fn start(_: NoConfig, _: &mut Registrar<'_>, host: Host) -> Result<Self> {
//! let sql = host.sql();
//! sql.migrate(&[
//!     (1, "CREATE TABLE note(id INTEGER PRIMARY KEY, uid TEXT NOT NULL, at INTEGER NOT NULL)"),
//!     (2, "CREATE INDEX note_uid ON note(uid)"),
//! ])?;
//! // One statement: on disk when this returns.
//! sql.exec("INSERT INTO note(uid, at) VALUES (?1, ?2)", params!["U1", host.now()])?;
//! // Several: all or nothing.
//! let kept = sql.tx(|t| {
//!     t.exec("DELETE FROM note WHERE at < ?1", params![host.now() - 1000])?;
//!     Ok(t.query("SELECT id, uid FROM note WHERE uid = ?1", params!["U1"])?.len())
//! })?;
//! assert_eq!(kept, 1);
//! for row in sql.query("SELECT uid, at FROM note", &[])?.iter() {
//!     let (uid, at): (String, i64) = (row.get("uid")?, row.get("at")?);
//!     assert!(uid == "U1" && at == host.now());
//! }
//! #         Ok(Notes)
//! #     }
//! # }
//! # MockHost::builder().start::<Notes>()?;
//! # Ok::<(), Error>(())
//! ```
//!
//! An answer that is made of several queries takes them from one snapshot, or they are of different moments:
//! [`sql.read(|read| …)`](crate::sdk::sql::Sql::read). It only reads, and ends with the closure; keep it short.
//!
//! Inside `tx` only `t` works; sending and the like answer [`InTransaction`](crate::sdk::Code::InTransaction). A transaction
//! may take 5 s, but the worker waits behind it: slice long work. For many rows take a
//! [`cursor`](crate::sdk::sql::Sql::cursor). `Busy` and `Full` (the disk) pass: try again later, they are no fault of the
//! statement. When a start with a new migration fails, the database is put back as it was.
//!
//! # Keys and values
//!
//! [`host.kv()`](crate::sdk::Kv): `set("cursor", bytes)`, `get`, `remove`, `keys(prefix)`.
//!
//! # What the server stores
//!
//! [`host.history()`](crate::sdk::History) reads it: `latest` of a uid, `query` for events by uid, time, place and type,
//! `tracks` for where somebody was; `append` adds an uploaded track. Say whose question it is: with `groups` of the
//! request's identity you get what that caller may see, without them everything. What was addressed to somebody is left
//! out unless you ask for it.
//!
//! ```
//! # use fts_plugin_api::{sdk::*, testkit::MockHost};
//! # struct Where;
//! # impl Plugin for Where {
//! #     type Config = NoConfig;
//! #     fn start(_: NoConfig, reg: &mut Registrar<'_>, host: Host) -> Result<Self> {
//! reg.route(GET, "/api/plugins/where/{uid}", Listeners::REST, Auth::User, move |request| {
//!     let groups = Some(request.identity().groups_out.clone());
//!     let uid = Some(request.param("uid").to_owned());
//!     let points = host.history().tracks(&TrackQuery { uid, groups, max_points: 100, ..TrackQuery::default() })?;
//!     Ok(Response::json(&points.iter().map(|p| (p.time, p.lat, p.lon)).collect::<Vec<_>>()))
//! });
//! #         Ok(Where)
//! #     }
//! # }
//! # MockHost::builder().name("where").start::<Where>()?;
//! # Ok::<(), Error>(())
//! ```
//!
//! An event that is announced before it is there can be waited for: [`notify`](crate::sdk::History::notify) calls you on the
//! worker when the next event of a uid is stored, or at the limit. Ask first, then look with `latest`, and then wait.
//!
//! ```
//! # use std::{sync::mpsc, time::Duration};
//! # use fts_plugin_api::{sdk::*, testkit::MockHost};
//! # struct Waits;
//! # impl Plugin for Waits {
//! #     type Config = NoConfig;
//! #     fn start(_: NoConfig, reg: &mut Registrar<'_>, host: Host) -> Result<Self> {
//! reg.route(GET, "/api/plugins/waits/{uid}", Listeners::REST, Auth::User, move |request| {
//!     let (tell, told) = mpsc::channel();
//!     host.history().notify(request.param("uid"), Duration::from_secs(3), move |arrival| {
//!         // Whoever waited may be gone.
//!         let _ = tell.send(arrival);
//!     })?;
//!     let mut found = host.history().latest(request.param("uid"))?;
//!     if found.is_none() && told.recv_timeout(Duration::from_secs(3)) == Ok(Arrival::Stored) {
//!         found = host.history().latest(request.param("uid"))?;
//!     }
//!     Ok(Response::json(&found.map(|event| event.received)))
//! });
//! #         Ok(Waits)
//! #     }
//! # }
//! # MockHost::builder().name("waits").start::<Waits>()?;
//! # Ok::<(), Error>(())
//! ```
//!
//! Events you keep yourself are given out with the server's when you register
//! [`reg.history_source`](crate::sdk::Registrar::history_source): you are told who asks, and answer what that caller may see.
//!
//! # Files
//!
//! [`host.dir()`](crate::sdk::Host::dir) is a folder only for your plugin. What clients are to fetch goes into the server's
//! store ([`host.files()`](crate::sdk::Files)): content by its SHA-256, with a name, keywords, groups that see it, and
//! versions of a uid.
//!
//! ```
//! # use fts_plugin_api::{sdk::*, testkit::{Client, MockHost}};
//! # use fts_plugin_api::message::Target;
//! # struct Shares;
//! # impl Plugin for Shares {
//! #     type Config = NoConfig;
//! #     fn start(_: NoConfig, reg: &mut Registrar<'_>, host: Host) -> Result<Self> {
//! let info = FileInfo { uid: "list-1".into(), name: "list.xml".into(), groups: vec!["__ANON__".into()], ..FileInfo::default() };
//! let file = host.files().put(info, "<list/>")?;
//! assert_eq!(host.files().version("list-1", None)?.unwrap().sha256, file.sha256);
//! // Whoever sees it is offered it, with a URL it can reach.
//! host.files().share(&file.sha256, Target::All)?;
//! // It stays as long as the plugin says so.
//! reg.before_delete(move |sha256| (sha256 == file.sha256).then(|| "the list is open".to_owned()));
//! #         Ok(Shares)
//! #     }
//! # }
//! # MockHost::builder().start::<Shares>()?;
//! # Ok::<(), Error>(())
//! ```
//!
//! [`deletion`](crate::sdk::Registrar::deletion) is asked with the cause as well: somebody deletes it, its time is over, another
//! plugin wants it to go. [`file_reader`](crate::sdk::Registrar::file_reader) lets somebody have a file whose groups it is not
//! in, because your plugin knows better: a member of its mission, say.
//!
//! What happens to files is published as `resource.added`, `resource.changed` and `resource.removed`, each with the packed
//! [`FileInfo`](crate::sdk::FileInfo).
//!
//! `resource.fetched` ([`FETCHED`](crate::sdk::FETCHED)) says that somebody has fetched a file for a feed: a packed
//! [`Fetched`](crate::sdk::Fetched), when the connection has taken the last byte of a `GET /Marti/sync/content?feedName=…`.
//! The last part of a file counts, too; a HEAD, an answer without a body (304) and a download that breaks off do not.
//! Downloads without `feedName` are not told. The name is what the client says: check nothing with it.
//!
//! # Users, certificates, secrets
//!
//! [`host.users()`](crate::sdk::Users) reads accounts, roles and groups. [`host.certs()`](crate::sdk::Certs) has client
//! certificates made (capability `certs.issue`), each with a line in the audit log. [`host.tokens()`](crate::sdk::Tokens) makes
//! random secrets and hashes of passwords (`tokens`); compare secrets with its `same`.
//!
//! # Over a reload
//!
//! What [`Plugin::save`](crate::sdk::Plugin::save) returns, the next generation finds in
//! [`Host::saved`](crate::sdk::Host::saved). It is gone after a restart of the server: it is for caches, not for data.
