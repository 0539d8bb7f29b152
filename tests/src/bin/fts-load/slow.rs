//! Mode `slow`: some receivers never read. The others' latency must not care, and the server's memory must stay flat.
//!
//! Runs with and without stalled receivers take turns. Memory is looked at once a second while they are stalled; in the
//! second half of a run it must not grow any more.

use std::time::Duration;

use crate::{
    fanout::or_none,
    fault::Fault,
    report::Report,
    room::Setup,
    spread::Spread,
    target::{Options, Target},
    trial::{self, Outcome, Plan},
};

/// Options of the mode.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Clients; all of them send and receive
    #[arg(long, default_value_t = 20)]
    pub clients: usize,
    /// Those that never read
    #[arg(long, default_value_t = 2)]
    pub stalled: usize,
    /// Events per second of each client
    #[arg(long, default_value_t = 50.0)]
    pub rate: f64,
    /// Seconds of each run; after 20 s (write_stall) the server closes stalled clients
    #[arg(long, default_value_t = 15.0)]
    pub seconds: f64,
    /// How often both are run
    #[arg(long, default_value_t = 2)]
    pub rounds: usize,
}

/// A stalled client's queue may hold this much before state events are dropped.
const QUEUE: u64 = 2 * 1024 * 1024 + 256 * 1024;

/// Runs it.
///
/// # Errors
/// When the run cannot be made.
pub fn run(options: &Options, args: &Args) -> Result<Report, Fault> {
    let target = Target::server(options)?;
    let healthy = args.clients.saturating_sub(args.stalled);
    let room = Setup {
        clients: args.clients,
        senders: healthy,
        protobuf: 0.0,
        size: 900,
        identity: None,
        tls: 0.0,
        strict: false,
    };
    let plan = Plan {
        rate: args.rate * healthy as f64,
        room,
        warmup: Duration::from_secs(2),
        window: Duration::from_secs_f64(args.seconds),
        stalled: 0,
        thin: 0,
    };
    let mut outcomes: [Vec<Outcome>; 2] = Default::default();
    for _ in 0..args.rounds {
        for (n, stalled) in [0, args.stalled].into_iter().enumerate() {
            let outcome = trial::run(&target, &Plan { stalled, ..plan.clone() })?;
            eprintln!("  {stalled} stalled: p99 {:.2} ms, {:?}", outcome.ms(0.99), outcome.dropped);
            outcomes[n].push(outcome);
        }
    }
    let p99 = |n: usize| outcomes[n].iter().map(|o| o.ms(0.99)).collect::<Spread>();
    let (without, with) = (p99(0), p99(1));
    let mut report = Report::default();
    let label = format!("{} of {} stalled", args.stalled, args.clients);
    report.show(format!("{label}: p99 without"), format!("{without} ms"));
    let ratio = with.median() / without.median();
    let value = format!("{with} ms = {ratio:.2} x");
    report.promise(format!("{label}: p99 of the others"), value, "≤ 2 x", ratio <= 2.0);
    let stalled = &outcomes[1];
    let growth = stalled.iter().map(growth).max().unwrap_or(0);
    let late = stalled.iter().map(late_growth).max().unwrap_or(0);
    let mb = |bytes: u64| format!("{:.2} MB", bytes as f64 / 1e6);
    let bound = args.stalled as u64 * QUEUE;
    let flat = late <= 1_000_000 && growth <= bound + 4_000_000;
    let value = format!("+{} in all, +{} in the second half", mb(growth), mb(late));
    report.promise(format!("{label}: server memory"), value, "flat: ≤ 1 MB in the second half", flat);
    let broken: Vec<_> = stalled.iter().flat_map(|o| [o.lost_text(), o.oddities()].concat()).collect();
    report.promise(format!("{label}: others lost anything"), or_none(&broken), "none", broken.is_empty());
    let all = |n: usize| serde_json::Value::from(outcomes[n].iter().map(Outcome::json).collect::<Vec<_>>());
    report.detail("without", all(0));
    report.detail("stalled", all(1));
    Ok(report)
}

fn growth(outcome: &Outcome) -> u64 {
    let first = outcome.resident.first().copied().unwrap_or(0);
    outcome.resident.iter().max().copied().unwrap_or(0).saturating_sub(first)
}

fn late_growth(outcome: &Outcome) -> u64 {
    let half = outcome.resident.get(outcome.resident.len() / 2).copied().unwrap_or(0);
    let late = outcome.resident.iter().skip(outcome.resident.len() / 2).max().copied().unwrap_or(0);
    late.saturating_sub(half)
}
