//! Reading: what kind of file it is, told by its first bytes and its members, never by a name.
//!
//! A zip is looked through as one of a stranger ([`Package`]): names, sizes, links, bombs. With the lines in it they are
//! read (`rows`), without them it is an archive (`foreign`). What is no zip is the lines alone. What must not happen: a
//! file or a member is ever whole in memory; anything stays of an import that was refused.
use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use fts_plugin_api::sdk::Error;

use super::{LINES, OLD_LINES, foreign, rows};
use crate::{
    config::Size,
    desk::Desk,
    model::Mission,
    package::unzip::{Limits, Package},
    refusal::Refusal,
};

/// How a zip file begins: with a member, or, without any, with its directory.
const ZIPS: [&[u8; 4]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// What is to be different.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Another name.
    pub name: Option<String>,
    /// A guid of its own: the one that was exported goes on elsewhere. Nobody is a member then.
    pub copy: bool,
}

/// What it has become.
#[derive(Clone, Debug)]
pub struct Imported {
    pub mission: Mission,
    /// What the administrator should know.
    pub notes: Vec<String>,
}

/// Reads a mission; it must not be there.
///
/// # Errors
/// 400 for what is none, or not a whole one; 409 when the mission is there; the database, the disk.
pub fn read(desk: &Desk, from: &Path, wishes: &Wishes) -> Result<Imported, Refusal> {
    let mut file = File::open(from).map_err(Error::from)?;
    let mut begin = Vec::new();
    Read::take(&mut file, 4).read_to_end(&mut begin).map_err(Error::from)?;
    file.seek(SeekFrom::Start(0)).map_err(Error::from)?;
    if !ZIPS.iter().any(|zip| begin == zip[..]) {
        return rows::read(desk, &mut BufReader::new(file), "the export", wishes)?.finish(None);
    }
    let (Size(most), len) = (desk.config.max_package_bytes, file.metadata().map_err(Error::from)?.len());
    // The history of one thing that moves is nearly the same text again and again.
    let mut package = Package::open(file, Limits::mission(most, len, &[LINES, OLD_LINES]))?;
    let Some(lines) = package.find(LINES).or_else(|| package.find(OLD_LINES)) else {
        return foreign::read(desk, &mut package, wishes);
    };
    let what = package.members().get(lines).map_or(String::new(), |m| format!("{:?}", m.name));
    let load = rows::read(desk, &mut BufReader::new(package.stream(lines, u64::MAX)?), &what, wishes)?;
    load.finish(Some(&mut package))
}
