//! Writing: lines and newest events with the pen held, so that they are of one moment; then the content of files, which
//! never changes; then the manifest. What must not happen: a file is in the zip twice, or named by a line and not there.
use std::{
    fs::File,
    io::{BufWriter, Write},
};

use fts_plugin_api::{
    params,
    sdk::{Error, Result},
};

use super::{FORM, FileHead, Head, LINES, Line, tables};
use crate::{
    archive::Reader,
    desk::Desk,
    model::{ContentItem, Mission},
    pack::Pack,
    store::{Db, contents, missions},
    work::Work,
};

/// Rows read at once.
const PAGE: i64 = 500;

/// A mission as a file that goes when it is dropped. Files whose content is gone are left out. `host` = by which clients
/// reach the server; "" = not known.
///
/// # Errors
/// `NotFound` when the mission was deleted meanwhile; the database, the disk.
pub fn write(desk: &Desk, mission: &Mission, host: &str, with_files: bool) -> Result<Work> {
    let lines = Work::new(&desk.host)?;
    let mut out = Out { to: BufWriter::new(File::create_new(lines.path())?), rows: 0 };
    let mut pack = Pack::new(desk)?;
    let (mission, files) = {
        let _pen = desk.pen();
        let sql = desk.host.sql();
        let gone = || Error::not_found(format!("the mission {:?} was deleted", mission.name));
        let mission = missions::by_id(&sql, mission.id)?.ok_or_else(gone)?;
        rows(desk, &mission, &mut out)?;
        pack.events(mission.id)?;
        let files = contents::of_mission(&sql, mission.id)?;
        (mission, files)
    };
    for (n, item) in files.iter().enumerate().filter(|_| with_files) {
        if let Some(entry) = pack.file(&mission, n, item)? {
            out.line(&Line::File { file: head(desk, item, entry)? })?;
        }
    }
    let end = out.rows;
    out.line(&Line::End { end })?;
    out.to.flush()?;
    pack.aside(LINES, File::open(lines.path())?)?;
    pack.finish(&mission, &Reader { host, groups: &mission.named_groups(), secret: true })
}

struct Out {
    to: BufWriter<File>,
    rows: u64,
}

impl Out {
    fn line(&mut self, value: &impl serde::Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.to, value)?;
        self.to.write_all(b"\n")?;
        Ok(())
    }

    fn row(&mut self, table: &str, json: &str) -> Result<()> {
        self.rows += 1;
        self.line(&Line::Row { t: table.to_owned(), r: serde_json::from_str(json)? })
    }
}

fn rows(desk: &Desk, mission: &Mission, out: &mut Out) -> Result<()> {
    let sql = desk.host.sql();
    let gone = || Error::not_found(format!("the mission {:?} was deleted", mission.name));
    let row: String = sql.one(&tables::READ_MISSION, params![mission.id], |row| row.get("j"))?.ok_or_else(gone)?;
    let (guid, name) = (mission.guid.clone(), mission.name.clone());
    out.line(&Head { fts_mission: FORM, guid, name, exported: desk.host.now() })?;
    out.row("mission", &row)?;
    for table in &tables::ALL {
        let (read, mut after) = (table.read(), 0_i64);
        loop {
            let get = |row: fts_plugin_api::sdk::sql::Row<'_>| Ok((row.get::<i64>("n")?, row.get::<String>("j")?));
            let page = sql.all(&read, params![mission.id, after, PAGE], get)?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            page.iter().try_for_each(|(_, json)| out.row(table.name, json))?;
        }
    }
    Ok(())
}

/// What the store says of a file whose content is in this member. One that was deleted while it was copied is named by what
/// the mission knows.
fn head(desk: &Desk, item: &ContentItem, entry: String) -> Result<FileHead> {
    let sha256 = item.resource.hash.clone();
    let Some(info) = desk.host.files().get(&sha256)? else {
        let name = item.resource.known.as_ref().map(|known| known.name.clone()).unwrap_or_default();
        return Ok(FileHead { sha256, name, entry: Some(entry), expiration: -1, ..FileHead::default() });
    };
    Ok(FileHead {
        sha256,
        name: info.name,
        file_name: info.file_name,
        uid: info.uid,
        content_type: info.content_type,
        keywords: info.keywords,
        tool: info.tool,
        creator_uid: info.creator_uid,
        expiration: info.expiration,
        entry: Some(entry),
    })
}
