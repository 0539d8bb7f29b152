//! `fts plugin test FILE`: what a plugin must survive before it is let into a server, tried in a child process.
//!
//! Order: the file is checked; wrong configurations must be refused as such; then it is started and stopped so many times,
//! each start with what the one before saved; every handler gets harmless and broken input (`exercise`); one more start;
//! stop. Threads that are left and memory that grew are faults, too. Exit code 1 when there is any.
use std::{
    fs,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use fts_plugin_api::abi::failure;
use serde_json::{Map, Value, json};

use super::{
    check,
    child::Words,
    exercise, faults,
    headless::{Headless, Setup},
    wrong,
};
use crate::{
    cli::{
        Global,
        output::{self, size, text},
        remote,
    },
    plugins::{Change, State},
};

/// Flags of `fts plugin test`.
#[derive(Debug, clap::Args)]
pub struct TestArgs {
    /// The library
    file: PathBuf,
    /// The name it must have [default: what the file says]
    #[arg(long)]
    name: Option<String>,
    /// How often it is started and stopped
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rounds: u32,
    /// How long one step may take, in seconds
    #[arg(long, default_value_t = 70, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    patience: u64,
}

/// Memory may grow by so much over all rounds: allocators keep some.
const GROWTH: u64 = 8 << 20;

pub fn run(global: &Global, args: &TestArgs) -> ExitCode {
    let tried = check::File::read(&args.file, args.name.as_deref()).and_then(|file| {
        let about = file.about(global)?;
        if let Some(why) = about["missing"].as_array().and_then(|m| m.first()) {
            return Err(format!("{}: cannot be tried without what it requires: {}", file.name, text(why)));
        }
        let mut more = file.args(global);
        more.extend(["--rounds".to_owned(), args.rounds.to_string()]);
        let also = about["also"].as_array().into_iter().flatten();
        more.extend(also.flat_map(|name| ["--also".to_owned(), text(name)]));
        let outcome = file.bed.run(&more, Duration::from_secs(args.patience));
        let mut outcome = outcome.unwrap_or_else(|why| json!({"faults": [{"what": why}]}));
        if let Some(why) = outcome["refused"].as_str() {
            outcome = json!({"faults": [{"what": why}]});
        }
        outcome["name"] = about["name"].clone();
        outcome["version"] = about["version"].clone();
        Ok(outcome)
    });
    match tried {
        Err(why) => {
            eprintln!("fts: {why}");
            ExitCode::FAILURE
        }
        Ok(outcome) => {
            let bad = outcome["faults"].as_array().is_none_or(|faults| !faults.is_empty());
            let code = remote::show(global, Ok(outcome), page);
            if bad { ExitCode::FAILURE } else { code }
        }
    }
}

fn page(outcome: &Value) -> String {
    let mut page = String::new();
    if let Some(rows) = outcome["handlers"].as_array() {
        let heading = ["handler", "calls", "refused", "panics"];
        let row = |h: &Value| ["handler", "calls", "refused", "panics"].map(|k| text(&h[k])).to_vec();
        let all: Vec<_> = std::iter::once(heading.map(str::to_owned).to_vec()).chain(rows.iter().map(row)).collect();
        let (config, memory) = (&outcome["config"], &outcome["memory"]);
        page += &output::table(&all);
        page += &format!(
            "\n{} starts and stops, {} ms each; memory {} before, {} after\n{} of {} wrong configurations refused; {} threads left\n",
            outcome["rounds"],
            outcome["round_ms"],
            size(memory["before"].as_u64().unwrap_or(0)),
            size(memory["after"].as_u64().unwrap_or(0)),
            config["refused"],
            config["tried"],
            outcome["threads"].as_array().map_or(0, Vec::len),
        );
    }
    let faults = outcome["faults"].as_array().map(Vec::as_slice).unwrap_or_default();
    for fault in faults {
        let mut line = format!("FAULT {}", text(&fault["what"]));
        if let Some(place) = fault["place"].as_str().filter(|p| !p.is_empty()) {
            line += &format!(" at {place}");
        }
        if let Some(trying) = fault["trying"].as_str().filter(|t| !t.is_empty()) {
            line += &format!(
                " ({trying}{})",
                match fault["times"].as_u64() {
                    Some(n) if n > 1 => format!("; {n} times"),
                    _ => String::new(),
                }
            );
        }
        page += &format!("{line}\n");
    }
    let verdict = match faults.len() {
        0 => "no faults".to_owned(),
        1 => "1 fault".to_owned(),
        n => format!("{n} faults"),
    };
    page + &format!("{} {}: {verdict}\n", text(&outcome["name"]), text(&outcome["version"]))
}

/// The child's part.
///
/// # Errors
/// It does not even start, one line.
pub fn inside(setup: &Setup<'_>, rounds: u32, words: &mut Words) -> Result<Value, String> {
    let name = setup.name;
    words.doing("start of the host");
    let host = Headless::open(setup)?;
    let mut found: Vec<Value> = Vec::new();
    let mut fault = |what: String| found.push(json!({"what": what}));

    words.doing("load");
    let manifest = host.plugins.examine(name)?;
    let defaults: Map<String, Value> = serde_json::from_str(&manifest.defaults).unwrap_or_default();
    let wrong = wrong::tables(&defaults);
    let mut refused = 0;
    for (what, table) in &wrong {
        words.doing(&format!("configuration with {what}"));
        faults::trying(what);
        match host.plugins.try_table(name, table.clone()) {
            Err(failed) if failed.code == failure::CONFIG => refused += 1,
            Err(failed) => fault(format!("{what} is no configuration error, but: {} {}", failed.message, failed.place)),
            Ok(_) => fault(format!("{what} is taken for a good configuration")),
        }
    }

    words.doing("start");
    faults::trying("start");
    host.plugins.start_all()?;
    let warm = rounds.div_ceil(10);
    let (mut memory, began) = (0, Instant::now());
    for round in 0..rounds {
        let step = format!("start and stop number {}", round + 1);
        words.doing(&step);
        faults::trying(&step);
        if let Err(why) = host.plugins.change(name, Change::Restart) {
            fault(format!("{step}: {why}"));
            break;
        }
        if round + 1 == warm {
            memory = resident();
        }
    }
    let round_ms = began.elapsed().as_millis() as u64 / u64::from(rounds);
    let after = resident();
    if after > memory + GROWTH {
        fault(format!("memory grew by {} over {} starts", size(after - memory), rounds - warm));
    }

    let rows = exercise::all(&host, name, &mut |step| words.doing(step)).unwrap_or_else(|why| {
        fault(format!("its handlers could not be called: {why}"));
        Vec::new()
    });
    words.doing("start after all of that");
    faults::trying("start with what it saved after all of that");
    if let Err(why) = host.plugins.change(name, Change::Restart) {
        fault(why);
    }
    if let Some(plugin) = host.plugins.get(name).filter(|p| p.state() != State::Running) {
        fault(format!("it does not run any more: {}", plugin.standing().report));
    }
    words.doing("stop");
    let mut threads = host.close();
    threads.sort();
    let mut names = threads.clone();
    names.dedup();
    for name in names {
        let times = threads.iter().filter(|t| **t == name).count();
        fault(format!("threads are left after the stop: {times} called {name}"));
    }
    found.extend(faults::all());
    Ok(json!({
        "rounds": rounds,
        "round_ms": round_ms,
        "config": {"tried": wrong.len(), "refused": refused},
        "handlers": rows.iter().map(exercise::Row::json).collect::<Vec<_>>(),
        "threads": threads,
        "memory": {"before": memory, "after": after},
        "faults": found,
    }))
}

/// Resident memory of this process, bytes.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    pages * rustix::param::page_size() as u64
}
