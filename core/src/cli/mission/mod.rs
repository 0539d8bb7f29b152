//! `fts mission list|show|export|import|snapshot|restore`: what an administrator does with missions of a running server.
//! The missions are the plugin's; its routes are asked through the local socket (`talk`), files are read and written here
//! (`archive`), answers become tables (`page`). All missions of a FreeTAKServer are read by the server itself
//! (`installation`).
//!
//! What must not happen: a file that is there is overwritten; half a file is left behind; an error that says "not found"
//! without saying what, and where to look.
mod archive;
mod installation;
mod page;
mod talk;

use std::{path::PathBuf, process::ExitCode};

use serde_json::Value;

use super::{
    Global, output,
    remote::{encode, show},
};
use crate::observe::clock;

/// What to do with missions. MISSION is a guid or a name; of several with that name it is the newest.
#[derive(Debug, clap::Subcommand)]
pub enum MissionCommand {
    /// Lists all missions
    List,
    /// Shows one: members, snapshots, how much is in it
    Show {
        /// Which
        mission: String,
    },
    /// Writes one into an archive zip with all its history. Keep it safe: it holds the password's hash
    ///
    /// The zip is the archive other TAK software opens (cot/, contents/, MANIFEST/manifest.xml: newest items and files) and
    /// has the whole mission beside it (MANIFEST/mission.jsonl: history, every version, members, roles, log, folders), for
    /// fts mission import. It is for administrators: what clients may have is GET /Marti/api/missions/NAME/archive.
    Export {
        /// Which
        mission: String,
        /// Where to [default: NAME.mission.zip in this directory]
        #[arg(short, long, visible_alias = "file", value_name = "FILE")]
        output: Option<PathBuf>,
        /// Without the content of its files
        #[arg(long)]
        no_files: bool,
    },
    /// Reads one from such a file, or from an archive zip of any TAK server; or all of a FreeTAKServer from its folder
    ///
    /// From a file of fts mission export (of earlier versions, too) it comes back with everything. An archive of GET
    /// /Marti/api/missions/NAME/archive, of a mission that has ended (fts files list --keyword ARCHIVED_MISSION) or of
    /// another TAK server has the newest items and files: they are added as of now, and nobody is a member. It has the
    /// mission's password only where the server kept it for itself. What is imported must not be there (any more).
    ///
    /// From the folder of a FreeTAKServer (/opt/fts), or the MissionRecords.db in it, come all missions with their files,
    /// map items, log, members, invitations and hierarchy. The folder is only read, and the server must be able to read it.
    /// Importing again adds what was missing the first time, and nothing twice.
    Import {
        /// The zip file; or the folder of a FreeTAKServer
        file: PathBuf,
        /// Under another name
        #[arg(long)]
        name: Option<String>,
        /// As another mission beside the first: a guid of its own, no members
        #[arg(long)]
        copy: bool,
        /// From a FreeTAKServer: the group of missions and files; may be repeated [default: __ANON__]
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
    },
    /// Names the state of now, to go back to
    Snapshot {
        /// Which
        mission: String,
        /// The name; one of this name is replaced
        name: String,
        /// Forgets the snapshot of that name instead
        #[arg(long)]
        remove: bool,
    },
    /// Brings one back to an earlier state; clients see it at once, and it can be undone the same way
    Restore(RestoreArgs),
}

/// Flags of `fts mission restore`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("moment").required(true).args(["snapshot", "at", "ago"]))]
pub struct RestoreArgs {
    /// Which
    mission: String,
    /// To what it was when this snapshot was taken
    #[arg(long, value_name = "NAME")]
    snapshot: Option<String>,
    /// To what it was at this time, like 2026-03-01T10:00:00Z
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// To what it was so long ago, for example 10m
    #[arg(long, value_name = "TIME")]
    ago: Option<String>,
    /// Only says what would be done
    #[arg(long)]
    dry_run: bool,
}

pub fn run(global: &Global, command: &MissionCommand) -> ExitCode {
    match command {
        MissionCommand::List => show(global, talk::ask(global, "GET", talk::MISSIONS), page::list),
        MissionCommand::Show { mission } => show(global, talk::ask(global, "GET", &at(mission)), page::one),
        MissionCommand::Export { mission, output, no_files } => {
            show(global, archive::export(global, mission, output.as_deref(), !no_files), |a| {
                let bytes = output::size(a["bytes"].as_u64().unwrap_or_default());
                format!("wrote {} ({bytes})\n", output::text(&a["file"]))
            })
        }
        MissionCommand::Import { file, name, copy, groups } if installation::is(file) => {
            if name.is_some() || *copy {
                eprintln!("fts: --name and --copy are for one mission; {} has all of a server", file.display());
                return ExitCode::from(2);
            }
            installation::import(global, file, groups)
        }
        MissionCommand::Import { file, groups, .. } if !groups.is_empty() => {
            eprintln!("fts: --group is for missions of a FreeTAKServer; {} has its groups in it", file.display());
            ExitCode::from(2)
        }
        MissionCommand::Import { file, name, copy, .. } => {
            show(global, archive::import(global, file, name.as_deref(), *copy), |a| {
                format!("imported {} as {}\n{}", page::amounts(a), page::named(a), page::notes(a))
            })
        }
        MissionCommand::Snapshot { mission, name, remove: false } => {
            show(global, talk::ask(global, "POST", &snapshot(mission, name)), |a| {
                format!("snapshot {} of {mission} taken {}\n", output::text(&a["name"]), page::time(&a["taken"]))
            })
        }
        MissionCommand::Snapshot { mission, name, remove: true } => {
            show(global, talk::ask(global, "DELETE", &snapshot(mission, name)), |_| {
                format!("snapshot {name} of {mission} is forgotten\n")
            })
        }
        MissionCommand::Restore(args) => restore(global, args),
    }
}

fn at(mission: &str) -> String {
    format!("{}/{}", talk::MISSIONS, encode(mission))
}

fn snapshot(mission: &str, name: &str) -> String {
    format!("{}/snapshots/{}", at(mission), encode(name))
}

fn restore(global: &Global, args: &RestoreArgs) -> ExitCode {
    let moment = match (&args.snapshot, &args.at, &args.ago) {
        (Some(name), ..) => format!("snapshot={}", encode(name)),
        (None, Some(time), _) => format!("at={}", encode(time)),
        (None, None, ago) => {
            let Some(time) = ago.as_deref().and_then(|ago| before(ago, clock::now_ms())) else {
                eprintln!("fts: --ago {:?}: a time like \"10m\"", ago.as_deref().unwrap_or_default());
                return ExitCode::from(2);
            };
            format!("at={}", encode(&time))
        }
    };
    let uri = format!("{}/restore?{moment}&dry={}", at(&args.mission), args.dry_run);
    show(global, talk::ask(global, "POST", &uri), |a: &Value| page::restored(a, args.dry_run))
}

/// So long before `now` (ms UTC), as the routes read it.
fn before(ago: &str, now: i64) -> Option<String> {
    let ago = i64::try_from(crate::config::duration(ago)?.as_millis()).ok()?;
    Some(fts_plugin_api::cot::format_time(now.checked_sub(ago)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_times_become_paths() {
        assert_eq!(snapshot("Flood North", "a/b"), "/admin/missions/Flood%20North/snapshots/a%2Fb");
        assert_eq!(before("10m", 1_772_359_800_123).as_deref(), Some("2026-03-01T10:00:00.123Z"));
        assert_eq!(before("soon", 0), None);
    }
}
