//! `fts group …`: groups and who is in them, with or without a running server. Changes reach connected clients at once.
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{
    Global,
    ask::ask,
    output,
    remote::{encode, show},
};

/// What to do with groups.
#[derive(Debug, clap::Subcommand)]
pub enum GroupCommand {
    /// Makes a group
    Add {
        /// Its name
        group: String,
        /// What clients show beside it
        #[arg(long, default_value = "")]
        description: String,
    },
    /// Removes a group with its memberships
    Rm {
        /// Which
        group: String,
    },
    /// Puts a user into a group
    Grant {
        /// Into which
        group: String,
        /// Whom
        user: String,
        #[command(flatten)]
        way: Way,
    },
    /// Takes a user out of a group
    Revoke {
        /// Out of which
        group: String,
        /// Whom
        user: String,
        #[command(flatten)]
        way: Way,
    },
    /// Lists groups with their members
    List,
}

/// One direction or both.
#[derive(Debug, clap::Args)]
pub struct Way {
    /// Only sending into it
    #[arg(long = "in")]
    sends: bool,
    /// Only receiving from it
    #[arg(long = "out")]
    receives: bool,
}

impl Way {
    fn name(&self) -> &'static str {
        match (self.sends, self.receives) {
            (true, false) => "in",
            (false, true) => "out",
            _ => "both",
        }
    }
}

pub fn run(global: &Global, command: &GroupCommand) -> ExitCode {
    match command {
        GroupCommand::Add { group, description } => {
            let body = json!({"name": group, "description": description});
            let answer = ask(global, "POST", "/admin/groups", Some(body));
            show(global, answer, |a| format!("group {} added\n", output::text(&a["name"])))
        }
        GroupCommand::Rm { group } => {
            let answer = ask(global, "DELETE", &format!("/admin/groups/{}", encode(group)), None);
            show(global, answer, |a| format!("group {} removed\n", output::text(&a["removed"])))
        }
        GroupCommand::Grant { group, user, way } => member(global, "PUT", group, user, way),
        GroupCommand::Revoke { group, user, way } => member(global, "DELETE", group, user, way),
        GroupCommand::List => show(global, ask(global, "GET", "/admin/groups", None), list),
    }
}

fn member(global: &Global, method: &str, group: &str, user: &str, way: &Way) -> ExitCode {
    let path = format!("/admin/groups/{}/members/{}?direction={}", encode(group), encode(user), way.name());
    show(global, ask(global, method, &path, None), |a| {
        let rows = vec![row(&HEADING.map(|h| h.to_owned().into())), line(a)];
        let said = if a["changed"] == true { "" } else { "nothing to change\n" };
        format!("{said}{}", output::table(&rows))
    })
}

const HEADING: [&str; 5] = ["group", "bit", "send into it", "receive from it", "description"];

fn row(values: &[Value]) -> Vec<String> {
    values.iter().map(output::text).collect()
}

fn line(group: &Value) -> Vec<String> {
    let names =
        |list: &Value| list.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
    let mut row = row(&[group["name"].clone(), group["bitpos"].clone()]);
    row.extend([names(&group["in"]), names(&group["out"]), output::text(&group["description"])]);
    row
}

fn list(groups: &Value) -> String {
    let mut rows = vec![row(&HEADING.map(|h| h.to_owned().into()))];
    rows.extend(groups.as_array().into_iter().flatten().map(line));
    output::table(&rows)
}
