//! What was added to a mission of FTS: files, events and external data, in the order of time, each a change of that time by
//! who added it, as far as FTS's history says so. Written some hundred at a time; nobody is told: nobody sees it yet.
//!
//! Of a mission that is here ([`Into::Living`]) only what its history knows nothing of is added, as of now: what could not be
//! read before. Members are told. What must not happen: what somebody took out comes back.
use std::collections::HashSet;

use fts_plugin_api::{
    cot::{Attr, Cot},
    sdk::FileInfo,
};

use super::{Report, Rows, history::History};
use crate::{
    adding::{self, Item, What},
    desk::Desk,
    items::{self, Added, NewCot},
    model::{External, Mission},
    package::event,
    refusal::Refusal,
    routes::externals,
    store::{
        changes::{self, About},
        missions,
    },
    write::Write,
};

pub const CONTENT: &str = "mission_content";
pub const COT: &str = "MissionCoT";
pub const EXTERNAL: &str = "external_data";
/// Of one transaction.
const AT_ONCE: usize = 256;
/// Of files that only members of a closed mission may have.
const PRIVATE: &str = "private";

/// What a mission is that things are added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Into {
    /// It is being imported.
    Half,
    /// It was imported before.
    Living,
}

enum Act {
    File(Box<FileInfo>),
    Event(Box<Cot>),
    /// An item of which FTS lost the event.
    Bare(String),
    External(External),
}

impl Act {
    /// What its change is about.
    fn about<'a>(&'a self, key: &'a str) -> About<'a> {
        match self {
            Self::File(file) => About::File(&file.sha256),
            Self::Event(_) | Self::Bare(_) => About::Uid(key),
            Self::External(external) => About::External(&external.uid),
        }
    }
}

/// What became of one.
enum Done {
    Added,
    Known,
    Refused(&'static str),
}

struct Timed {
    at: i64,
    creator: String,
    table: &'static str,
    key: String,
    act: Act,
}

/// Adds everything.
///
/// # Errors
/// The database.
pub fn take(desk: &Desk, mission: &Mission, into: Into, rows: &Rows, report: &mut Report) -> Result<(), Refusal> {
    let history = History::of(rows, mission.create_time..=desk.host.now().max(mission.create_time));
    let mut all = Vec::new();
    files(desk, mission, rows, &history, &mut all, report)?;
    events(desk, mission, rows, &history, &mut all, report);
    for row in &rows.external_data {
        let id = row.text("id");
        let external = External {
            uid: Some(row.text("uid")).filter(|uid| !uid.is_empty()).unwrap_or_else(|| id.clone()),
            name: row.text("name"),
            tool: row.text("tool"),
            url_data: row.text("urlData"),
            url_view: row.text("urlView"),
            notes: row.text("notes"),
        };
        if external.uid.is_empty() {
            report.failed(EXTERNAL, id, "it has no uid");
            continue;
        }
        let (at, creator) = history.of_row(row, "external_data_uid", &[&id, &external.uid]);
        all.push(Timed { at, creator, table: EXTERNAL, key: external.uid.clone(), act: Act::External(external) });
    }
    all.sort_by_key(|timed| timed.at);
    for some in all.chunks(AT_ONCE) {
        for (timed, done) in some.iter().zip(written(desk, mission, into, some)?) {
            match done {
                Done::Added => report.imported(timed.table),
                Done::Known => report.skipped(timed.table, 1),
                Done::Refused(why) => report.failed(timed.table, &timed.key, why),
            }
        }
    }
    Ok(())
}

/// One transaction, and what follows where somebody is in the mission.
fn written(desk: &Desk, mission: &Mission, into: Into, some: &[Timed]) -> Result<Vec<Done>, Refusal> {
    let work = |w: &mut Write<'_, '_>| {
        let mission = w.fresh(mission)?;
        let now = w.now;
        let mut all = Vec::with_capacity(some.len());
        for timed in some {
            (w.now, w.at) = match into {
                Into::Half => (timed.at, None),
                Into::Living => (now, Some(timed.at)),
            };
            all.push(
                match into == Into::Living && changes::speaks_of(w.tx, mission.id, timed.act.about(&timed.key))? {
                    true => Done::Known,
                    false => write(desk, w, &mission, timed)?.map_or(Done::Added, Done::Refused),
                },
            );
        }
        if into == Into::Half {
            missions::touch(w.tx, mission.id, some.iter().map(|timed| timed.at).max().unwrap_or_default())?;
        }
        Ok(all)
    };
    desk.write_then(work, |all, after| {
        if into == Into::Living {
            after.into_iter().for_each(|what| desk.carry_out(what));
            for (timed, done) in some.iter().zip(&all) {
                if let (Act::Event(cot), Done::Added) = (&timed.act, done) {
                    adding::forward(desk, mission, &timed.creator, cot);
                }
            }
        }
        all
    })
}

/// Why it was not added.
fn write(
    desk: &Desk,
    w: &mut Write<'_, '_>,
    mission: &Mission,
    timed: &Timed,
) -> Result<Option<&'static str>, Refusal> {
    let creator = &timed.creator;
    Ok(match &timed.act {
        Act::File(file) => {
            let item = Item { what: What::File(file.sha256.clone()), path: None, after: None };
            adding::file_item(desk, w, mission, creator, &item, file)?
        }
        Act::Event(cot) => {
            let (cot, received, creator_uid) = ((**cot).clone(), timed.at, creator.clone());
            let new = NewCot { cot, creator_uid, received, path: None, after: None, journal: 0 };
            match items::add_cot(w, &desk.config, mission, &new)? {
                Added::Refused(why) => Some(why),
                _ => None,
            }
        }
        Act::Bare(uid) => items::add_bare(w, &desk.config, mission, uid, creator, None)?,
        Act::External(external) => {
            externals::put(w, mission, external, creator)?;
            None
        }
    })
}

