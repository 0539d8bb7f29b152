//! The missions every server has (mission.md 1.10, 3.13): made once, in all groups; who deleted one has it gone.
//! Nobody made them, so their history is empty at first (AC-54).
use crate::{
    desk::Desk,
    model::Mission,
    refusal::Refusal,
    store::{
        changes::{self, By},
        missions,
    },
    write::After,
};
use fts_plugin_api::sdk::{Error, Result};

/// Name, tool, author.
const SEEDS: [(&str, &str, &str); 2] =
    [("exchecktemplates", "ExCheck", "ExCheck"), ("citrap", "citrap", "CITrapReportService")];

/// What they are called, in lower case: missions of these names never end by themselves, whoever made them.
pub const NAMES: [&str; 2] = [SEEDS[0].0, SEEDS[1].0];

/// Makes those that never were.
///
/// # Errors
/// The database.
pub fn plant(desk: &Desk) -> Result<()> {
    let guids = [desk.host.uuid(), desk.host.uuid()];
    let planted = desk.write(|w| {
        for ((name, tool, author), guid) in SEEDS.into_iter().zip(guids) {
            if !missions::by_name(w.tx, name)?.is_empty() || changes::is_gone(w.tx, By::Name(name))? {
                continue;
            }
            let mut mission = Mission {
                all_groups: true,
                tool: tool.to_owned(),
                creator_uid: author.to_owned(),
                ..Mission::new(guid, name.to_owned(), w.now)
            };
            mission.id = missions::insert(w.tx, &mission)?;
            w.then(After::Open(mission.id, mission.guid.clone(), mission.name.clone()));
        }
        Ok(())
    });
    planted.map_err(|refusal| match refusal {
        Refusal::Host(error) => error,
        other => Error::new(other.to_string()),
    })
}
