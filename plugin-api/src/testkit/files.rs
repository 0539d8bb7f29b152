//! The mock's store of files: rows with their content in memory, and a copy on disk for who asks for a path.
//!
//! As on the server: rows are unique by uid, hash, name and device; deleting may be vetoed ([`MockHost::keep_file`] plays
//! the other plugin); what happens is told on the bus. Not modelled: limits, expiration.
use std::path::Component;

use super::{MockHost, sha256, state::State, worker::Job};
use crate::{
    abi::{Failure, failure},
    cot::{Builder, Cot},
    message::{self, FileAnswer, FileAsk, FileInfo, SendHow},
    shim,
};

/// What the mock keeps.
#[derive(Default)]
pub(super) struct Files {
    /// In the order they were stored.
    rows: Vec<(FileInfo, Vec<u8>)>,
    /// Hash and why it stays.
    kept: Vec<(String, String)>,
    last: i64,
}

fn none<T>(text: impl Into<String>) -> Result<T, Failure> {
    Err(shim::failure(failure::NOT_FOUND, text))
}

fn invalid<T>(text: impl Into<String>) -> Result<T, Failure> {
    Err(shim::failure(failure::INVALID, text))
}

fn list(files: Vec<FileInfo>) -> Result<FileAnswer, Failure> {
    Ok(FileAnswer { files, ..FileAnswer::default() })
}

fn place(place: String) -> Result<FileAnswer, Failure> {
    Ok(FileAnswer { place, ..FileAnswer::default() })
}

