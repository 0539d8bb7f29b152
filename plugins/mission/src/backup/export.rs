//! Writing: rows with the pen held, so that they are of one moment; then the content of files, which never changes.
use std::{
    fs::File,
    io::{self, BufWriter, Read, Write},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use fts_plugin_api::{
    params,
    sdk::{Code, Error, Result},
    tracing,
};

use super::{FORM, FileHead, Head, Line, tables};
use crate::{
    desk::Desk,
    model::Mission,
    store::{Db, contents},
    work::Work,
};

/// Rows read at once.
const PAGE: i64 = 500;
/// Bytes of one piece of a file.
const PIECE: usize = 1 << 20;

/// A mission as a file that goes when it is dropped. Files whose content is gone are left out.
///
/// # Errors
/// `NotFound` when the mission was deleted meanwhile; the database, the disk.
pub fn write(desk: &Desk, mission: &Mission, with_files: bool) -> Result<Work> {
    let work = Work::new(&desk.host)?;
    let mut out = Out { to: BufWriter::new(File::create(work.path())?), rows: 0 };
    let hashes = {
        let _pen = desk.pen();
        rows(desk, mission, &mut out)?
    };
    if with_files {
        for hash in hashes {
            file(desk, &hash, &mut out)?;
        }
    }
    let end = out.rows;
    out.line(&Line::End { end })?;
    out.to.flush()?;
    Ok(work)
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

/// Hashes of its files.
fn rows(desk: &Desk, mission: &Mission, out: &mut Out) -> Result<Vec<String>> {
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
    Ok(contents::of_mission(&sql, mission.id)?.into_iter().map(|item| item.resource.hash).collect())
}

fn file(desk: &Desk, hash: &str, out: &mut Out) -> Result<()> {
    let Some(info) = desk.host.files().get(hash)? else { return Ok(()) };
    let mut content = match desk.host.files().path(hash) {
        Ok(path) => File::open(path),
        Err(error) if error.code() == Code::NotFound => Err(io::Error::new(io::ErrorKind::NotFound, error.to_string())),
        Err(error) => return Err(error),
    };
    let content = match &mut content {
        Ok(content) => content,
        Err(error) => {
            tracing::error!(event = "mission.file_left_out", %hash, "a file is not in the export: {error}");
            return Ok(());
        }
    };
    let file = FileHead {
        sha256: hash.to_owned(),
        name: info.name,
        file_name: info.file_name,
        uid: info.uid,
        content_type: info.content_type,
        keywords: info.keywords,
        tool: info.tool,
        creator_uid: info.creator_uid,
        expiration: info.expiration,
    };
    out.line(&Line::File { file })?;
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        Read::take(&mut *content, PIECE as u64).read_to_end(&mut piece)?;
        if piece.is_empty() {
            return Ok(());
        }
        out.line(&Line::Bytes { bytes: BASE64_STANDARD.encode(&piece) })?;
    }
}
