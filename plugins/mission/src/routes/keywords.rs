//! M-27 to M-33: keywords of a mission, its map items and its files (mission.md 3.5).
//!
//! A list replaces what was there. No change is recorded; those of a mission are announced to its groups, those of an item
//! or file to the live members, with the new list.
use fts_plugin_api::sdk::{DELETE, PUT, missions::kind};

use crate::{
    answer::{self, Answer},
    book::Book,
    edits,
    model::{Mission, Permission},
    notice::Notice,
    notice_xml as xml,
    present::Depth,
    refusal::Refusal,
    store::{contents, keywords, missions, uids},
    visit::Visit,
    write::Write,
};

/// Their paths.
pub fn register(book: &mut Book<'_, '_>) {
    book.on(PUT, "/keywords", Permission::Write, put);
    book.on(DELETE, "/keywords", Permission::Write, clear);
    book.on(DELETE, "/keywords/{keyword}", Permission::Write, delete);
    book.on(PUT, "/uid/{uid}/keywords", Permission::Write, put_of_uid);
    book.on(DELETE, "/uid/{uid}/keywords", Permission::Write, clear_of_uid);
    book.on(PUT, "/content/{hash}/keywords", Permission::Write, put_of_content);
    book.on(DELETE, "/content/{hash}/keywords", Permission::Write, clear_of_content);
}

/// Keywords of one thing: a notice carries them all.
const MOST: usize = 1_000;
/// Bytes of one.
const LONGEST: usize = 1_024;

/// M-27.
pub fn put(visit: &mut Visit<'_>) -> Answer {
    let keywords = sent(visit)?;
    replace(visit, |_| Ok(keywords))
}

/// M-28.
pub fn clear(visit: &mut Visit<'_>) -> Answer {
    replace(visit, |_| Ok(Vec::new()))
}

/// M-29.
pub fn delete(visit: &mut Visit<'_>) -> Answer {
    let keyword = visit.request.param("keyword").to_owned();
    replace(visit, |mission| {
        let mut keywords = mission.keywords.clone();
        keywords.retain(|k| *k != keyword);
        if keywords.len() == mission.keywords.len() {
            return Err(Refusal::Bad(format!("the mission has no keyword {keyword:?}")));
        }
        Ok(keywords)
    })
}

fn replace(visit: &Visit<'_>, new: impl FnOnce(&Mission) -> Result<Vec<String>, Refusal>) -> Answer {
    let author = visit.creator();
    visit.desk.write(|w| {
        let mission = w.fresh(&visit.mission)?;
        let keywords = new(&mission)?;
        missions::set_keywords(w.tx, mission.id, &keywords)?;
        edits::keywords(w, &mission, (kind::KEYWORDS, ""), &keywords, &author);
        w.notice(Notice::broadcast("t-x-m-c-k", &mission, &author));
        Ok(())
    })?;
    Ok(answer::ok(visit.desk, answer::MISSION, [visit.show(Depth::WHOLE)?]))
}

/// M-30.
pub fn put_of_uid(visit: &mut Visit<'_>) -> Answer {
    let keywords = some(sent(visit)?)?;
    of_uid(visit, &keywords)
}

/// M-31.
pub fn clear_of_uid(visit: &mut Visit<'_>) -> Answer {
    of_uid(visit, &[])
}

fn of_uid(visit: &Visit<'_>, keywords: &[String]) -> Answer {
    let (uid, author) = (visit.request.param("uid"), visit.creator());
    visit.desk.write(|w| {
        let mission = w.fresh(&visit.mission)?;
        if !uids::holds(w.tx, mission.id, uid)? {
            return Err(Refusal::none("map item", uid));
        }
        keywords::set_of_uid(w.tx, mission.id, uid, keywords)?;
        edits::keywords(w, &mission, (kind::UID_KEYWORDS, uid), keywords, &author);
        tell(w, "t-x-m-c-k-u", &mission, &author, &list(["uidKeywords", "uid", "uidKeyword"], uid, keywords));
        Ok(())
    })?;
    Ok(answer::empty())
}

/// M-32.
pub fn put_of_content(visit: &mut Visit<'_>) -> Answer {
    let keywords = some(sent(visit)?)?;
    of_content(visit, &keywords)
}

/// M-33.
pub fn clear_of_content(visit: &mut Visit<'_>) -> Answer {
    of_content(visit, &[])
}

fn of_content(visit: &Visit<'_>, keywords: &[String]) -> Answer {
    let (hash, author) = (visit.request.param("hash").to_lowercase(), visit.creator());
    visit.desk.write(|w| {
        let mission = w.fresh(&visit.mission)?;
        if !contents::holds(w.tx, mission.id, &hash)? {
            return Err(Refusal::none("file", &hash));
        }
        keywords::set_of_content(w.tx, mission.id, &hash, keywords)?;
        edits::keywords(w, &mission, (kind::CONTENT_KEYWORDS, &hash), keywords, &author);
        let inner = list(["contentKeywords", "hash", "contentKeyword"], &hash, keywords);
        tell(w, "t-x-m-c-k-c", &mission, &author, &inner);
        Ok(())
    })?;
    Ok(answer::empty())
}

fn tell(w: &mut Write<'_, '_>, kind: &'static str, mission: &Mission, author: &str, inner: &str) {
    w.notice(Notice::live(kind, mission, author, inner));
}

/// `<uidKeywords uid="u"><uidKeyword keyword="k"/></uidKeywords>`: outer element, its attribute, inner element.
fn list([outer, attr, inner]: [&str; 3], of: &str, keywords: &[String]) -> String {
    let mut out = format!("<{outer}");
    xml::attr(&mut out, attr, of);
    if keywords.is_empty() {
        out.push_str("/>");
        return out;
    }
    out.push('>');
    for keyword in keywords {
        out.push_str(&format!("<{inner}"));
        xml::attr(&mut out, "keyword", keyword);
        out.push_str("/>");
    }
    out.push_str(&format!("</{outer}>"));
    out
}

/// The list in the body: each once, in their order.
fn sent(visit: &mut Visit<'_>) -> Result<Vec<String>, Refusal> {
    let mut keywords: Vec<String> = Vec::new();
    for keyword in visit.body::<Vec<String>>()? {
        let keyword = keyword.trim();
        if keyword.len() > LONGEST || keyword.chars().any(char::is_control) {
            return Err(Refusal::Bad(format!("a keyword has 1 to {LONGEST} bytes and no control characters")));
        }
        if !keyword.is_empty() && !keywords.iter().any(|k| k == keyword) {
            keywords.push(keyword.to_owned());
        }
    }
    match keywords.len() {
        0..=MOST => Ok(keywords),
        n => Err(Refusal::Bad(format!("{n} keywords: no more than {MOST} are allowed"))),
    }
}

fn some(keywords: Vec<String>) -> Result<Vec<String>, Refusal> {
    if keywords.is_empty() {
        return Err(Refusal::Bad("the list of keywords is empty: DELETE takes keywords away".into()));
    }
    Ok(keywords)
}
