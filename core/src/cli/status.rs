//! `fts status`, `health`, `reload`, `drain`, `stop`: the server as a whole.
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Global, output, plugin::list, remote};

/// Flags of `fts status`.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// Shows it anew every two seconds
    #[arg(long)]
    watch: bool,
}

/// Flags of `fts health`.
#[derive(Debug, clap::Args)]
pub struct HealthArgs {
    /// Ready, not only alive
    #[arg(long)]
    ready: bool,
}

pub fn run(global: &Global, args: &StatusArgs) -> ExitCode {
    loop {
        let code = remote::show(global, remote::ask(global, "GET", "/admin/status", None), page);
        if !args.watch || code != ExitCode::SUCCESS {
            return code;
        }
        std::thread::sleep(std::time::Duration::from_secs(2));
        println!();
    }
}

fn page(status: &Value) -> String {
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let mut rows = vec![["listener", "address", "port", "clients", ""].map(str::to_owned).to_vec()];
    for l in status["listeners"].as_array().into_iter().flatten() {
        let note = if l["tls"] == true { "TLS" } else { "" };
        rows.push(vec![text(&l["name"]), text(&l["address"]), text(&l["port"]), text(&l["clients"]), note.to_owned()]);
    }
    let clients = &status["clients"];
    let events = &status["events"];
    let mut page = format!(
        "fts {} ({}), {}, up {}\nnode {}, data in {}\n\n{}\nclients   {} connected, {} identified, {} protobuf; {} contacts\nevents    {} received, {} routed, {} delivered\n",
        text(&status["version"]),
        text(&status["git"]),
        text(&status["phase"]),
        output::age(status["uptime_s"].as_i64().unwrap_or(0)),
        text(&status["node_id"]),
        text(&status["data_dir"]),
        output::table(&rows),
        clients["connected"],
        clients["identified"],
        clients["protobuf"],
        clients["contacts"],
        events["received"],
        events["routed"],
        events["delivered"],
    );
    for kind in ["rejected", "dropped"] {
        if let Some(reasons) = events[kind].as_object() {
            let list: Vec<_> = reasons.iter().map(|(reason, n)| format!("{reason} {n}")).collect();
            page += &format!("{kind:<9} {}\n", list.join(", "));
        }
    }
    if let Some(certificates) = status["certificates"].as_object() {
        page += &format!(
            "certificates: CA {} days, server {} days\n",
            certificates["ca_days"], certificates["server_days"]
        );
    }
    let plugins = status["plugins"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (n, p) in plugins.iter().enumerate() {
        let label = if n == 0 { "plugins" } else { "" };
        let remark = if p["state"] == "running" { String::new() } else { list::remark(p) };
        page += format!("{label:<9} {} {} {remark}", text(&p["name"]), text(&p["state"])).trim_end();
        page.push('\n');
    }
    let process = &status["process"];
    let mib = process["resident_bytes"].as_u64().unwrap_or(0) as f64 / 1_048_576.0;
    page += &format!(
        "process   {mib:.1} MiB, {} s CPU, {} threads, {} files\n",
        process["cpu_seconds"], process["threads"], process["open_fds"]
    );
    page
}

pub fn health(global: &Global, args: &HealthArgs) -> ExitCode {
    if !args.ready {
        return match remote::ask(global, "GET", "/readyz", None) {
            Ok(_) => {
                println!("alive");
                ExitCode::SUCCESS
            }
            Err(code) => code,
        };
    }
    match remote::ask(global, "GET", "/readyz", None) {
        Err(code) => code,
        Ok(readiness) => {
            let good = matches!(readiness["status"].as_str(), Some("ok" | "degraded"));
            let code = remote::show(global, Ok(readiness), |r| {
                let checks = r["checks"].as_object().into_iter().flatten();
                let list: String =
                    checks.map(|(name, state)| format!("  {name}: {}\n", state.as_str().unwrap_or_default())).collect();
                format!("{}\n{list}", r["status"].as_str().unwrap_or_default())
            });
            if good { code } else { ExitCode::FAILURE }
        }
    }
}

pub fn reload(global: &Global) -> ExitCode {
    let list = |answer: &Value, key: &str| -> Vec<String> {
        let texts = answer[key].as_array().into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    };
    let answer = remote::ask(global, "POST", "/admin/reload", None);
    let refused = answer.as_ref().map(|a| list(a, "refused")).unwrap_or_default();
    let code = remote::show(global, answer, |answer| match list(answer, "restart_required").join(", ") {
        keys if keys.is_empty() => "reloaded\n".into(),
        keys => format!("reloaded; restart required for: {keys}\n"),
    });
    refused.iter().for_each(|why| eprintln!("fts: {why}"));
    if refused.is_empty() { code } else { ExitCode::FAILURE }
}

pub fn drain(global: &Global, on: bool) -> ExitCode {
    let answer = remote::ask(global, "POST", "/admin/drain", Some(json!({"on": on})));
    remote::show(global, answer, |_| {
        if on { "draining: new clients are refused\n".into() } else { "new clients are taken again\n".into() }
    })
}

pub fn stop(global: &Global) -> ExitCode {
    remote::show(global, remote::ask(global, "POST", "/admin/stop", None), |_| "stopping\n".into())
}
