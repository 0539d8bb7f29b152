//! [`Keepsake`]: the archive that a mission leaves when it ends (mission.md 3.2 M-08, 7.6). It is made before the
//! transaction that ends the mission, since inside of it only the database works, and others may write meanwhile.
//!
//! Order: [`Keepsake::make`] notes how far the mission is, makes the archive and stores it; the transaction asks
//! [`Keepsake::is_whole`], and when something was written in between it ends nothing and another one is made;
//! [`Keepsake::keep`] when the mission has ended. Whatever is not kept goes again when it is dropped.
//!
//! What must not happen: something that was acknowledged is in no archive; an archive of a mission that goes on, or a
//! second one, stays; a failing archive stops the end; a file is deleted with the pen held (other plugins are asked, and
//! they may write).
use fts_plugin_api::{
    sdk::{Error, FileInfo, Result, sql::Tx},
    tracing,
};

use crate::{
    archive::{self, KEYWORD, Reader},
    desk::Desk,
    model::{ContentItem, Mission},
    package::discard,
    store::{changes, contents, cot, missions},
};

/// See the file's head.
pub struct Keepsake<'d> {
    desk: &'d Desk,
    mission: &'d Mission,
    /// How far the mission was when the newest was made; None = it failed, there is nothing to compare with.
    seen: Option<Seen>,
    /// The newest that could be made.
    stored: Option<FileInfo>,
    /// Why a newer one could not.
    failed: Option<Error>,
    /// Those before.
    vain: Vec<FileInfo>,
}

/// A mission at one moment: what its archive holds, and the last rows of tables that only grow.
struct Seen {
    mission: Mission,
    files: Vec<ContentItem>,
    change: i64,
    event: i64,
}

impl<'d> Keepsake<'d> {
    /// There is none yet.
    pub fn new(desk: &'d Desk, mission: &'d Mission) -> Self {
        Self { desk, mission, seen: None, stored: None, failed: None, vain: Vec::new() }
    }

    /// Stores an archive of the mission as it is now, in place of the one before. Of a failure it is said when the mission
    /// has ended: until then nothing is lost.
    pub fn make(&mut self) {
        match self.store() {
            Ok(Some((seen, file))) => {
                self.vain.extend(self.stored.replace(file));
                (self.seen, self.failed) = (Some(seen), None);
            }
            // It is gone, as the transaction will find.
            Ok(None) => {}
            Err(error) => (self.seen, self.failed) = (None, Some(error)),
        }
    }

    /// Of an open mission its groups find it by the keyword: every one of them could read all of it. A closed one was for
    /// fewer than its groups, and its archive has the hash of its password: it is in no group and private, so that only the
    /// administrator finds it, at the console (`fts files list --keyword ARCHIVED_MISSION`).
    fn store(&self) -> Result<Option<(Seen, FileInfo)>> {
        let host = &self.desk.host;
        let seen = host.sql().read(|db| {
            let Some(mission) = missions::by_id(db, self.mission.id)? else { return Ok(None) };
            let files = contents::of_mission(db, mission.id)?;
            Ok::<_, Error>(Some(Seen { mission, files, change: changes::newest(db)?, event: cot::newest(db)? }))
        })?;
        let Some(seen) = seen else { return Ok(None) };
        let mission = &seen.mission;
        let (closed, groups) = (mission.is_closed(), mission.named_groups());
        let reader = Reader { host: &host.server().public_host, groups: &groups, secret: closed };
        let work = archive::build(self.desk, mission, &reader)?;
        let info = FileInfo {
            name: format!("{}.zip", mission.name),
            content_type: "application/zip".to_owned(),
            keywords: vec![KEYWORD.to_owned()],
            tool: if closed { "private" } else { "public" }.to_owned(),
            creator_uid: mission.creator_uid.clone(),
            groups: if closed { Vec::new() } else { groups },
            ..FileInfo::default()
        };
        let file = host.files().put_file(info, work.relative())?;
        Ok(Some((seen, file)))
    }

    /// Is everything in it that this transaction sees of the mission? One that failed is as whole as it gets.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn is_whole(&self, tx: &Tx<'_>, mission: &Mission, files: &[ContentItem]) -> Result<bool> {
        let Some(seen) = &self.seen else { return Ok(true) };
        // A change tells of most; not of a position that became part of an older one, nor of a file's new name.
        Ok(seen.mission == *mission
            && seen.files == files
            && !changes::is_behind(tx, mission.id, seen.change)?
            && !cot::is_behind(tx, mission.id, seen.event)?)
    }

    /// Deletes those that others took the place of. Not with the pen held.
    pub fn clear(&mut self) {
        self.vain.drain(..).for_each(|file| discard(self.desk, &file.uid, &file.sha256));
    }

    /// The mission has ended: the archive stays.
    pub fn keep(mut self) {
        let guid = &self.mission.guid;
        let stored = self.stored.take();
        if let Some(file) = &stored {
            tracing::info!(event = "mission.archived", mission = %guid, file = file.id, "an archive was stored before the mission ended");
        }
        let error = match (&self.failed, &stored) {
            (Some(error), _) => error.to_string(),
            (None, Some(_)) => return,
            (None, None) => "it was gone".to_owned(),
        };
        self.desk.host.count("not_archived_total", &[], 1);
        match stored {
            Some(_) => tracing::error!(
                event = "mission.not_archived", mission = %guid,
                "the archive of the mission lacks what was written last: {error}"
            ),
            None => {
                tracing::error!(event = "mission.not_archived", mission = %guid, "the mission ends without an archive: {error}");
            }
        }
    }

    /// The transaction failed. It may be on the disk all the same: the archive goes only when the mission is there.
    pub fn keep_unless_there(self) {
        match missions::by_id(&self.desk.host.sql(), self.mission.id) {
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => self.keep(),
        }
    }
}

impl Drop for Keepsake<'_> {
    fn drop(&mut self) {
        self.vain.extend(self.stored.take());
        self.clear();
    }
}
