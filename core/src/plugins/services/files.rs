//! Stored files for plugins: the same store as the TAK API's (`files`), seen without groups. Who may have a file is what
//! the plugin says when it stores it.
//!
//! A file comes from the plugin's own folder, from the spooled body of the request it is answering, or as bytes; no other
//! path is read. Deleting asks every other plugin that registered `before_delete`.
use std::{
    fs::File,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use fts_plugin_api::{
    abi::{Failure, failure},
    message::{FileAnswer, FileAsk, FileInfo, SendHow, Target},
    shim,
};

use super::{
    super::{Generation, Plugins},
    cot, invalid, refuse,
};
use crate::{
    files::{
        Cause, FileError, Files, NewResource, Offer, Receivers, Resource, Search, Sight, Uid, content_url, name,
        search::Pattern,
    },
    http::{native::Native, url},
};

/// One question.
///
/// # Errors
/// `NotFound`, a veto, the disk; `Unsupported` where there is no store (a plugin that is only checked).
pub fn ask(plugins: &Arc<Plugins>, generation: &Arc<Generation>, ask: FileAsk) -> Result<FileAnswer, Failure> {
    let Some(native) = plugins.native() else {
        return refuse(failure::UNSUPPORTED, "there is no store of files here");
    };
    let files = &native.files;
    match ask {
        FileAsk::Put { info, path, bytes } => {
            let new = new(info, generation);
            let stored = match path {
                None => files.put_bytes(&bytes, new),
                Some(path) => files.put_file(&mut own_file(plugins, generation, files, Path::new(&path))?, new),
            };
            Ok(one(&stored.map_err(failed)?))
        }
        FileAsk::Get(name) => list(files.named(&name, &Sight::All)),
        FileAsk::Path(name) => {
            let found = files.find(&name, &Sight::All).map_err(failed)?;
            // Says so where it is gone.
            files.open_content(&found).map_err(failed)?;
            place(files.path(&found.hash).display().to_string())
        }
        FileAsk::Version { uid, not_later } => {
            list(files.version(&uid, not_later, &Sight::All).map(|found| found.into_iter().collect()))
        }
        FileAsk::Search { text, tool, uid } => list(search(files, &text, tool, &uid)),
        FileAsk::Describe(info) => describe(files, &info).map_err(failed),
        FileAsk::Delete(name) => {
            let rows = files.named(&name, &Sight::All).map_err(failed)?;
            delete(files, generation, rows)
        }
        FileAsk::DeleteVersions { uid, sha256 } => {
            let mut rows = files.by_uid(&uid, &Sight::All).map_err(failed)?;
            rows.retain(|r| sha256.is_empty() || r.hash.as_str().eq_ignore_ascii_case(&sha256));
            delete(files, generation, rows)
        }
        FileAsk::Url { sha256, host, scheme, conn } => {
            let found = files.find(&sha256, &Sight::All).map_err(failed)?;
            place(content_url(&base(&native, &host, &scheme, conn), &found.hash))
        }
        FileAsk::Share { sha256, to, how } => {
            let found = files.find(&sha256, &Sight::All).map_err(failed)?;
            let to = receivers(plugins, generation, to, how)?;
            files.share(&native, &found, &to, &Offer::default());
            Ok(FileAnswer::default())
        }
    }
}

fn failed(error: FileError) -> Failure {
    let code = match &error {
        FileError::NotFound | FileError::Missing(_) => failure::NOT_FOUND,
        FileError::Kept(_) | FileError::Forbidden(_) => failure::FORBIDDEN,
        FileError::Quota { .. } | FileError::Full => failure::FULL,
        FileError::Invalid(_) => failure::INVALID,
        FileError::Io(_) | FileError::Store(_) => failure::OTHER,
    };
    shim::failure(code, error.to_string())
}

fn place(place: String) -> Result<FileAnswer, Failure> {
    Ok(FileAnswer { place, ..FileAnswer::default() })
}

fn list(found: Result<Vec<Resource>, FileError>) -> Result<FileAnswer, Failure> {
    let files = found.map_err(failed)?.iter().map(info).collect();
    Ok(FileAnswer { files, ..FileAnswer::default() })
}

fn one(file: &Resource) -> FileAnswer {
    FileAnswer { files: vec![info(file)], ..FileAnswer::default() }
}

/// A row as plugins know it.
pub fn info(file: &Resource) -> FileInfo {
    FileInfo {
        sha256: file.hash.to_string(),
        len: file.size,
        uid: file.uid.clone(),
        name: file.name.clone(),
        content_type: file.mime_type.clone(),
        keywords: file.keywords.clone(),
        tool: file.tool.clone(),
        submitter: file.submitter.clone(),
        time: file.submission_time,
        groups: file.groups.clone(),
        id: file.id,
        file_name: file.download_path.clone(),
        creator_uid: file.creator_uid.clone(),
        expiration: file.expiration,
        latitude: file.latitude,
        longitude: file.longitude,
        altitude: file.altitude,
    }
}

fn new(said: FileInfo, generation: &Generation) -> NewResource {
    let submitter = if said.submitter.is_empty() { generation.name().to_string() } else { said.submitter };
    NewResource {
        uid: if said.uid.is_empty() { Uid::Random } else { Uid::Given(said.uid) },
        name: name::clean(&said.name),
        download_path: name::clean(&said.file_name),
        mime_type: name::content_type(&said.content_type),
        submitter,
        creator_uid: said.creator_uid,
        tool: said.tool,
        expiration: Some(said.expiration).filter(|at| *at > 0),
        latitude: said.latitude,
        longitude: said.longitude,
        altitude: said.altitude,
        keywords: said.keywords,
        groups: said.groups,
        ..NewResource::default()
    }
}

/// A file of the plugin's folder, or a body the server has spooled.
fn own_file(plugins: &Plugins, generation: &Generation, files: &Files, path: &Path) -> Result<File, Failure> {
    let whole: PathBuf = if path.is_absolute() {
        let spools = [files.tmp(), plugins.config.load().server.data_dir.join("run/spool")];
        if !path.parent().is_some_and(|dir| spools.iter().any(|s| s == dir)) {
            return invalid("only bodies of requests and files of the plugin's own folder can be stored");
        }
        path.to_owned()
    } else {
        if path.components().any(|c| !matches!(c, Component::Normal(_) | Component::CurDir)) {
            return invalid("the file is not below the plugin's folder");
        }
        plugins.data_of(generation.name()).join(path)
    };
    File::open(whole).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => shim::failure(failure::NOT_FOUND, format!("no file {}", path.display())),
        _ => shim::failure(failure::OTHER, format!("{}: {error}", path.display())),
    })
}

