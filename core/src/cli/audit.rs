//! `fts audit`: who changed what and who was not let in, with or without a running server.
use std::process::ExitCode;

use serde_json::Value;

use super::{
    Global,
    ask::ask,
    output,
    remote::{encode, show},
};
use crate::observe::clock;

/// Flags of `fts audit`.
#[derive(Debug, clap::Args)]
pub struct AuditArgs {
    /// Only what is younger, for example 24h
    #[arg(long, value_name = "DURATION")]
    since: Option<String>,
    /// Only this action, or all that begin so with a * behind: auth.*
    #[arg(long)]
    action: Option<String>,
    /// Only rows of or about this user, group or address
    #[arg(long)]
    who: Option<String>,
    /// At most so many, the newest
    #[arg(long, default_value_t = 200)]
    limit: u32,
}

pub fn run(global: &Global, args: &AuditArgs) -> ExitCode {
    let mut path = format!("/admin/audit?limit={}", args.limit);
    if let Some(text) = &args.since {
        let Some(age) = crate::config::duration(text) else {
            eprintln!("fts: --since {text:?}: a duration like 24h");
            return ExitCode::from(2);
        };
        let since = clock::now_ms().saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        path += &format!("&since={}", since.max(0));
    }
    for (name, value) in [("action", &args.action), ("who", &args.who)] {
        if let Some(value) = value {
            path += &format!("&{name}={}", encode(value));
        }
    }
    show(global, ask(global, "GET", &path, None), table)
}

/// Oldest first: the newest stands where the eye is.
fn table(rows: &Value) -> String {
    let mut out = vec![["time (UTC)", "actor", "from", "action", "about", "details"].map(str::to_owned).to_vec()];
    for row in rows.as_array().into_iter().flatten().rev() {
        let details = row["detail"].as_object().into_iter().flatten();
        let details: Vec<_> = details.map(|(k, v)| format!("{k}={}", output::text(v))).collect();
        let at = fts_plugin_api::cot::format_time(row["at"].as_i64().unwrap_or(0));
        out.push(vec![
            at.get(..19).unwrap_or_default().replace('T', " "),
            output::text(&row["actor"]),
            output::text(&row["ip"]),
            output::text(&row["action"]),
            output::text(&row["subject"]),
            details.join(" "),
        ]);
    }
    output::table(&out)
}
