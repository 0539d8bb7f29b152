//! `fts plugin new NAME`: a plugin that builds, passes its tests and does something, and beside it the interface crate
//! it is built on (decision 108).
//!
//! Order: the name and both places are checked, then the interface crate is written unless the same one lies there, then
//! the plugin. What must not happen: a file that is there is overwritten, or half a plugin is left behind.
mod embedded;

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use embedded::{TEMPLATE, interface};

/// Folder and package of the interface crate.
pub(super) const INTERFACE: &str = "fts-plugin-api";

/// Why no plugin was written.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum NewError {
    #[error("{name:?} is no name for a plugin: {why}")]
    Name { name: String, why: &'static str },
    #[error("{} exists already: choose another name, or remove it", .0.display())]
    Exists(PathBuf),
    #[error(
        "{} is version {found} of the interface, this fts carries {carried}: work in another folder, or move the old one away",
        at.display()
    )]
    Interface { at: PathBuf, found: String, carried: &'static str },
    #[error("{}: cannot be written: {source}", at.display())]
    Io { at: PathBuf, source: io::Error },
}

/// Writes the plugin `name` to `dir/name`, and `dir/fts-plugin-api` unless it is there. Gives what was written: the
/// plugin's files, then the interface crate's folder if it is new.
///
/// # Errors
/// [`NewError`]; then nothing of the plugin is left behind.
pub fn write(dir: &Path, name: &str) -> Result<Vec<PathBuf>, NewError> {
    check(name).map_err(|why| NewError::Name { name: name.to_owned(), why })?;
    let (plugin, api) = (dir.join(name), dir.join(INTERFACE));
    if plugin.symlink_metadata().is_ok() {
        return Err(NewError::Exists(plugin));
    }
    let known = known_interface(&api)?;
    fs::create_dir_all(dir).map_err(|source| NewError::Io { at: dir.to_owned(), source })?;
    if !known {
        tree(&api, interface::FILES.iter().map(|(path, text)| (*path, (*text).to_owned())))?;
    }
    let mut written = tree(&plugin, TEMPLATE.iter().map(|(path, text)| (*path, fill(text, name))))?;
    if !known {
        written.push(api);
    }
    Ok(written)
}

/// `[a-z][a-z0-9-]{0,31}`, and no name that collides with the interface crate.
fn check(name: &str) -> Result<(), &'static str> {
    let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.bytes().all(letters) || name.len() > 32 {
        return Err("at most 32 characters a-z, 0-9 and -, the first a letter");
    }
    if name == "api" {
        return Err("the interface crate itself is called fts-plugin-api");
    }
    if name.starts_with("fts-plugin-") {
        return Err("leave fts-plugin- out; the package gets it by itself");
    }
    Ok(())
}

/// True when this version of the interface crate lies there.
fn known_interface(at: &Path) -> Result<bool, NewError> {
    let carried = interface::VERSION;
    let manifest = match fs::read_to_string(at.join("Cargo.toml")) {
        Ok(text) => text,
        // A folder without it is somebody else's.
        Err(e) if e.kind() == ErrorKind::NotFound && at.symlink_metadata().is_err() => return Ok(false),
        Err(_) => return Err(NewError::Exists(at.to_owned())),
    };
    let version =
        |text: &str| text.lines().find_map(|l| l.strip_prefix("version = ")).map(|v| v.trim_matches('"').to_owned());
    match version(&manifest) {
        Some(found) if found == carried => Ok(true),
        found => Err(NewError::Interface { at: at.to_owned(), found: found.unwrap_or_else(|| "?".into()), carried }),
    }
}

fn fill(text: &str, name: &str) -> String {
    let api = interface::VERSION.rsplit_once('.').map_or(interface::VERSION, |(minor, _)| minor);
    text.replace("{{name}}", name).replace("{{lib}}", &name.replace('-', "_")).replace("{{api}}", api)
}

/// Writes files below a folder that must be new; after a failure it is removed.
fn tree<'a>(root: &Path, files: impl Iterator<Item = (&'a str, String)>) -> Result<Vec<PathBuf>, NewError> {
    let fail = |at: &Path, source: io::Error| NewError::Io { at: at.to_owned(), source };
    match fs::create_dir(root) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => return Err(NewError::Exists(root.to_owned())),
        result => result.map_err(|e| fail(root, e))?,
    }
    let mut written = Vec::new();
    for (path, text) in files {
        let path = root.join(path);
        let parent = path.parent().unwrap_or(root);
        if let Err(source) = fs::create_dir_all(parent).and_then(|()| fs::write(&path, text)) {
            // This call made the folder; the failure that is told is the first one.
            drop(fs::remove_dir_all(root));
            return Err(fail(&path, source));
        }
        written.push(path);
    }
    Ok(written)
}

#[cfg(test)]
mod tests;