fn search(files: &Files, text: &str, tool: String, uid: &str) -> Result<Vec<Resource>, FileError> {
    let search = Search {
        // Private ones, too: of every submitter.
        admin: true,
        tool: Some(tool).filter(|t| !t.is_empty()),
        uid: Pattern::new(uid),
        ..Search::default()
    };
    let mut found = files.search(&search, &Sight::All)?;
    if search.tool.is_none() {
        let private = Search { tool: Some(crate::files::PRIVATE.to_owned()), ..search };
        found.extend(files.search(&private, &Sight::All)?);
        found.sort_by(|a, b| (&a.uid, a.submission_time, a.id).cmp(&(&b.uid, b.submission_time, b.id)));
        found.dedup_by_key(|r| r.id);
    }
    let has = |r: &Resource| r.name.contains(text) || r.keywords.iter().any(|k| k == text);
    found.retain(|r| (uid.is_empty() || r.uid == uid) && (text.is_empty() || has(r)));
    Ok(found)
}

fn describe(files: &Files, said: &FileInfo) -> Result<FileAnswer, FileError> {
    let rows = if said.id > 0 {
        files.by_id(said.id, &Sight::All)?.into_iter().collect()
    } else {
        let mut rows = files.named(&said.sha256, &Sight::All)?;
        rows.retain(|r| said.uid.is_empty() || r.uid == said.uid);
        rows
    };
    if rows.is_empty() {
        return Err(FileError::NotFound);
    }
    for row in rows {
        let or = |new: &str, old: &str| if new.is_empty() { old.to_owned() } else { new.to_owned() };
        let changed = Resource {
            name: or(&name::clean(&said.name), &row.name),
            mime_type: or(&name::content_type(&said.content_type), &row.mime_type),
            tool: or(&said.tool, &row.tool),
            keywords: said.keywords.clone(),
            groups: said.groups.clone(),
            expiration: if said.expiration > 0 { said.expiration } else { -1 },
            ..row
        };
        files.describe(changed.id, &changed)?;
    }
    Ok(FileAnswer::default())
}

fn delete(files: &Files, generation: &Generation, rows: Vec<Resource>) -> Result<FileAnswer, Failure> {
    if rows.is_empty() {
        return Err(failed(FileError::NotFound));
    }
    rows.iter().try_for_each(|row| files.delete(row, Cause::Plugin(generation.name()))).map_err(failed)?;
    Ok(FileAnswer::default())
}

fn base(native: &Native, host: &str, scheme: &str, conn: u64) -> String {
    if conn != 0 {
        let roster = native.router.directory.roster();
        let tls = roster.clients().find(|c| c.conn == conn).is_some_and(|c| c.tls);
        return url::listener_url(native, tls);
    }
    let asked = (!host.is_empty()).then(|| url::at_host(scheme, host)).flatten();
    asked.unwrap_or_else(|| url::listener_url(native, scheme != "http"))
}

fn receivers(
    plugins: &Plugins,
    generation: &Generation,
    to: Target,
    how: Option<SendHow>,
) -> Result<Receivers, Failure> {
    let how = how.map_or_else(|| SendHow::from(to.clone()), |how| SendHow { target: to.clone(), ..how });
    let plain = how.exclude == Default::default() && how.groups.is_none();
    Ok(match to {
        Target::All if plain => Receivers::All,
        Target::Groups(groups) if plain => Receivers::Groups(groups),
        Target::Callsigns(names) if plain => Receivers::Callsigns(names),
        Target::Uids(uids) if plain => Receivers::Uids(uids),
        Target::Conns(conns) if plain => Receivers::Conns(conns),
        Target::Addressed => return invalid("an offer of a file has no <marti>: say whom it is for"),
        _ => {
            let (from, aim) = cot::aim(plugins, generation, &how, 0)?;
            Receivers::Conns(plugins.router.conns_of(&from, &aim))
        }
    })
}
