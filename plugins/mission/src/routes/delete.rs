//! M-08 and M-09: a mission is deleted. Its record stays, so that every path answers 410; a new one may take its name.
use fts_plugin_api::{
    sdk::{Code, Request},
    tracing,
};

use crate::{
    answer::{self, Answer},
    book,
    caller::Caller,
    desk::Desk,
    keepsake::Keepsake,
    model::{ChangeKind, Mission, Permission, Role, Subject},
    params,
    present::{self, Depth},
    refusal::Refusal,
    store::{contents, missions},
    visit::Visit,
    write::After,
};

/// Archives that are made while others write, to any mission. When each was overtaken by a write, the next one is made
/// with the pen held, so that it always comes to an end: until then writers of every mission wait.
const TRIES: usize = 3;

/// DELETE `missions?guid={guid}`.
pub fn by_query(desk: &Desk, request: &mut Request, caller: &Caller) -> Answer {
    let guid = params::required(request, "guid")?.to_owned();
    let mission = book::by_guid(desk, caller, &guid)?;
    let role = caller.role_in(&desk.host.sql(), &mission)?;
    let mut visit = Visit { desk, request, caller: caller.clone(), mission, role };
    let answer = visit.need(Permission::Write).and_then(|()| delete(&mut visit));
    answer.map_err(|refusal| book::unless_gone(desk, &visit.mission, refusal))
}

/// DELETE `missions/{name}`.
pub fn delete(visit: &mut Visit<'_>) -> Answer {
    if visit.desk.config.delete_requires_owner && visit.role != Some(Role::Owner) {
        return Err(visit.deny("only an owner deletes a mission (plugins.mission.delete_requires_owner)".into()));
    }
    let deep = params::flag(visit.request, "deepDelete", false)?;
    if deep {
        visit.need(Permission::Delete)?;
    }
    let view = present::mission(visit.desk, &visit.mission, &visit.caller, Depth::WHOLE)?;
    end(visit.desk, &visit.mission, &visit.creator(), deep)?;
    let (mission, user, uid) = (&visit.mission.guid, &visit.caller.user, visit.caller.uid.as_deref().unwrap_or(""));
    tracing::info!(event = "mission.deleted", %mission, %user, %uid, deep, "deleted");
    Ok(answer::ok(visit.desk, answer::MISSION, [view]))
}

/// Ends a mission: an archive of it ([`Keepsake`]), then members, rows, change, notice. `deep` = its files go, too, when no
/// other mission has them (events of a deleted mission go with the sweep in any case).
///
/// # Errors
/// 410 when it is gone already; the database.
pub fn end(desk: &Desk, mission: &Mission, author: &str, deep: bool) -> Result<(), Refusal> {
    end_when(desk, mission, author, deep, |_| true)
}

/// The same, but only if the mission as the transaction sees it is still to be ended.
///
/// # Errors
/// As [`end`]; 409 when it is not.
pub fn end_when(
    desk: &Desk,
    mission: &Mission,
    author: &str,
    deep: bool,
    still: impl Fn(&Mission) -> bool,
) -> Result<(), Refusal> {
    end_as(desk, mission, author, deep, false, still)
}

/// The same; `federated` = another server ended it.
///
/// # Errors
/// As [`end_when`].
pub fn end_as(
    desk: &Desk,
    mission: &Mission,
    author: &str,
    deep: bool,
    federated: bool,
    still: impl Fn(&Mission) -> bool,
) -> Result<(), Refusal> {
    let (mut keepsake, mut tries) = (Keepsake::new(desk, mission), 0);
    let files = loop {
        tries += 1;
        // The last one ends it: nobody writes from before its archive until the commit.
        let last = (tries > TRIES).then(|| desk.pen());
        keepsake.make();
        let alone = last.is_some();
        let ended = desk.write_with(last.unwrap_or_else(|| desk.pen()), |w| {
            w.federated = federated;
            let mission = w.fresh(mission)?;
            if !still(&mission) {
                return Err(Refusal::Conflict(format!("the mission {:?} goes on", mission.name)));
            }
            let files = contents::of_mission(w.tx, mission.id)?;
            if !alone && !keepsake.is_whole(w.tx, &mission, &files)? {
                return Ok(None);
            }
            w.change(&mission, ChangeKind::DeleteMission, author, Subject::Mission)?;
            w.moves.all_went(w.tx, mission.id)?;
            missions::delete(w.tx, mission.id)?;
            w.then(After::Close(mission.guid.clone()));
            let mut only = Vec::new();
            for file in files.into_iter().filter(|_| deep) {
                if !contents::is_used(w.tx, &file.resource.hash)? {
                    only.push(file.resource.hash);
                }
            }
            Ok(Some(only))
        });
        match ended {
            Ok(Some(files)) => break files,
            Ok(None) => {
                tracing::debug!(event = "mission.archived_again", mission = %mission.guid, tries, "it was written to meanwhile");
                keepsake.clear();
            }
            Err(refusal) => {
                if matches!(refusal, Refusal::Host(_)) {
                    keepsake.keep_unless_there();
                }
                return Err(refusal);
            }
        }
    };
    keepsake.keep();
    for hash in files {
        match desk.host.files().delete(&hash) {
            Err(error) if error.code() != Code::NotFound => {
                tracing::warn!(event = "mission.file_kept", mission = %mission.guid, %hash, "a file stays: {error}");
            }
            _ => {}
        }
    }
    Ok(())
}
