//! A content of a mission: its row in Enterprise Sync or among the data packages, its bytes in the installation's folders,
//! and then in the store. Its hash here is what its bytes say; where FTS said another one, that goes on being found.
//!
//! What must not happen: a name that a client chose, or a link somebody laid into a folder, leads to a file elsewhere that
//! this server may read; something that is no file is waited for.
use std::{
    fs::File,
    io::{self, Seek},
    path::{Component, Path, PathBuf},
};

use super::{
    Refused, Report,
    source::{Source, text},
};
use crate::{
    files::{FileError, Files, Hash, NewResource, PACKAGE, PRIVATE, Sight, Uid, hash_of, name},
    store::foreign::{Fields, Foreign},
};

const OBJECT: &str = "EnterpriseSyncDataObject";
const DATA_PACKAGE: &str = "DataPackages";

/// A content that is in the store.
pub struct Filed {
    /// What its bytes say.
    pub sha256: String,
    /// What FTS calls it; "" = nothing.
    pub hash: String,
    /// It was stored now.
    pub new: bool,
}

/// Where contents are, and where they go.
pub struct Shelf<'a> {
    pub source: &'a Source,
    pub files: &'a Files,
    /// Who may have them.
    pub groups: &'a [String],
}

/// What a row says of a content, and where its bytes may be.
struct Described {
    table: &'static str,
    folder: PathBuf,
    places: Vec<PathBuf>,
    hash: String,
    new: NewResource,
}

impl Shelf<'_> {
    /// Stores the content of this name: the uid or the hash of its row. The inner error is why this one is not there.
    ///
    /// # Errors
    /// A database; the store has no room, or cannot be written.
    pub fn take(&self, name: &str, report: &mut Report) -> Result<Result<Filed, String>, Refused> {
        let Some(main) = &self.source.main else { return Ok(Err("there is no FTSDataBase.db with its file".into())) };
        let Some(said) = self.described(main, name)? else {
            return Ok(Err("FTSDataBase.db knows no file of this name".into()));
        };
        report.read(said.table, 1);
        match self.store(&said) {
            Ok(filed) => {
                match filed.new {
                    true => report.imported(said.table),
                    false => report.skipped(said.table),
                }
                Ok(Ok(filed))
            }
            Err(error @ (FileError::Io(_) | FileError::Invalid(_))) => {
                let why = match error {
                    FileError::Io(why) => why.to_string(),
                    other => other.to_string(),
                };
                report.failed(said.table, name, &why);
                Ok(Err(why))
            }
            Err(error) => Err(Refused::Source(format!("the file {name} cannot be stored: {error}"))),
        }
    }

    fn described(&self, main: &Foreign, name: &str) -> Result<Option<Described>, Refused> {
        if main.has(OBJECT)? {
            let sql =
                "SELECT * FROM EnterpriseSyncDataObject WHERE PrimaryKey = ?1 OR hash = ?1 ORDER BY rowid DESC LIMIT 1";
            if let Some(row) = main.query(sql, &[name])?.into_iter().next() {
                return self.object(main, &row).map(Some);
            }
        }
        if main.has(DATA_PACKAGE)? {
            let sql = "SELECT * FROM DataPackages WHERE Hash = ?1 ORDER BY rowid DESC LIMIT 1";
            if let Some(row) = main.query(sql, &[name])?.into_iter().next() {
                return Ok(Some(self.package(&row)));
            }
        }
        Ok(None)
    }

    fn object(&self, main: &Foreign, row: &Fields) -> Result<Described, Refused> {
        let (uid, file_name) = (text(row, "PrimaryKey"), text(row, "file_name"));
        let mut keywords = Vec::new();
        if main.has("keyword")? {
            let sql = "SELECT keyword FROM keyword WHERE enterprise_sync_data_object_id = ?1 ORDER BY rowid";
            keywords.extend(main.query(sql, &[uid])?.iter().map(|k| text(k, "keyword").to_owned()));
        }
        let folder = self.source.dir.join("enterprise_sync");
        // Versions differ in the ending.
        let places = [format!("{uid}.txt"), uid.to_owned()];
        let places = places.iter().filter_map(|name| below(&folder, &[text(row, "file_type"), name])).collect();
        let private = number(row, "private") == 1;
        let new = NewResource {
            uid: Uid::Given(uid.to_owned()),
            name: name::clean(if file_name.is_empty() { uid } else { file_name }),
            mime_type: name::content_type(text(row, "mime_type")),
            submitter: text(row, "submitter").to_owned(),
            creator_uid: text(row, "creator_uid").to_owned(),
            tool: if private { PRIVATE.to_owned() } else { text(row, "tool").to_owned() },
            keywords,
            groups: self.groups.to_vec(),
            ..NewResource::default()
        };
        Ok(Described { table: OBJECT, folder, places, hash: text(row, "hash").to_owned(), new })
    }

    fn package(&self, row: &Fields) -> Described {
        let (hash, file_name) = (text(row, "Hash"), text(row, "Name"));
        let folder = self.source.dir.join("FreeTAKServerDataPackageFolder");
        let new = NewResource {
            uid: Uid::Hash,
            name: name::clean(file_name),
            submitter: text(row, "SubmissionUser").to_owned(),
            creator_uid: text(row, "CreatorUid").to_owned(),
            tool: if number(row, "Privacy") == 1 { PRIVATE.to_owned() } else { String::new() },
            keywords: vec![PACKAGE.to_owned()],
            groups: self.groups.to_vec(),
            ..NewResource::default()
        };
        let places = below(&folder, &[hash, file_name]).into_iter().collect();
        Described { table: DATA_PACKAGE, folder, places, hash: hash.to_owned(), new }
    }

    fn store(&self, said: &Described) -> Result<Filed, FileError> {
        let mut file = open(&said.folder, &said.places)?;
        let (hash, _) = hash_of(&mut file)?;
        file.rewind()?;
        let uid = match &said.new.uid {
            Uid::Given(uid) => uid.clone(),
            _ => hash.to_string(),
        };
        let known = self.files.by_hash(&hash, &Sight::All)?.iter().any(|row| row.uid == uid);
        if !known {
            self.files.put_file(&mut file, said.new.clone())?;
        }
        if let Some(old) = Hash::parse(&said.hash).filter(|old| *old != hash) {
            self.files.alias(&old, &hash)?;
        }
        Ok(Filed { sha256: hash.to_string(), hash: said.hash.clone(), new: !known })
    }
}