fn files(
    desk: &Desk,
    mission: &Mission,
    rows: &Rows,
    history: &History<'_>,
    all: &mut Vec<Timed>,
    report: &mut Report,
) -> Result<(), Refusal> {
    let mut seen = HashSet::new();
    for row in &rows.mission_content {
        let (key, sha256) = (row.text("PrimaryKey"), row.text("sha256"));
        if !seen.insert(sha256.clone()) {
            report.skipped(CONTENT, 1);
            continue;
        }
        let Some(file) = desk.host.files().get(&sha256)? else {
            report.failed(CONTENT, key, "its file is not in the store");
            continue;
        };
        if mission.is_closed() && row.flag("new") {
            desk.host.files().describe(FileInfo { tool: PRIVATE.to_owned(), ..file.clone() })?;
        }
        let (at, creator) = history.of_row(row, "content_resource_uid", &[&key, &row.text("hash")]);
        let creator = Some(creator).filter(|uid| !uid.is_empty()).unwrap_or_else(|| file.creator_uid.clone());
        all.push(Timed { at, creator, table: CONTENT, key, act: Act::File(Box::new(file)) });
    }
    Ok(())
}

fn events(
    desk: &Desk,
    mission: &Mission,
    rows: &Rows,
    history: &History<'_>,
    all: &mut Vec<Timed>,
    report: &mut Report,
) {
    let mut without = 0;
    for row in &rows.cot {
        let (uid, xml) = (row.text("uid"), row.verbatim("xml"));
        if uid.is_empty() {
            report.failed(COT, uid, "it has no uid");
            continue;
        }
        let act = match xml.is_empty() {
            false => event(desk, &uid, xml.as_bytes()).and_then(|cot| match cot.uid() == uid {
                true => Ok(Act::Event(Box::new(cot))),
                false => Err(Refusal::Bad(format!("it is of {}", cot.uid()))),
            }),
            true => Ok(Act::Bare(uid.clone())),
        };
        let act = act.unwrap_or_else(|refusal| {
            report.notes.push(format!("the event of {uid} in {:?} cannot be read: {refusal}", mission.name));
            Act::Bare(uid.clone())
        });
        without += u64::from(matches!(act, Act::Bare(_)));
        let (mut at, creator) = history.of_row(row, "cot_detail_uid", &[&uid]);
        if let (Act::Event(cot), None) = (&act, history.find("cot_detail_uid", &[&uid])) {
            let own = row.time("create_time").or_else(|| cot.time(Attr::Time)).unwrap_or(at);
            at = history.within(own);
        }
        all.push(Timed { at, creator, table: COT, key: uid, act });
    }
    if without > 0 {
        report.notes.push(format!(
            "of {without} items of {:?} FTS has no event: they are in the mission by uid, and get one when it is sent again",
            mission.name
        ));
    }
}
