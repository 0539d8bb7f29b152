//! [`Pack`]: the zip of a mission while it is written (mission.md 4.8): for whoever downloads it or finds it after the
//! mission's end (`archive`), and for the administrator, with the whole history beside it (`backup`).
//!
//! Order: folders, newest events, files, further members, last the manifest, which names events and files. Everything goes
//! to the disk piece by piece, so size costs no memory. What cannot be read is left out, in the manifest too, and logged.
//! What must not happen: two members of one name; a name that leads out of the folder it is unpacked into.
use std::{
    collections::HashSet,
    fs::File,
    io::{self, BufWriter, Write},
};

use fts_plugin_api::{
    sdk::{Error, Result},
    tracing,
};
use zip::{CompressionMethod, ZipWriter, result::ZipError, write::SimpleFileOptions};

use crate::{
    archive::Reader,
    desk::Desk,
    manifest::{Entry, MANIFEST, Manifest},
    model::{ContentItem, Mission},
    store::cot,
    work::Work,
};

/// Events of one page.
const PAGE: i64 = 64;
/// A zip file needs its long form beyond.
const LONG: u64 = u32::MAX as u64;

/// See the file's head.
pub struct Pack<'d> {
    desk: &'d Desk,
    work: Work,
    zip: ZipWriter<BufWriter<File>>,
    entries: Vec<Entry>,
}

fn zipped(error: ZipError) -> Error {
    Error::new(format!("an archive could not be written: {error}"))
}

fn options(method: CompressionMethod, size: u64) -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(method).large_file(size >= LONG)
}

fn deflated() -> SimpleFileOptions {
    options(CompressionMethod::Deflated, 0)
}

impl<'d> Pack<'d> {
    /// An empty one, with its folders.
    ///
    /// # Errors
    /// The disk.
    pub fn new(desk: &'d Desk) -> Result<Self> {
        let work = Work::new(&desk.host)?;
        let mut zip = ZipWriter::new(BufWriter::new(File::create_new(work.path())?));
        for folder in ["cot/", "contents/", "MANIFEST/"] {
            zip.add_directory(folder, deflated()).map_err(zipped)?;
        }
        Ok(Self { desk, work, zip, entries: Vec::new() })
    }

    /// The newest event of every item.
    ///
    /// # Errors
    /// The disk, the database.
    pub fn events(&mut self, mission: i64) -> Result<()> {
        let sql = self.desk.host.sql();
        let upto = cot::last_item(&sql, mission)?;
        let (mut after, mut names) = (0, HashSet::new());
        loop {
            let page = cot::latest_page(&sql, mission, (after, upto), None, PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = *last;
            for (item, event) in page {
                let mut name = format!("cot/{}.cot", plain(&event.uid));
                if !names.insert(name.to_lowercase()) {
                    name = format!("cot/{}_{item}.cot", plain(&event.uid));
                    names.insert(name.to_lowercase());
                }
                self.zip.start_file(&*name, deflated()).map_err(zipped)?;
                self.zip.write_all(b"<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n")?;
                self.zip.write_all(event.xml.as_bytes())?;
                self.entries.push(Entry { name, uid: Some(event.uid) });
            }
        }
    }

    /// The mission's file number `n`; its name in the zip. None = it cannot be read and is left out.
    ///
    /// # Errors
    /// The disk.
    pub fn file(&mut self, mission: &Mission, n: usize, item: &ContentItem) -> Result<Option<String>> {
        let hash = &item.resource.hash;
        let opened = self.desk.host.files().path(hash).and_then(|path| Ok(File::open(path)?));
        let mut file = match opened {
            Ok(file) => file,
            Err(error) => {
                tracing::error!(event = "mission.not_archived", mission = %mission.guid, %hash, "a file is left out of the archive: {error}");
                return Ok(None);
            }
        };
        let said = item.resource.known.as_ref().map_or(hash.as_str(), |known| known.name.as_str());
        let name = format!("contents/{n}_{}", plain(said));
        // Pictures and packages are compressed already: to copy them is much quicker.
        let options = options(CompressionMethod::Stored, file.metadata()?.len());
        self.zip.start_file(&*name, options).map_err(zipped)?;
        io::copy(&mut file, &mut self.zip)?;
        self.entries.push(Entry { name: name.clone(), uid: None });
        Ok(Some(name))
    }

    /// A member that the manifest does not name: clients leave it alone.
    ///
    /// # Errors
    /// The disk.
    pub fn aside(&mut self, name: &str, mut from: File) -> Result<()> {
        let options = options(CompressionMethod::Deflated, from.metadata()?.len());
        self.zip.start_file(name, options).map_err(zipped)?;
        io::copy(&mut from, &mut self.zip)?;
        Ok(())
    }

    /// The manifest, and the end of the zip.
    ///
    /// # Errors
    /// The disk.
    pub fn finish(mut self, mission: &Mission, reader: &Reader<'_>) -> Result<Work> {
        self.zip.start_file(MANIFEST, deflated()).map_err(zipped)?;
        let Reader { host, groups, secret } = *reader;
        let uid = &self.desk.host.uuid();
        let manifest = Manifest { mission, uid, host, groups, secret, entries: &self.entries };
        self.zip.write_all(manifest.xml().as_bytes())?;
        self.zip.finish().map_err(zipped)?.flush()?;
        Ok(self.work)
    }
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
