//! Import of a FreeTAKServer installation (operations.md 7.3, 8; mission.md 6.1): what its databases and folders hold becomes
//! files of the store and rows for the plugin that owns their kind.
//!
//! `source` its databases, whole or in part · `file` a content, by its row · `event` the XML of a uid · `mission` the rows of
//! one mission · `report` what became of all. Order ([`run`]): for each mission its files are stored, then its rows go to
//! the plugin in one piece; last the hierarchy. A second run adds nothing.
//!
//! What must not happen: the installation is changed; a name in a database leads to a file outside of its folders; one
//! bad row ends the import.
mod event;
mod file;
mod mission;
mod report;
mod source;

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};

use crate::{
    files::Files,
    plugins::{ImportError, Plugins},
    store::error::StoreError,
};

pub use self::report::Report;
use self::source::Source;

/// Who takes missions.
const PLUGIN: &str = "mission";

/// Why nothing, or not everything, was imported.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// What was named.
    #[error("{0}")]
    Source(String),
    /// A database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The plugin.
    #[error(transparent)]
    Plugin(#[from] ImportError),
}

/// Imports the missions of an installation: its folder, or its `MissionRecords.db` with the rest beside it. Files and
/// missions get these groups. Takes as long as it takes: for a thread that may wait.
///
/// # Errors
/// [`Refused`]: what was imported before stays, and a second run goes on with the rest.
pub fn run(files: &Files, plugins: &Plugins, from: &Path, groups: &[String]) -> Result<Report, Refused> {
    plugins.imports(PLUGIN)?;
    let source = Source::open(from)?;
    let mut report = Report::new(&source.missions.path().display().to_string());
    report.notes.extend(source.missing());
    let mut here = BTreeMap::new();
    for row in source.missions.query("SELECT PrimaryKey FROM mission ORDER BY rowid", &[])? {
        let Some(key) = row.get("PrimaryKey").and_then(Value::as_str) else {
            report.read("mission", 1);
            report.failed("mission", "", "its PrimaryKey is no text");
            continue;
        };
        let rows = mission::rows(&source, files, key, groups, &mut report)?;
        let said = plugins.import(PLUGIN, "missions", rows)?;
        if let Some(guid) = report.take(&said) {
            here.insert(key.to_owned(), guid);
        }
    }
    let pairs = source.all("mission_to_mission")?;
    report.read("mission_to_mission", pairs.len());
    if !pairs.is_empty() {
        let rows = json!({"mission_to_mission": pairs, "missions": here});
        report.take(&plugins.import(PLUGIN, "mission_to_mission", rows)?);
    }
    tracing::info!(
        event = "import.done", from = %source.missions.path().display(), missions = here.len(), failed = report.failed.len(),
        "missions of a FreeTAKServer are imported"
    );
    Ok(report)
}
