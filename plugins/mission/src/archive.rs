//! A mission as a zip file (mission.md 4.8): its newest events, its files, a manifest. Three kinds of reader: whoever
//! downloads it (M-11), whom it is sent to (M-12), and who looks for it when the mission has ended ([`keep`]): those who
//! could read an open mission, the administrator at the console alone when it was closed.
//!
//! [`Pack`] writes it: events, files, manifest. What must not happen: a failing archive stops a deletion; the hash of a
//! password leaves the server.
use fts_plugin_api::{
    sdk::{FileInfo, Result},
    tracing,
};

use crate::{desk::Desk, model::Mission, pack::Pack, store::contents, work::Work};

/// By which an archive of an ended mission is found.
pub const KEYWORD: &str = "ARCHIVED_MISSION";

/// Who is to read it.
pub struct Reader<'a> {
    /// Host by which it reaches the server; "" = not known.
    pub host: &'a str,
    /// Groups of the mission it may be told.
    pub groups: &'a [String],
    /// The server itself.
    pub secret: bool,
}

/// Builds it.
///
/// # Errors
/// The disk, the database.
pub fn build(desk: &Desk, mission: &Mission, reader: &Reader<'_>) -> Result<Work> {
    let mut pack = Pack::new(desk)?;
    pack.events(mission.id)?;
    for (n, item) in contents::of_mission(&desk.host.sql(), mission.id)?.iter().enumerate() {
        pack.file(mission, n, item)?;
    }
    pack.finish(mission, reader)
}

/// Stores it before the mission ends. A failure is logged: the mission ends all the same.
///
/// Of an open mission its groups find it by the keyword: every one of them could read all of it. A closed one was for fewer
/// than its groups, and its archive has the hash of its password: it is in no group and private, so that only the
/// administrator finds it, at the console (`fts files list --keyword ARCHIVED_MISSION`).
pub fn keep(desk: &Desk, mission: &Mission) {
    let closed = mission.is_closed();
    let reader = Reader { host: &desk.host.server().public_host, groups: &mission.groups, secret: closed };
    let info = FileInfo {
        name: format!("{}.zip", mission.name),
        content_type: "application/zip".to_owned(),
        keywords: vec![KEYWORD.to_owned()],
        tool: if closed { "private" } else { "public" }.to_owned(),
        creator_uid: mission.creator_uid.clone(),
        groups: if closed { Vec::new() } else { mission.groups.clone() },
        ..FileInfo::default()
    };
    let stored = build(desk, mission, &reader).and_then(|work| desk.host.files().put_file(info, work.relative()));
    match stored {
        Ok(file) => {
            tracing::info!(event = "mission.archived", mission = %mission.guid, file = file.id, "an archive was stored before the mission ended");
        }
        Err(error) => {
            desk.host.count("not_archived_total", &[], 1);
            tracing::error!(event = "mission.not_archived", mission = %mission.guid, "the mission ends without an archive: {error}");
        }
    }
}
