//! Puts a backup in place of a data directory. Everything is unpacked and checked beside it first; only then the old
//! directory is renamed to `<dir>.bak-<time>` and the new one takes its name. A directory that is a mount of its own
//! cannot be renamed: there the content moves, into `.bak-<time>` inside of it.
use std::{
    fs,
    io::{self, Read},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use fts_plugin_api::cot::{Millis, format_time};

use super::{
    BackupError,
    manifest::Manifest,
    unpack::unpack,
    verify::{is_database, sound},
};
use crate::observe::clock;

/// What was done.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What the backup says.
    pub manifest: Manifest,
    /// Where the old directory is; None = there was none, or it was empty.
    pub old: Option<PathBuf>,
}

/// `20250304-050607` of now, UTC.
pub(super) fn stamp(now: Millis) -> String {
    let digits: String = format_time(now).chars().filter(char::is_ascii_digit).take(14).collect();
    format!("{}-{}", &digits[..8], &digits[8..])
}

/// Restores into `data_dir`. The caller holds its lock, or there is nothing in it. Blocks.
///
/// # Errors
/// [`BackupError`]; then the directory is as it was.
pub fn restore(archive: impl Read, data_dir: &Path, force: bool) -> Result<Restored, BackupError> {
    let occupied = entries(data_dir)?.iter().any(|name| name != "run");
    if occupied && !force {
        return Err(BackupError::Occupied(data_dir.to_owned()));
    }
    let (stamp, inside) = (stamp(clock::now_ms()), is_mount(data_dir));
    let staging =
        if inside { data_dir.join(format!(".restore-{stamp}")) } else { sibling(data_dir, "restore", &stamp) };
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&staging);
    made.map_err(BackupError::io(&staging))?;
    let unpacked = unpack(archive, |name, mode, content| put(&staging, name, mode, content));
    let manifest = match unpacked.and_then(|m| databases(&staging, &m).map(|()| m)) {
        Ok(manifest) => manifest,
        Err(error) => {
            let _ = fs::remove_dir_all(&staging);
            return Err(error);
        }
    };
    let old = if inside {
        let aside = data_dir.join(format!(".bak-{stamp}"));
        swap_inside(data_dir, &staging, occupied.then_some(&aside))?
    } else {
        swap(data_dir, &staging, occupied, &stamp)?
    };
    Ok(Restored { manifest, old })
}

fn entries(dir: &Path) -> Result<Vec<String>, BackupError> {
    match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(BackupError::io(dir)(e)),
        Ok(all) => Ok(all.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect()),
    }
}

fn is_mount(dir: &Path) -> bool {
    let parent = dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (fs::metadata(dir), fs::metadata(parent)) {
        (Ok(own), Ok(parent)) => own.dev() != parent.dev(),
        _ => false,
    }
}

/// `<dir>.<what>-<time>`.
fn sibling(dir: &Path, what: &str, stamp: &str) -> PathBuf {
    let mut name = dir.as_os_str().to_owned();
    name.push(format!(".{what}-{stamp}"));
    name.into()
}

fn put(staging: &Path, name: &str, mode: u32, content: &mut dyn Read) -> Result<(), BackupError> {
    let path = staging.join(name);
    if let Some(dir) = path.parent() {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(BackupError::io(dir))?;
    }
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
    let mut file = file.map_err(BackupError::io(&path))?;
    io::copy(content, &mut file).map_err(BackupError::io(&path))?;
    file.sync_all().map_err(BackupError::io(&path))
}

fn databases(staging: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    let all = manifest.members.iter().map(|m| m.path.as_str()).filter(|name| is_database(name));
    all.into_iter().try_for_each(|name| sound(&staging.join(name), name))
}

fn swap(data_dir: &Path, staging: &Path, occupied: bool, stamp: &str) -> Result<Option<PathBuf>, BackupError> {
    let aside = sibling(data_dir, "bak", stamp);
    let there = data_dir.exists();
    if there {
        fs::rename(data_dir, &aside).map_err(BackupError::io(data_dir))?;
    }
    if let Err(error) = fs::rename(staging, data_dir) {
        // As it was.
        let _ = fs::rename(&aside, data_dir);
        return Err(BackupError::io(staging)(error));
    }
    if there && !occupied {
        let _ = fs::remove_dir_all(&aside);
        return Ok(None);
    }
    Ok(there.then_some(aside))
}

fn swap_inside(data_dir: &Path, staging: &Path, aside: Option<&PathBuf>) -> Result<Option<PathBuf>, BackupError> {
    let hidden = |name: &String| name.starts_with(".restore-") || name.starts_with(".bak-") || name == "lost+found";
    if let Some(aside) = aside {
        fs::DirBuilder::new().mode(0o700).create(aside).map_err(BackupError::io(aside))?;
        for name in entries(data_dir)?.iter().filter(|n| !hidden(n) && *n != "run") {
            let from = data_dir.join(name);
            fs::rename(&from, aside.join(name)).map_err(BackupError::io(&from))?;
        }
    }
    for name in entries(staging)? {
        let from = staging.join(&name);
        fs::rename(&from, data_dir.join(&name)).map_err(BackupError::io(&from))?;
    }
    let _ = fs::remove_dir(staging);
    Ok(aside.cloned())
}