impl State {
    /// One question.
    pub fn files(&mut self, ask: FileAsk, dir: &std::path::Path, now: i64) -> Result<FileAnswer, Failure> {
        match ask {
            FileAsk::Put { mut info, path, bytes } => {
                let bytes = match path {
                    None => bytes.into_vec(),
                    Some(path) => read(dir, &path)?,
                };
                if info.submitter.is_empty() {
                    info.submitter.clone_from(&self.name);
                }
                list(vec![self.store(info, bytes, now)])
            }
            FileAsk::Get(hash) => list(self.found(|f| f.sha256.eq_ignore_ascii_case(&hash))),
            FileAsk::Path(hash) => {
                let found = self.files.rows.iter().find(|(f, _)| f.sha256 == hash.to_ascii_lowercase());
                let Some((file, bytes)) = found else { return none("no such file") };
                let at = dir.with_extension("files").join(&file.sha256);
                let written =
                    at.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&at, bytes));
                written.map_err(|e| shim::failure(failure::OTHER, e.to_string()))?;
                place(at.display().to_string())
            }
            FileAsk::Version { uid, not_later } => {
                let all = self.found(|f| f.uid == uid && not_later.is_none_or(|limit| f.time <= limit));
                list(all.into_iter().take(1).collect())
            }
            FileAsk::Search { text, tool, uid } => {
                let has = |f: &FileInfo| f.name.contains(&text) || f.keywords.contains(&text);
                let mut all = self.found(|f| {
                    (text.is_empty() || has(f))
                        && (tool.is_empty() || f.tool == tool)
                        && (uid.is_empty() || f.uid == uid)
                });
                all.sort_by(|a, b| (&a.uid, a.time, a.id).cmp(&(&b.uid, b.time, b.id)));
                list(all)
            }
            FileAsk::Describe(said) => self.describe(&said),
            FileAsk::Delete(hash) => self.remove(|f| f.sha256.eq_ignore_ascii_case(&hash)),
            FileAsk::DeleteVersions { uid, sha256 } => {
                self.remove(|f| f.uid == uid && (sha256.is_empty() || f.sha256.eq_ignore_ascii_case(&sha256)))
            }
            FileAsk::Url { sha256, host, scheme, conn } => {
                if self.found(|f| f.sha256 == sha256).is_empty() {
                    return none("no such file");
                }
                let scheme = if scheme.is_empty() { "https" } else { &scheme };
                let public = format!("{}:8443", self.server.public_host);
                let host = if host.is_empty() || conn != 0 { &public } else { &host };
                place(format!("{scheme}://{host}/Marti/sync/content?hash={sha256}"))
            }
            FileAsk::Share { sha256, to, how } => {
                let how = how.unwrap_or_else(|| SendHow::from(to.clone()));
                self.share(&sha256, &SendHow { target: to, ..how }, now)?;
                Ok(FileAnswer::default())
            }
        }
    }

    /// Newest first.
    fn found(&self, fits: impl Fn(&FileInfo) -> bool) -> Vec<FileInfo> {
        let mut all: Vec<_> = self.files.rows.iter().map(|(f, _)| f).filter(|f| fits(f)).cloned().collect();
        all.sort_by_key(|f| std::cmp::Reverse((f.time, f.id)));
        all
    }

    fn store(&mut self, mut info: FileInfo, bytes: Vec<u8>, now: i64) -> FileInfo {
        (info.sha256, info.len, info.time) = (sha256::hex(&bytes), bytes.len() as u64, now);
        if info.uid.is_empty() {
            info.uid = uuid::Uuid::new_v4().to_string();
        }
        for (field, default) in [
            (&mut info.name, info.sha256.as_str()),
            (&mut info.content_type, "application/octet-stream"),
            (&mut info.tool, "public"),
        ] {
            if field.is_empty() {
                *field = default.to_owned();
            }
        }
        let key = |f: &FileInfo| (f.uid.clone(), f.sha256.clone(), f.name.clone(), f.creator_uid.clone());
        let same = self.files.rows.iter().position(|(f, _)| key(f) == key(&info));
        info.id = match same {
            Some(at) => self.files.rows.remove(at).0.id,
            None => {
                self.files.last += 1;
                self.files.last
            }
        };
        self.files.rows.push((info.clone(), bytes));
        self.tell("resource.added", &info);
        info
    }

    fn describe(&mut self, said: &FileInfo) -> Result<FileAnswer, Failure> {
        let meant = |f: &FileInfo| match said.id {
            0 => f.sha256 == said.sha256 && (said.uid.is_empty() || f.uid == said.uid),
            id => f.id == id,
        };
        let mut changed = Vec::new();
        for (file, _) in self.files.rows.iter_mut().filter(|(f, _)| meant(f)) {
            for (field, new) in [
                (&mut file.name, &said.name),
                (&mut file.content_type, &said.content_type),
                (&mut file.tool, &said.tool),
            ] {
                if !new.is_empty() {
                    field.clone_from(new);
                }
            }
            (file.keywords, file.groups) = (said.keywords.clone(), said.groups.clone());
            file.expiration = said.expiration;
            changed.push(file.clone());
        }
        if changed.is_empty() {
            return none("no such file");
        }
        changed.iter().for_each(|file| self.tell("resource.changed", file));
        Ok(FileAnswer::default())
    }

    fn remove(&mut self, meant: impl Fn(&FileInfo) -> bool) -> Result<FileAnswer, Failure> {
        let gone: Vec<FileInfo> = self.files.rows.iter().map(|(f, _)| f).filter(|f| meant(f)).cloned().collect();
        if gone.is_empty() {
            return none("no such file");
        }
        if let Some((_, why)) = self.files.kept.iter().find(|(hash, _)| gone.iter().any(|f| f.sha256 == *hash)) {
            return Err(shim::failure(failure::FORBIDDEN, format!("it is in use: {why}")));
        }
        self.files.rows.retain(|(f, _)| !meant(f));
        gone.iter().for_each(|file| self.tell("resource.removed", file));
        Ok(FileAnswer::default())
    }

    fn tell(&mut self, topic: &str, file: &FileInfo) {
        self.queue.push_back(Job::Topic { topic: topic.to_owned(), bytes: message::pack(file) });
    }

    /// The server's own request, to those who see the file.
    fn share(&mut self, sha256: &str, how: &SendHow, now: i64) -> Result<(), Failure> {
        let Some(file) = self.found(|f| f.sha256 == sha256).into_iter().next() else { return none("no such file") };
        let url = format!("https://{}:8443/Marti/sync/content?hash={sha256}", self.server.public_host);
        let size = file.len.to_string();
        let attrs = [
            ("filename", file.name.as_str()),
            ("senderUrl", &url),
            ("sizeInBytes", &size),
            ("sha256", sha256),
            ("senderUid", &self.server.node_id),
            ("senderCallsign", &self.server.name),
            ("name", file.name.rsplit_once('.').map_or(file.name.as_str(), |(stem, _)| stem)),
        ];
        let request = Builder::new("b-f-t-r", now).how("h-e").stale_after(100_000).child("fileshare", &attrs, "");
        let cot = Cot::parse(request.to_text()).map_err(|e| shim::failure(failure::OTHER, e.to_string()))?;
        for conn in self.reach(&cot, how, 0)?.receivers {
            let sees = self.clients.get(&conn).is_some_and(|c| c.groups_out.iter().any(|g| file.groups.contains(g)));
            if sees {
                self.received.entry(conn).or_default().push(cot.clone());
            }
        }
        Ok(())
    }
}

/// A file of the plugin's own folder, or the spooled body of a request.
fn read(dir: &std::path::Path, path: &str) -> Result<Vec<u8>, Failure> {
    let path = std::path::Path::new(path);
    let below = path.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if !below && !path.is_absolute() {
        return invalid("the file is not below the plugin's folder");
    }
    std::fs::read(dir.join(path)).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => shim::failure(failure::NOT_FOUND, format!("no file {}", path.display())),
        _ => shim::failure(failure::OTHER, error.to_string()),
    })
}

impl MockHost {
    /// Everything in the store of files, in the order it was stored.
    pub fn files(&self) -> Vec<FileInfo> {
        self.shared.lock().files.rows.iter().map(|(f, _)| f.clone()).collect()
    }

    /// The content of a stored file.
    pub fn file_content(&self, sha256: &str) -> Option<Vec<u8>> {
        let state = self.shared.lock();
        state.files.rows.iter().find(|(f, _)| f.sha256 == sha256).map(|(_, bytes)| bytes.clone())
    }

    /// Somebody else stores a file.
    pub fn put_file(&self, info: FileInfo, bytes: &[u8]) -> FileInfo {
        let stored = self.shared.lock().store(info, bytes.to_vec(), self.now());
        self.settle();
        stored
    }

    /// Another plugin keeps this content from being deleted.
    pub fn keep_file(&self, sha256: &str, why: &str) {
        self.shared.lock().files.kept.push((sha256.to_owned(), why.to_owned()));
    }
}
