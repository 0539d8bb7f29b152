//! `fts clients list|kick|send`.
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Global, output, remote};

/// What to do with clients. WHO is a uid, callsign, certificate name or connection number.
#[derive(Debug, clap::Subcommand)]
pub enum ClientsCommand {
    /// Lists connected clients
    List {
        /// And those that left less than an hour ago, with the reason
        #[arg(long)]
        gone: bool,
    },
    /// Ends a client's connections
    Kick {
        /// Whom
        who: String,
        /// Keeps it out for a while, for example 10m
        #[arg(long)]
        ban: Option<String>,
    },
    /// Sends a chat message
    Send {
        /// To whom
        who: String,
        /// What
        text: String,
    },
}

pub fn run(global: &Global, command: &ClientsCommand) -> ExitCode {
    match command {
        ClientsCommand::List { gone } => {
            let answer = remote::ask(global, "GET", &format!("/admin/clients?gone={gone}"), None);
            remote::show(global, answer, list)
        }
        ClientsCommand::Kick { who, ban } => {
            let answer = remote::ask(
                global,
                "POST",
                &format!("/admin/clients/{}/kick", remote::encode(who)),
                Some(json!({"ban": ban})),
            );
            remote::show(global, answer, |a| format!("{} connection(s) ended\n", a["kicked"]))
        }
        ClientsCommand::Send { who, text } => {
            let answer = remote::ask(
                global,
                "POST",
                &format!("/admin/clients/{}/send", remote::encode(who)),
                Some(json!({"text": text})),
            );
            remote::show(global, answer, |a| format!("sent to {} connection(s)\n", a["sent"]))
        }
    }
}

fn list(clients: &Value) -> String {
    let text = |v: &Value| match v {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let heading = [
        "conn", "callsign", "uid", "user", "listener", "peer", "proto", "software", "team", "rx", "tx", "queue",
        "dropped", "state",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for c in clients.as_array().into_iter().flatten() {
        let state = match &c["gone"] {
            Value::Null if c["slow"] == true => "slow".to_owned(),
            Value::Null => String::new(),
            gone => format!("gone {} ({})", output::clock(gone["at_ms"].as_i64().unwrap_or(0)), text(&gone["reason"])),
        };
        let software = format!("{} {}", text(&c["takv"]["platform"]), text(&c["takv"]["version"]));
        let dropped = c["coalesced"].as_u64().unwrap_or(0) + c["dropped"]["state"].as_u64().unwrap_or(0);
        rows.push(vec![
            text(&c["conn"]),
            text(&c["callsign"]),
            text(&c["uid"]),
            text(&c["user"]),
            text(&c["listener"]),
            text(&c["peer"]),
            text(&c["proto"]),
            software.trim().to_owned(),
            text(&c["team"]),
            text(&c["rx_events"]),
            text(&c["tx_events"]),
            text(&c["queued_items"]),
            dropped.to_string(),
            state,
        ]);
    }
    output::table(&rows)
}
