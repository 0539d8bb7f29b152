//! [`Kept`]: files that are stored before it is certain that they get into a mission: of a package, of an import.
//!
//! Order: [`Kept::put`] stores, [`Kept::settle`] keeps what is in the mission, what is left when it is dropped goes again.
//! What must not happen: a file that was there before, or that is in the mission, is deleted.
use fts_plugin_api::{
    sdk::{Code, FileInfo},
    tracing,
};

use super::Loader;
use crate::{desk::Desk, model::Mission, refusal::Refusal, store::contents, work::Work};

/// See the file's head.
pub struct Kept<'a> {
    desk: &'a Desk,
    /// Uid and hash: every file gets a uid of its own.
    new: Vec<(String, String)>,
}

impl<'a> Kept<'a> {
    /// Nothing yet.
    pub fn new(desk: &'a Desk) -> Self {
        Self { desk, new: Vec::new() }
    }

    /// Stores a file.
    ///
    /// # Errors
    /// The disk, the store of files.
    pub fn put(&mut self, info: FileInfo, work: &Work) -> Result<FileInfo, Refusal> {
        let file = self.desk.host.files().put_file(info, work.relative())?;
        self.new.push((file.uid.clone(), file.sha256.clone()));
        Ok(file)
    }

    /// Stores a file of a package for whoever reads the mission.
    ///
    /// # Errors
    /// As [`Kept::put`].
    pub fn store(&mut self, loader: &Loader<'_>, name: &str, work: &Work) -> Result<FileInfo, Refusal> {
        let mut groups = loader.caller.groups_of(loader.mission);
        // What is read by everybody is read by its groups; a closed mission has fewer members than they.
        let more = loader.mission.groups.iter().filter(|_| !loader.mission.is_closed());
        let more: Vec<String> = more.filter(|g| !groups.contains(g)).cloned().collect();
        groups.extend(more);
        let info = FileInfo {
            name: name.to_owned(),
            submitter: loader.caller.user.clone(),
            creator_uid: loader.creator.to_owned(),
            tool: if loader.mission.is_closed() { "private" } else { "public" }.to_owned(),
            groups,
            ..FileInfo::default()
        };
        self.put(info, work)
    }

    /// Keeps what is in the mission.
    ///
    /// # Errors
    /// The database.
    pub fn settle(&mut self, mission: &Mission) -> Result<(), Refusal> {
        let sql = self.desk.host.sql();
        for (uid, hash) in std::mem::take(&mut self.new) {
            if !contents::holds(&sql, mission.id, &hash)? {
                self.new.push((uid, hash));
            }
        }
        Ok(())
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.new.iter().for_each(|(uid, hash)| discard(self.desk, uid, hash));
    }
}

/// Deletes a file that was stored in vain; one that cannot be deleted stays, and is logged.
pub fn discard(desk: &Desk, uid: &str, hash: &str) {
    match desk.host.files().delete_versions(uid, Some(hash)) {
        Err(error) if error.code() != Code::NotFound => {
            tracing::warn!(event = "mission.file_kept", %hash, "a file that was stored in vain stays: {error}");
        }
        _ => {}
    }
}