fn number(row: &Fields, column: &str) -> i64 {
    let value = row.get(column);
    value.and_then(|v| v.as_i64().or_else(|| v.as_str()?.trim().parse().ok())).unwrap_or_default()
}

/// The first that is there.
fn open(folder: &Path, places: &[PathBuf]) -> io::Result<File> {
    let mut failed = None;
    for place in places {
        match inside(folder, place) {
            Ok(file) => return Ok(file),
            Err(error) => {
                failed.get_or_insert_with(|| io::Error::new(error.kind(), format!("{}: {error}", place.display())));
            }
        }
    }
    let none = || io::Error::new(io::ErrorKind::InvalidInput, "its name is no name of a file");
    Err(failed.unwrap_or_else(none))
}

/// A file in the folder, which itself may be a link to another disk.
fn inside(folder: &Path, place: &Path) -> io::Result<File> {
    let (folder, place) = (folder.canonicalize()?, place.canonicalize()?);
    let refused = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    if !place.starts_with(folder) {
        return refused("it is a link out of the folder");
    }
    if !place.metadata()?.is_file() {
        return refused("it is no file");
    }
    File::open(place)
}

/// A path inside the folder; None where a part is more than a name. Clients chose them.
fn below(folder: &Path, parts: &[&str]) -> Option<PathBuf> {
    let plain = |part: &&str| {
        let mut all = Path::new(part).components();
        matches!((all.next(), all.next()), (Some(Component::Normal(name)), None) if name == *part)
    };
    parts.iter().all(plain).then(|| folder.join(parts.iter().collect::<PathBuf>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let folder = Path::new("/f");
        assert_eq!(below(folder, &["content", "a b.txt"]), Some("/f/content/a b.txt".into()));
        for parts in [
            ["content", "../x"],
            ["..", "x"],
            ["content", "/etc/passwd"],
            ["content", "a/b"],
            ["", "x"],
            ["content", "."],
        ] {
            assert_eq!(below(folder, &parts), None, "{parts:?}");
        }
    }

    #[test]
    fn no_link_leads_out_of_the_folder_and_only_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("disk/content")).unwrap();
        std::fs::write(at("secret"), "key").unwrap();
        std::fs::write(at("disk/content/good.txt"), "good").unwrap();
        let link = |to: PathBuf, from: &str| std::os::unix::fs::symlink(to, at(from)).unwrap();
        link(at("disk"), "sync");
        link(at("secret"), "disk/content/out.txt");
        link(at("disk/content/good.txt"), "disk/content/within.txt");
        link(dir.path().to_owned(), "disk/away");
        let read = |name: &str| open(&at("sync"), &[at("sync").join(name)]).map(|f| io::read_to_string(f).unwrap());
        assert_eq!(read("content/good.txt").unwrap(), "good");
        assert_eq!(read("content/within.txt").unwrap(), "good");
        for (name, why) in [
            ("content/out.txt", "link out of the folder"),
            ("away/secret", "link out of the folder"),
            ("content", "no file"),
            ("content/none.txt", "none.txt"),
        ] {
            let error = read(name).unwrap_err().to_string();
            assert!(error.contains(why), "{name}: {error}");
        }
        assert!(open(&at("sync"), &[]).unwrap_err().to_string().contains("no name of a file"));
    }
}
