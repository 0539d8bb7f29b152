//! Mode `bench`: everything that is promised about speed and size, in one run on this machine: one table with bounds,
//! and a JSON file with every single measurement behind it.

use std::{path::PathBuf, time::Duration};

use serde_json::json;

use crate::{
    compare, connect,
    fanout::Who,
    fault::{Fault, Tried},
    idle,
    report::Report,
    secure, slow,
    target::{Options, Target},
    workers,
};

/// Options of the mode.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where the JSON goes
    #[arg(long, default_value = "bench.json", value_name = "FILE")]
    out: PathBuf,
    /// Turns of each comparison
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Shorter measurements and fewer turns: shows that it works, says little
    #[arg(long)]
    quick: bool,
}

/// Runs it.
///
/// # Errors
/// When a part cannot be run or the file cannot be written.
pub fn run(options: &Options, args: &Args) -> Result<Report, Fault> {
    let who = Who { clients: 100, senders: None, protobuf: 0.0, size: 900, tls: false };
    let rounds = if args.quick { 1 } else { args.rounds };
    let seconds = |full: f64| Duration::from_secs_f64(if args.quick { full / 3.0 } else { full });
    let mut report = Report::default();
    conditions(&mut report, options);

    step("idle");
    report.absorb("idle", idle::run(options, &idle::Args { seconds: seconds(20.0).as_secs_f64() })?);
    {
        let (ceiling, server) = (Target::ceiling(options)?, Target::server(options)?);
        let room = who.setup(&server)?;
        step("fan-out 100 x 1/s against the ceiling");
        report.absorb("fanout", compare::fixed(&ceiling, &server, &room, 100.0, rounds, seconds(10.0))?);
        step("highest rate against the ceiling");
        report.absorb("max", compare::highest(&ceiling, &server, &room, rounds, seconds(3.0))?);
    }
    step("two workers against one");
    let workers =
        workers::Args { who: who.clone(), rate: vec![1.0, 40.0], seconds: seconds(6.0).as_secs_f64(), rounds };
    report.absorb("workers", workers::run(options, &workers)?);
    step("TLS against plain");
    let tls = secure::Args { who, seconds: seconds(3.0).as_secs_f64(), rounds: rounds.min(2) };
    report.absorb("tls", secure::run(options, &tls)?);
    step("stalled receivers");
    let stalled =
        slow::Args { clients: 20, stalled: 2, rate: 50.0, seconds: seconds(15.0).as_secs_f64(), rounds: rounds.min(2) };
    report.absorb("slow", slow::run(options, &stalled)?);
    step("5000 clients, half-open handshakes");
    let crowd = connect::Args { clients: 5_000, wave: 25, half_open: 500 };
    report.absorb("connect", connect::run(options, &crowd)?);

    std::fs::write(&args.out, format!("{:#}\n", report.json())).tried(args.out.display().to_string())?;
    report.note(format!("every measurement is in {}", args.out.display()));
    Ok(report)
}

fn step(name: &str) {
    eprintln!("== {name}");
}

/// On what this was measured.
fn conditions(report: &mut Report, options: &Options) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_matches([' ', '\t', ':']).to_owned();
    let (kernel, load) =
        (read("/proc/sys/kernel/osrelease").trim().to_owned(), read("/proc/loadavg").trim().to_owned());
    let cores = format!("server {:?}, generator {:?}", options.server_cores, options.generator_cores);
    report.note(format!("{model}, Linux {kernel}, cores: {cores}, load before: {load}"));
    report.detail("conditions", json!({"cpu": model, "kernel": kernel, "cores": cores, "load": load}));
}
