//! `fts why`: who got an event and who did not, and which rule decided.
use std::process::ExitCode;

use serde_json::Value;

use super::{Global, output, remote};

/// What is asked. Names are uids or callsigns.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["event", "from"]))]
pub struct WhyArgs {
    /// The uid of an event
    #[arg(long, value_name = "UID")]
    event: Option<String>,
    /// A sender
    #[arg(long, value_name = "NAME")]
    from: Option<String>,
    /// A receiver
    #[arg(long, value_name = "NAME")]
    to: Option<String>,
    /// Only the last while, for example 5m
    #[arg(long, value_name = "TIME")]
    last: Option<String>,
}

pub fn run(global: &Global, args: &WhyArgs) -> ExitCode {
    let mut query = Vec::new();
    for (name, value) in [("event", &args.event), ("from", &args.from), ("to", &args.to)] {
        query.extend(value.as_ref().map(|v| format!("{name}={}", remote::encode(v))));
    }
    if let Some(last) = &args.last {
        let Some(time) = crate::config::duration(last) else {
            eprintln!("fts: --last {last:?}: a time like \"5m\"");
            return ExitCode::from(2);
        };
        query.push(format!("last_ms={}", time.as_millis()));
    }
    remote::show(global, remote::ask(global, "GET", &format!("/admin/why?{}", query.join("&")), None), page)
}

fn page(events: &Value) -> String {
    let events = events.as_array().map(Vec::as_slice).unwrap_or_default();
    if events.is_empty() {
        return "Nothing is known of such an event: it never arrived, it is older than what is kept (why.events), or it was a ping.\n".into();
    }
    events.iter().map(block).collect::<Vec<_>>().join("\n")
}

fn block(event: &Value) -> String {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let from = match (text(&event["from_callsign"]), text(&event["from_uid"])) {
        (callsign, uid) if !callsign.is_empty() => format!("{callsign} ({uid})"),
        _ if event["conn"].as_u64().unwrap_or(0) != 0 => format!("connection {} (not identified)", event["conn"]),
        _ => text(&event["source"]),
    };
    let mut out = format!(
        "{}  {}  {}\n  from {from}; {}\n",
        output::clock(event["at_ms"].as_i64().unwrap_or(0)),
        text(&event["kind"]),
        text(&event["uid"]),
        text(&event["decision"])
    );
    let clients = event["clients"].as_array().map(Vec::as_slice).unwrap_or_default();
    if clients.is_empty() {
        out += "  no such client was connected then\n";
    }
    let name = |c: &Value| match text(&c["callsign"]) {
        callsign if callsign.is_empty() => format!("connection {}", c["conn"]),
        callsign => callsign,
    };
    let width = clients.iter().map(|c| name(c).chars().count()).max().unwrap_or(0);
    for c in clients {
        let at = c["at_ms"].as_i64().map(output::clock).unwrap_or_default();
        let said = match (text(&c["outcome"]).as_str(), text(&c["detail"]).as_str()) {
            ("delivered", "") => format!("delivered {at} as {}", text(&c["form"])),
            ("delivered", detail) => format!("delivered as {}, {detail}", text(&c["form"])),
            ("queued", detail) => format!("waits in its queue: {detail}"),
            (_, "") => format!("not delivered: {}", text(&c["rule"])),
            (_, detail) => format!("not delivered: {} — {detail}", text(&c["rule"])),
        };
        out += &format!("    {:<width$}  {said}\n", name(c));
    }
    out
}
