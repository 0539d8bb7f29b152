//! A mission package (M-19, mission.md 3.4.1): a zip file whose content goes into a mission.
//!
//! `unzip` reads it and believes nothing in it · `body` gets it out of a request · `kept` the files that were stored for it · with `changes.json` it is what a client
//! did while it was offline (`merge`, checked by `conflict`), without it every event and file is added (`plain`).
//!
//! Order: everything is read and checked; files are stored; one transaction; notices and events. What must not happen:
//! a part of a package in the mission; a name that leads somewhere; a small archive that fills disk or memory; files that
//! stay behind a package that was refused.
pub mod body;
mod conflict;
mod kept;
mod merge;
mod plain;
pub mod unzip;

use std::fs::File;

use fts_plugin_api::{
    cot::{Cot, Splices, check},
    sdk::{Event, Request},
    tracing,
};
use serde_json::Value;

use crate::{caller::Caller, config::Size, desk::Desk, items, model::Mission, refusal::Refusal};
pub use kept::{Kept, discard};
use unzip::{Limits, Package};

/// A CoT event in a package, bytes.
pub const EVENT: u64 = 4 << 20;
/// `changes.json`, bytes.
const CHANGES: u64 = 16 << 20;

/// What became of it.
#[derive(Debug)]
pub enum Loaded {
    /// It is in the mission; what was left out, and why.
    Done(Vec<String>),
    /// Nothing is: these changes of it conflict with what others did.
    Conflict(Vec<Value>),
}

/// Who loads it.
pub struct Loader<'a> {
    pub desk: &'a Desk,
    pub mission: &'a Mission,
    pub caller: &'a Caller,
    /// Author of what does not name another.
    pub creator: &'a str,
}

/// Loads the body of a request into a mission.
///
/// # Errors
/// 400: no zip, or one that breaks a rule; 410; 413; the disk, the database.
pub fn load(loader: &Loader<'_>, request: &mut Request) -> Result<Loaded, Refusal> {
    let Size(most) = loader.desk.config.max_package_bytes;
    let mut kept = Kept::new(loader.desk);
    let body = body::of(loader.desk, request)?;
    let file = File::open(body.path()).map_err(fts_plugin_api::sdk::Error::from)?;
    let mut package = Package::open(file, Limits::package(most))?;
    let loaded = match package.find("changes.json") {
        Some(at) => {
            let changes = package.read(at, CHANGES)?;
            merge::load(loader, &mut package, &changes, &mut kept)?
        }
        None => plain::load(loader, &mut package, &mut kept)?,
    };
    kept.settle(loader.mission)?;
    let (mission, user, uid) = (&loader.mission.guid, &loader.caller.user, loader.creator);
    let conflicts = if let Loaded::Conflict(all) = &loaded { all.len() } else { 0 };
    tracing::info!(event = "mission.package", %mission, %user, %uid, conflicts, "a mission package was taken");
    Ok(loaded)
}

/// An event of a package, checked as one that arrives, without destinations.
///
/// # Errors
/// 400: it is none.
pub fn event(desk: &Desk, name: &str, text: &[u8]) -> Result<Cot, Refusal> {
    let bad = |why: String| Refusal::Bad(format!("{name:?} in the package is no event: {why}"));
    let cot = Cot::parse(root(text).to_vec()).map_err(|e| bad(e.to_string()))?;
    let mut splices = Splices::new();
    check(cot.text(), cot.spans(), desk.host.now(), &mut splices).map_err(|e| bad(e.to_string()))?;
    let mut out = Vec::new();
    let spans = splices.apply(cot.text(), cot.spans(), &mut out);
    items::stripped(&Event::of(&out, &spans))
}

/// From the root element on: behind byte order mark, declaration, comments.
fn root(text: &[u8]) -> &[u8] {
    let mut rest = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii();
    for (begin, end) in [(&b"<?"[..], &b"?>"[..]), (b"<!--", b"-->")].into_iter().cycle().take(8) {
        if rest.starts_with(begin) {
            let behind = rest.windows(end.len()).position(|w| w == end).map_or(rest.len(), |at| at + end.len());
            rest = rest[behind..].trim_ascii_start();
        }
    }
    rest
}
