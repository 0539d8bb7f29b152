//! `fts-load`: the load generator of fts and, in the same program, the raw fan-out ceiling it is compared with.
//!
//! Each mode starts what it measures in a process of its own on one core, works on the other with a single thread, and
//! prints what it found as text or, with `--json`, as JSON. Exit codes: 0 = done and every promise kept, 1 = a promise
//! was broken (the text says which), 2 = the run could not be made. What must not happen: a generator that is busier
//! than its target without saying so.
mod ahead;
mod bench;
mod ceiling;
mod child;
mod compare;
mod connect;
mod event;
mod fanout;
mod fault;
mod flood;
mod frames;
mod framing;
mod hostile;
mod idle;
mod link;
mod max;
mod metrics;
mod mission;
mod report;
mod room;
mod sample;
mod scan;
mod secure;
mod shelves;
mod slow;
mod spread;
mod swarm;
mod tally;
mod target;
mod texts;
mod tls;
mod trial;
mod witness;
mod workers;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{fault::Fault, report::Report, target::Options};

/// Load generator of fts.
#[derive(Parser)]
#[command(name = "fts-load", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Clients that each send some events a second to everybody: CPU per delivery, latency
    Fanout(fanout::Args),
    /// The highest rate at which nothing is lost, conflated or dropped
    Max(max::Args),
    /// Server and ceiling in turns in one run, and their ratio
    Compare(compare::Args),
    /// One sender as fast as it can: raw throughput
    Flood(flood::Args),
    /// Receivers that never read: the others' latency, the server's memory
    Slow(slow::Args),
    /// Thousands of idle clients, half-open TLS handshakes
    Connect(connect::Args),
    /// Memory and CPU of a fresh server
    Idle(idle::Args),
    /// CPU per delivery with two worker threads against one
    Workers(workers::Args),
    /// Highest rate over TLS against plain
    Tls(secure::Args),
    /// Honest clients of all kinds among hostile ones
    Swarm(swarm::Args),
    /// A mission under load: events stored, noticed and released, reading it, polling it
    Mission(mission::Args),
    /// Everything that is promised about speed and size in one run
    Bench(bench::Args),
    /// The raw fan-out program alone (the other modes start it themselves)
    Ceiling(ceiling::Args),
}

fn main() -> ExitCode {
    let Cli { options, mode } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    sample::raise_file_limit();
    if options.prefer
        && let Err(error) = sample::prefer()
    {
        eprintln!("fts-load: --prefer: {error}; going on without it");
    }
    match run(&options, &mode) {
        Ok(report) => report.print(options.json),
        Err(fault) => {
            eprintln!("fts-load: {fault}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options, mode: &Mode) -> Result<Report, Fault> {
    match mode {
        Mode::Fanout(args) => fanout::run(options, args),
        Mode::Max(args) => max::run(options, args),
        Mode::Compare(args) => compare::run(options, args),
        Mode::Flood(args) => flood::run(options, args),
        Mode::Slow(args) => slow::run(options, args),
        Mode::Connect(args) => connect::run(options, args),
        Mode::Idle(args) => idle::run(options, args),
        Mode::Workers(args) => workers::run(options, args),
        Mode::Tls(args) => secure::run(options, args),
        Mode::Swarm(args) => swarm::run(options, args),
        Mode::Mission(args) => mission::run(options, args),
        Mode::Bench(args) => bench::run(options, args),
        Mode::Ceiling(args) => ceiling::run(args).map(|()| Report::default()),
    }
}
