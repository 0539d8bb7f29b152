//! What other plugins change in a mission: events, files, external data; and notices without a change.
use std::collections::HashMap;

use fts_plugin_api::{
    cot::{Builder, Cot},
    sdk::{
        FileInfo,
        missions::{Answer, By, External, NewFile},
    },
    tracing,
};
use serde_bytes::ByteBuf;

use super::{Done, one, sign};
use crate::{
    adding,
    desk::Desk,
    items::{self, Added, NewCot},
    model::{self, ChangeKind, Mission, Resource, Subject},
    notice::Notice,
    notice_xml as xml,
    refusal::Refusal,
    routes::externals,
    store::contents,
    write::Write,
};

/// Notices that may be sent without a change.
const TOLD: [&str; 3] = ["t-x-m-c-m", "t-x-m-c-l", "t-x-m-c-h"];

/// Stores events, and gives them to the members behind their notices.
pub fn add_events(desk: &Desk, mission: &Mission, events: &[ByteBuf], by: &By) -> Done {
    let mut cots = Vec::with_capacity(events.len());
    for text in events {
        let cot = Cot::parse(text.to_vec()).map_err(|e| Refusal::Bad(format!("no event: {e}")))?;
        cots.push(items::stripped(&fts_plugin_api::sdk::Event::of(cot.text(), cot.spans()))?);
    }
    let done = desk.write_then(
        |w| {
            sign(w, by);
            let mission = w.fresh(mission)?;
            let (mut answer, mut send) = (one(&mission), Vec::new());
            for cot in cots {
                let received = by.at.unwrap_or(w.now);
                let creator_uid = by.author.clone();
                let new = NewCot { cot, creator_uid, received, path: None, after: None, journal: 0 };
                match items::add_cot(w, &desk.config, &mission, &new)? {
                    Added::Refused(why) => answer.messages.push(format!("{} was not added: {why}", new.cot.uid())),
                    _ => send.push(new.cot),
                }
            }
            Ok((answer, send))
        },
        |(answer, send), after| {
            after.into_iter().for_each(|what| desk.carry_out(what));
            send.iter().for_each(|cot| adding::forward(desk, mission, &by.author, cot));
            answer
        },
    )?;
    Ok(done)
}

/// Links files; what their plugin wants shown of them stands in the notice.
pub fn add_files(desk: &Desk, mission: &Mission, files: &[NewFile], by: &By) -> Done {
    let mut known: HashMap<&str, FileInfo> = HashMap::new();
    for file in files {
        // Once it is stored it is too late to refuse the notice.
        let content = Builder::new("t-x-m-c", 0).child("content", &[], &file.inline).build();
        content.map_err(|e| Refusal::Bad(format!("what is shown of the file {}: {e}", file.sha256)))?;
        if let Some(info) = desk.host.files().get(&file.sha256)? {
            known.insert(&file.sha256, info);
        }
    }
    let answer = desk.write(|w| {
        sign(w, by);
        let mission = w.fresh(mission)?;
        let mut answer = one(&mission);
        for file in files {
            match known.get(file.sha256.as_str()) {
                Some(info) => add_file(desk, w, &mission, info, &file.inline, by, &mut answer)?,
                None => answer.messages.push(format!("there is no file with the hash {:?}", file.sha256)),
            }
        }
        Ok(answer)
    })?;
    known.values().for_each(|file| adding::open_up(desk, mission, file));
    Ok(answer)
}

fn add_file(
    desk: &Desk,
    w: &mut Write<'_, '_>,
    mission: &Mission,
    info: &FileInfo,
    inline: &str,
    by: &By,
    answer: &mut Answer,
) -> Result<(), Refusal> {
    let resource = Resource::from(info);
    let full = contents::count(w.tx, mission.id)? >= desk.config.max_contents;
    if full && !contents::holds(w.tx, mission.id, &resource.hash)? {
        tracing::error!(
            event = "mission.limit", mission = %mission.guid, uid = %by.author, item = %resource.hash, most = desk.config.max_contents,
            "the mission is full (plugins.mission.max_contents): a file of a plugin was not added"
        );
        answer
            .messages
            .push(format!("{} was not added: the mission is full (plugins.mission.max_contents)", info.name));
        return Ok(());
    }
    contents::put(w.tx, mission.id, &resource, &by.author, w.now)?;
    let change = w.record(mission, ChangeKind::AddContent, &by.author, Subject::Content(resource), w.now)?;
    let content = if inline.is_empty() { String::new() } else { format!("<content>{inline}</content>") };
    let inner = xml::changes_with(&change, desk.config.notify_content_hash, &content);
    let notice = Notice::live("t-x-m-c", mission, &by.author, &inner);
    // Whoever has the content with the notice need not fetch it.
    match inline.is_empty() {
        true => w.announce(mission, &change, notice),
        false => w.notice(notice),
    }
    Ok(())
}

/// Takes items and files out; what is not there is announced all the same (clients wait for it).
pub fn remove(desk: &Desk, mission: &Mission, uids: &[String], hashes: &[String], by: &By) -> Done {
    desk.write(|w| {
        sign(w, by);
        let mission = w.fresh(mission)?;
        for uid in uids {
            items::remove_uid(w, &mission, uid, &by.author)?;
        }
        for hash in hashes {
            items::remove_file(w, &mission, hash, &by.author, items::known_or_gone(hash))?;
        }
        Ok(one(&mission))
    })
}

/// External data, new or again.
pub fn put_external(desk: &Desk, mission: &Mission, external: External, by: &By) -> Done {
    let External { uid, name, tool, url_data, url_view, notes } = external;
    if uid.is_empty() {
        return Err(Refusal::Bad("external data needs a uid".into()));
    }
    let external = model::External { uid, name, tool, url_data, url_view, notes };
    desk.write(|w| {
        sign(w, by);
        externals::put(w, mission, &external, &by.author)
    })?;
    Ok(one(mission))
}

/// It goes.
pub fn remove_external(desk: &Desk, mission: &Mission, uid: &str, notes: Option<&str>, by: &By) -> Done {
    desk.write(|w| {
        sign(w, by);
        externals::remove(w, mission, uid, notes, &by.author)
    })?;
    Ok(one(mission))
}

/// What it points to was changed.
pub fn external_changed(desk: &Desk, mission: &Mission, uid: &str, notes: Option<&str>, token: &str, by: &By) -> Done {
    desk.write(|w| {
        sign(w, by);
        externals::changed(w, mission, uid, notes, token, &by.author)
    })?;
    Ok(one(mission))
}

/// A notice to live members, the author included.
pub fn tell(desk: &Desk, mission: &Mission, kind: &str, by: &By) -> Done {
    let kind = TOLD.into_iter().find(|k| *k == kind);
    let kind = kind.ok_or_else(|| Refusal::Bad(format!("one of {} can be told", TOLD.join(", "))))?;
    desk.write(|w| {
        let mission = w.fresh(mission)?;
        w.notice(Notice::live(kind, &mission, &by.author, ""));
        Ok(one(&mission))
    })
}
