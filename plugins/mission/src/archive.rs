//! A mission as a zip file (mission.md 4.8): its newest events, its files, a manifest. Three kinds of reader: whoever
//! downloads it (M-11), whom it is sent to (M-12), and who looks for it when the mission has ended ([`crate::keepsake`]):
//! those who could read an open mission, the administrator at the console alone when it was closed.
//!
//! [`Pack`] writes it: events, files, manifest. What must not happen: the hash of a password leaves the server.
use fts_plugin_api::sdk::Result;

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
