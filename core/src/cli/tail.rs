//! `fts tail-cot` and `fts logs`: live lines.
use std::process::ExitCode;

use super::{Global, output, remote};

/// Which events.
#[derive(Debug, clap::Args)]
pub struct TailArgs {
    /// A type, or its beginning with a star: a-f-*
    #[arg(long, value_name = "TYPE")]
    r#type: Option<String>,
    /// One uid
    #[arg(long)]
    uid: Option<String>,
}

/// Which lines.
#[derive(Debug, clap::Args)]
pub struct LogsArgs {
    /// Goes on with everything that comes
    #[arg(short, long)]
    follow: bool,
    /// error, warn, info, debug or trace
    #[arg(long)]
    level: Option<String>,
    /// Only the last while, for example 1h
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
}

pub fn run(global: &Global, args: &TailArgs) -> ExitCode {
    let mut query = Vec::new();
    for (name, value) in [("type", &args.r#type), ("uid", &args.uid)] {
        query.extend(value.as_ref().map(|v| format!("{name}={}", remote::encode(v))));
    }
    let json = global.json;
    let shown = remote::stream(global, &format!("/admin/tail?{}", query.join("&")), |event| {
        if json {
            return format!("{event}\n");
        }
        let text = |name: &str| event[name].as_str().unwrap_or_default();
        format!(
            "{}  {} -> {}\n{}\n",
            output::clock(event["at_ms"].as_i64().unwrap_or(0)),
            if text("from_uid").is_empty() { text("listener") } else { text("from_uid") },
            text("dest"),
            text("xml")
        )
    });
    shown.map_or_else(|code| code, |()| ExitCode::SUCCESS)
}

pub fn logs(global: &Global, args: &LogsArgs) -> ExitCode {
    let mut query = vec![format!("follow={}", args.follow)];
    query.extend(args.level.as_ref().map(|l| format!("level={}", remote::encode(l))));
    if let Some(since) = &args.since {
        let Some(time) = crate::config::duration(since) else {
            eprintln!("fts: --since {since:?}: a time like \"1h\"");
            return ExitCode::from(2);
        };
        query.push(format!("since={}", crate::observe::clock::now_ms() - time.as_millis() as i64));
    }
    let json = global.json;
    let shown = remote::stream(global, &format!("/admin/logs?{}", query.join("&")), |line| {
        if json {
            return format!("{line}\n");
        }
        let text = |name: &str| line[name].as_str().unwrap_or_default();
        let skip = ["ts", "level", "target", "msg"];
        let fields: String = line
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(n, _)| !skip.contains(&n.as_str()))
            .map(|(n, v)| format!(" {n}={}", v.as_str().map_or_else(|| v.to_string(), str::to_owned)))
            .collect();
        format!("{} {:5} {}{fields}\n", text("ts"), text("level"), text("msg"))
    });
    shown.map_or_else(|code| code, |()| ExitCode::SUCCESS)
}
