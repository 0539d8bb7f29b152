//! A mission as a zip file (mission.md 4.8): its newest events, its files, a manifest. Three kinds of reader: whoever
//! downloads it (M-11), whom it is sent to (M-12), and who looks for it when the mission has ended ([`keep`]): those who
//! could read an open mission, the administrator at the console alone when it was closed.
//!
//! It is built on disk, page by page and file by file, so its size costs no memory. What cannot be read is left out and
//! logged. What must not happen: a failing archive stops a deletion; the hash of a password leaves the server.
use std::{
    collections::HashSet,
    fs::File,
    io::{self, BufWriter, Write},
};

use fts_plugin_api::{
    sdk::{Error, FileInfo, Result},
    tracing,
};
use zip::{CompressionMethod, ZipWriter, result::ZipError, write::SimpleFileOptions};

use crate::{
    desk::Desk,
    manifest::{Entry, Manifest},
    model::Mission,
    store::{contents, cot},
    work::Work,
};

/// By which an archive of an ended mission is found.
pub const KEYWORD: &str = "ARCHIVED_MISSION";
/// Events of one page.
const PAGE: i64 = 64;
/// A zip file needs its long form beyond.
const LONG: u64 = u32::MAX as u64;

/// Who is to read it.
pub struct Reader<'a> {
    /// Host by which it reaches the server.
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
    let work = Work::new(&desk.host)?;
    let mut zip = ZipWriter::new(BufWriter::new(File::create_new(work.path())?));
    let mut entries = Vec::new();
    for folder in ["cot/", "contents/"] {
        zip.add_directory(folder, options()).map_err(zipped)?;
    }
    events(desk, mission, &mut zip, &mut entries)?;
    files(desk, mission, &mut zip, &mut entries)?;
    zip.add_directory("MANIFEST/", options()).map_err(zipped)?;
    zip.start_file("MANIFEST/manifest.xml", options()).map_err(zipped)?;
    let Reader { host, groups, secret } = *reader;
    let manifest = Manifest { mission, uid: &desk.host.uuid(), host, groups, secret, entries: &entries };
    zip.write_all(manifest.xml().as_bytes())?;
    zip.finish().map_err(zipped)?.flush()?;
    Ok(work)
}

fn options() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(CompressionMethod::Deflated)
}

fn zipped(error: ZipError) -> Error {
    Error::new(format!("an archive could not be written: {error}"))
}

type Zip = ZipWriter<BufWriter<File>>;

fn events(desk: &Desk, mission: &Mission, zip: &mut Zip, entries: &mut Vec<Entry>) -> Result<()> {
    let sql = desk.host.sql();
    let upto = cot::last_item(&sql, mission.id)?;
    let (mut after, mut names) = (0, HashSet::new());
    loop {
        let page = cot::latest_page(&sql, mission.id, (after, upto), None, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        for (item, event) in page {
            let mut name = format!("cot/{}.cot", plain(&event.uid));
            if !names.insert(name.to_lowercase()) {
                name = format!("cot/{}_{item}.cot", plain(&event.uid));
                names.insert(name.to_lowercase());
            }
            zip.start_file(&*name, options()).map_err(zipped)?;
            zip.write_all(b"<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n")?;
            zip.write_all(event.xml.as_bytes())?;
            entries.push(Entry { name, uid: Some(event.uid) });
        }
    }
}

fn files(desk: &Desk, mission: &Mission, zip: &mut Zip, entries: &mut Vec<Entry>) -> Result<()> {
    for (n, item) in contents::of_mission(&desk.host.sql(), mission.id)?.into_iter().enumerate() {
        let hash = &item.resource.hash;
        let opened = desk.host.files().path(hash).and_then(|path| Ok(File::open(path)?));
        let mut file = match opened {
            Ok(file) => file,
            Err(error) => {
                tracing::error!(event = "mission.not_archived", mission = %mission.guid, "a file is left out of the archive: {error}");
                continue;
            }
        };
        let said = item.resource.known.as_ref().map_or(hash.as_str(), |known| known.name.as_str());
        let name = format!("contents/{n}_{}", plain(said));
        let long = file.metadata()?.len() >= LONG;
        // Pictures and packages are compressed already: to copy them is much quicker.
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(long);
        zip.start_file(&*name, options).map_err(zipped)?;
        io::copy(&mut file, zip)?;
        entries.push(Entry { name, uid: None });
    }
    Ok(())
}

/// One part of a path that leads nowhere, whatever it is made from.
pub fn plain(name: &str) -> String {
    let fine = |c: char| if c.is_control() || "/\\:*?\"<>|".contains(c) { '_' } else { c };
    let name: String = name.chars().take(120).map(fine).collect();
    match name.trim_matches(['.', ' ']) {
        "" => "_".to_owned(),
        rest => rest.to_owned(),
    }
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

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn names_lead_nowhere() {
        for (name, safe) in [
            ("a.jpg", "a.jpg"),
            ("../../etc/passwd", "_.._etc_passwd"),
            ("..", "_"),
            ("C:\\x", "C__x"),
            ("", "_"),
            ("ü ö", "ü ö"),
        ] {
            assert_eq!(plain(name), safe);
        }
    }
}
