//! The server's store of files, as tests want it used; what the probe keeps from being deleted; what it is told of files.
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use fts_plugin_api::{message, sdk::*};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Probe;

/// Hashes that must stay, and why. `slow` = it does not answer in time, `panic` = it panics.
#[derive(Default)]
pub struct Vetoes(Mutex<BTreeMap<String, String>>);

/// Who may have which file, whatever its groups.
#[derive(Default)]
pub struct Readers(Mutex<Vec<(String, String)>>);

/// One thing to do.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Do {
    /// Stores bytes.
    Put { info: FileInfo, text: String },
    /// Writes a file into the probe's folder, or takes the path as it is, and stores it.
    PutFile { info: FileInfo, path: String, text: Option<String> },
    /// By hash.
    Get(String),
    /// What is at its path.
    Read(String),
    /// Newest not later than.
    Version { uid: String, not_later: Option<i64> },
    /// Text, tool, uid.
    Search(String, String, String),
    /// Other metadata.
    Describe(FileInfo),
    /// By hash.
    Delete(String),
    /// Of a uid: one or all.
    DeleteVersions(String, Option<String>),
    /// For a connection; 0 = for anybody.
    Url(String, u64),
    /// Offers it.
    Share(String, Target),
    /// Keeps it from now on; "" = not any more.
    Keep(String, String),
    /// User and hash: it may have it.
    Lend(String, String),
}

/// Registers the veto, the topics and a route that stores its body.
pub fn register(reg: &mut Registrar<'_>, probe: &Arc<Probe>) {
    let keeper = probe.clone();
    reg.before_delete(move |hash| {
        let why = keeper.vetoes.0.lock().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()?;
        match why.as_str() {
            "slow" => std::thread::sleep(std::time::Duration::from_secs(4)),
            "panic" => crate::fuse::blow("before delete"),
            _ => {}
        }
        Some(why)
    });
    let deletions = probe.clone();
    reg.deletion(move |deletion| {
        deletions.diary.note("deletion", json!({"uid": deletion.sha256, "cause": deletion.cause}));
        None
    });
    let lender = probe.clone();
    reg.file_reader(move |ask| {
        let readers = lender.readers.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(readers.iter().any(|(user, hash)| *user == ask.user && *hash == ask.sha256))
    });
    for topic in ["resource.added", "resource.changed", "resource.removed"] {
        let told = probe.clone();
        reg.subscribe(topic, move |bytes| -> Result<()> {
            let file: FileInfo = message::unpack(bytes)?;
            told.diary.note(topic, json!({"uid": file.uid, "name": file.name, "sha256": file.sha256}));
            Ok(())
        });
    }
    let stores = probe.clone();
    reg.route(POST, "/api/plugins/probe/store", Listeners::MARTI, Auth::User, move |request| {
        let groups = request.identity().groups_in.clone();
        let info = FileInfo { name: "body.bin".into(), groups, ..FileInfo::default() };
        let file = stores.host.files().put_body(info, request)?;
        let url = stores.host.files().url(&file.sha256, request)?;
        Ok::<_, HttpError>(json!({"sha256": file.sha256, "len": file.len, "url": url}))
    });
}

/// Does it.
pub fn answer(probe: &Probe, what: Do) -> Result<Value> {
    let files = probe.host.files();
    Ok(match what {
        Do::Put { info, text } => json!(files.put(info, text)?),
        Do::PutFile { info, path, text } => {
            if let Some(text) = text {
                std::fs::write(probe.host.dir()?.join(&path), text)?;
            }
            json!(files.put_file(info, path)?)
        }
        Do::Get(hash) => json!(files.get(&hash)?),
        Do::Read(hash) => String::from_utf8_lossy(&std::fs::read(files.path(&hash)?)?).into_owned().into(),
        Do::Version { uid, not_later } => json!(files.version(&uid, not_later)?),
        Do::Search(text, tool, uid) => json!(files.search(&text, &tool, &uid)?),
        Do::Describe(info) => json!(files.describe(info)?),
        Do::Delete(hash) => json!(files.delete(&hash)?),
        Do::DeleteVersions(uid, hash) => json!(files.delete_versions(&uid, hash.as_deref())?),
        Do::Url(hash, 0) => files.public_url(&hash)?.into(),
        Do::Url(hash, conn) => files.url_for(&hash, conn)?.into(),
        Do::Share(hash, to) => json!(files.share(&hash, to)?),
        Do::Lend(user, hash) => {
            let mut readers = probe.readers.0.lock().unwrap_or_else(PoisonError::into_inner);
            readers.push((user, hash));
            json!(readers.len())
        }
        Do::Keep(hash, why) => {
            let mut vetoes = probe.vetoes.0.lock().unwrap_or_else(PoisonError::into_inner);
            if why.is_empty() {
                vetoes.remove(&hash)
            } else {
                vetoes.insert(hash, why)
            };
            json!(vetoes.len())
        }
    })
}
