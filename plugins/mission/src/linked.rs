//! Files that missions link to (mission.md 5.7): they stay while a mission has them, and what is said of them is what the
//! store of files says now. A file that somebody deletes is taken out of its missions first, whose members are told
//! (marti-http.md 6.9); one whose time is over stays.
use fts_plugin_api::{
    message,
    sdk::{Cause, Deletion, Error, FileInfo, MayRead, Result},
    tracing,
};

use crate::{
    desk::Desk,
    model::{ChangeKind, Mission, Permission, Resource, Subject},
    refusal::Refusal,
    store::{contents, layers, missions, subscriptions},
};

/// The last file with a content is about to go; Some = it must stay, and why.
pub fn deletion(desk: &Desk, deletion: &Deletion) -> Option<String> {
    let hash = deletion.sha256.to_ascii_lowercase();
    if deletion.cause != Cause::Deleted {
        return keeps(desk, &hash);
    }
    let refusal = unlink(desk, &hash).err()?;
    tracing::error!(event = "mission.failed", "a file cannot be taken out of its missions: it stays: {refusal}");
    Some("it cannot be taken out of its missions now".to_owned())
}

/// Takes a file out of every mission. Who deletes it is not known here: the changes have no author.
fn unlink(desk: &Desk, hash: &str) -> std::result::Result<(), Refusal> {
    if !contents::is_used(&desk.host.sql(), hash)? {
        return Ok(());
    }
    desk.write(|w| {
        for id in contents::missions_of(w.tx, hash)? {
            let Some(mission) = missions::by_id(w.tx, id)? else { continue };
            let known = contents::find(w.tx, id, hash)?.map(|item| item.resource);
            contents::remove(w.tx, id, hash)?;
            layers::drop_item(w.tx, id, hash)?;
            let resource = known.unwrap_or_else(|| Resource::gone(hash));
            w.change(&mission, ChangeKind::RemoveContent, "", Subject::Content(resource))?;
        }
        Ok(())
    })
}

/// Why a file must stay; None = it may go. The name of the mission is not told: who deletes a file may not see it.
fn keeps(desk: &Desk, hash: &str) -> Option<String> {
    match contents::is_used(&desk.host.sql(), hash) {
        Ok(false) => None,
        Ok(true) => Some("a mission has it: take it out of the mission first".to_owned()),
        Err(error) => {
            tracing::error!(event = "mission.failed", "whether a mission has a file is not known: it stays: {error}");
            Some("whether a mission has it cannot be found out now".to_owned())
        }
    }
}

/// May somebody have a file whose groups it is not in? A member of a mission that has it may (5.7).
///
/// # Errors
/// The database.
pub fn may_read(desk: &Desk, ask: &MayRead) -> Result<bool> {
    desk.host.sql().read(|read| {
        for id in contents::missions_of(read, &ask.sha256.to_ascii_lowercase())? {
            let seen = |m: &Mission| m.all_groups || m.groups.iter().any(|g| ask.groups.contains(g));
            if missions::by_id(read, id)?.is_some_and(|m| seen(&m))
                && subscriptions::of_user(read, id, &ask.user)?.iter().any(|row| row.role.allows(Permission::Read))
            {
                return Ok(true);
            }
        }
        Ok(false)
    })
}

/// Somebody changed what is said of a file.
///
/// # Errors
/// The database.
pub fn changed(desk: &Desk, bytes: &[u8]) -> Result<()> {
    let file: FileInfo = message::unpack(bytes).map_err(|e| Error::new(e.to_string()))?;
    let sql = desk.host.sql();
    if !contents::is_used(&sql, &file.sha256)? {
        return Ok(());
    }
    // Several rows may have this content; the newest is the one that missions show.
    let Some(newest) = desk.host.files().get(&file.sha256)? else { return Ok(()) };
    let _pen = desk.pen();
    sql.tx(|tx| contents::describe(tx, &Resource::from(&newest))).map(drop)
}
