//! The data directory's own small files: the lock (one server per directory), the node id, and where the listeners
//! are, for tools that let the system choose ports.

use std::{
    fs::{self, File},
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use rand::Rng;
use rustix::fs::{FlockOperation, flock};

/// Held for the life of the process.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why the directory could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Another server runs in it.
    #[error("{0} is used by another fts (pid {1}); stop it first or choose another --data-dir")]
    Locked(PathBuf, String),
    /// A file could not be read or written.
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
}

/// Makes the directory (0700) with `run/` and takes its lock.
///
/// # Errors
/// [`NodeError`].
pub fn lock(data_dir: &Path) -> Result<Lock, NodeError> {
    use std::os::unix::fs::DirBuilderExt;
    let run = data_dir.join("run");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&run).map_err(|e| NodeError::Io(run.clone(), e))?;
    let path = run.join("lock");
    let io = |e: io::Error| NodeError::Io(path.clone(), e);
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let pid = fs::read_to_string(&path).unwrap_or_default();
        return Err(NodeError::Locked(data_dir.to_owned(), pid.trim().to_owned()));
    }
    file.set_len(0).map_err(io)?;
    writeln!(file, "{}", std::process::id()).map_err(io)?;
    Ok(Lock { _file: file })
}

/// The node id: from configuration, else the one of the first start (32 of `[a-z0-9]`, kept in `node_id`).
///
/// # Errors
/// [`NodeError`].
pub fn node_id(data_dir: &Path, configured: &str) -> Result<String, NodeError> {
    if !configured.is_empty() {
        return Ok(configured.to_owned());
    }
    let path = data_dir.join("node_id");
    if let Ok(kept) = fs::read_to_string(&path) {
        let kept = kept.trim();
        if !kept.is_empty() && kept.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Ok(kept.to_owned());
        }
    }
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut rng = rand::rng();
    let id: String = (0..32).map(|_| char::from(LETTERS[rng.random_range(0..LETTERS.len())])).collect();
    write_whole(&path, id.as_bytes())?;
    Ok(id)
}

/// Writes `run/listeners.json`: name -> address and port, whole or not at all.
///
/// # Errors
/// [`NodeError`].
pub fn publish_listeners(data_dir: &Path, listeners: &[(String, SocketAddr)]) -> Result<(), NodeError> {
    let table: serde_json::Map<_, _> = listeners
        .iter()
        .map(|(name, at)| (name.clone(), serde_json::json!({"address": at.ip().to_string(), "port": at.port()})))
        .collect();
    write_whole(&data_dir.join("run/listeners.json"), serde_json::Value::Object(table).to_string().as_bytes())
}

fn write_whole(path: &Path, content: &[u8]) -> Result<(), NodeError> {
    let temp = path.with_extension("tmp");
    let io = |e: io::Error| NodeError::Io(path.to_owned(), e);
    let mut file = File::create(&temp).map_err(io)?;
    file.write_all(content).map_err(io)?;
    file.sync_all().map_err(io)?;
    fs::rename(&temp, path).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_server_and_keeps_its_node_id() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock(dir.path()).unwrap();
        let refused = lock(dir.path()).unwrap_err().to_string();
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
        drop(held);
        lock(dir.path()).unwrap();
        let id = node_id(dir.path(), "").unwrap();
        assert!(id.len() == 32 && node_id(dir.path(), "").unwrap() == id);
        assert_eq!(node_id(dir.path(), "mine").unwrap(), "mine");
    }
}
