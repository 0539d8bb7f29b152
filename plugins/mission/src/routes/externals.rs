//! M-60 to M-62: records of other tools that a mission points to (mission.md 1.6, 3.10). Each step is a change, and live
//! members get `t-x-m-c-e`. A token of a change is in that change's URLs only; what is stored keeps plain ones.
use fts_plugin_api::sdk::{DELETE, POST};
use serde::Deserialize;

use crate::{
    answer::{self, Answer},
    book::Book,
    model::{ChangeKind, External, Mission, Permission, Subject, or_default},
    params,
    refusal::Refusal,
    store::externals,
    visit::Visit,
    write::Write,
};

/// Longest token of a change, bytes: it goes into URLs.
const TOKEN: usize = 4096;

/// Paths of this family.
pub fn register(book: &mut Book<'_, '_>) {
    book.on(POST, "/externaldata", Permission::Write, post);
    book.on(DELETE, "/externaldata/{id}", Permission::Write, delete);
    book.on(POST, "/externaldata/{id}/change", Permission::Write, change);
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    #[serde(flatten)]
    external: External,
    /// Where FTS clients say it.
    #[serde(default, deserialize_with = "or_default")]
    creator_uid: String,
}

/// M-60.
fn post(visit: &mut Visit<'_>) -> Answer {
    let Body { external, creator_uid } = visit.body()?;
    if external.uid.trim().is_empty() {
        return Err(Refusal::Bad("uid is missing: the caller chooses it".into()));
    }
    let author = Some(visit.creator()).filter(|a| !a.is_empty()).unwrap_or(creator_uid);
    visit.desk.write(|w| put(w, &visit.mission, &external, &author))?;
    Ok(answer::created(visit.desk, answer::EXTERNAL, external))
}

/// M-61.
fn delete(visit: &mut Visit<'_>) -> Answer {
    let id = visit.request.param("id").to_owned();
    let author = params::required(visit.request, "creatorUid")?.to_owned();
    let notes = params::text(visit.request, "notes").map(str::to_owned);
    visit.desk.write(|w| remove(w, &visit.mission, &id, notes.as_deref(), &author))?;
    Ok(answer::empty())
}

/// M-62.
fn change(visit: &mut Visit<'_>) -> Answer {
    let id = visit.request.param("id").to_owned();
    let author = visit.creator();
    let notes = params::text(visit.request, "notes").map(str::to_owned);
    let token = String::from_utf8(visit.request.bytes(TOKEN)?)
        .map_err(|_| Refusal::Bad("the body is the token of the change, as text".into()))?;
    visit.desk.write(|w| changed(w, &visit.mission, &id, notes.as_deref(), token.trim(), &author))?;
    Ok(answer::empty())
}

/// Writes one, new or not.
///
/// # Errors
/// 410 when the mission was deleted meanwhile; the database.
pub fn put(w: &mut Write<'_, '_>, mission: &Mission, external: &External, author: &str) -> Result<(), Refusal> {
    let mission = w.fresh(mission)?;
    externals::put(w.tx, mission.id, external, author)?;
    let subject = Subject::External(external.clone(), String::new());
    w.change(&mission, ChangeKind::AddContent, author, subject).map(drop)
}

/// Removes one; `notes` say why, None = as they are stored.
///
/// # Errors
/// 404, 410; the database.
pub fn remove(
    w: &mut Write<'_, '_>,
    mission: &Mission,
    uid: &str,
    notes: Option<&str>,
    author: &str,
) -> Result<(), Refusal> {
    let mission = w.fresh(mission)?;
    let external = noted(w, &mission, uid, notes)?;
    externals::remove(w.tx, mission.id, uid)?;
    let subject = Subject::External(external, String::new());
    w.change(&mission, ChangeKind::RemoveContent, author, subject).map(drop)
}

/// What it points to was changed: told with the token, not stored.
///
/// # Errors
/// 404, 410; the database.
pub fn changed(
    w: &mut Write<'_, '_>,
    mission: &Mission,
    uid: &str,
    notes: Option<&str>,
    token: &str,
    author: &str,
) -> Result<(), Refusal> {
    let mission = w.fresh(mission)?;
    let external = noted(w, &mission, uid, notes)?;
    w.change(&mission, ChangeKind::AddContent, author, Subject::External(external, token.to_owned())).map(drop)
}

fn noted(w: &Write<'_, '_>, mission: &Mission, uid: &str, notes: Option<&str>) -> Result<External, Refusal> {
    let found = externals::find(w.tx, mission.id, uid)?.ok_or_else(|| Refusal::none("external data", uid))?;
    let notes = notes.map_or_else(|| found.notes.clone(), str::to_owned);
    Ok(External { notes, ..found })
}
