//! Mode `compare`: server and ceiling driven in turns by the same generator in one run, and the ratio of their medians.

use std::time::Duration;

use crate::{
    fanout::{Who, describe, or_none},
    fault::Fault,
    max,
    report::Report,
    room::Setup,
    spread::Spread,
    target::{Options, Target},
    trial::{self, Outcome, Plan},
};

/// Options of the mode.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    who: Who,
    /// fanout = CPU per delivery and latency at a fixed rate; max = the highest rate without loss
    #[arg(long, default_value = "fanout", value_parser = ["fanout", "max"])]
    mode: String,
    /// How often each of the two has its turn
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Events per second of each sender (fanout)
    #[arg(long, default_value_t = 1.0)]
    rate: f64,
    /// Seconds of each measurement [default: 10, with max 3]
    #[arg(long)]
    seconds: Option<f64>,
}

/// Runs it.
///
/// # Errors
/// When the run cannot be made.
pub fn run(options: &Options, args: &Args) -> Result<Report, Fault> {
    let (ceiling, server) = (Target::ceiling(options)?, Target::server(options)?);
    let room = args.who.setup(&server)?;
    if args.mode == "max" {
        return highest(&ceiling, &server, &room, args.rounds, Duration::from_secs_f64(args.seconds.unwrap_or(3.0)));
    }
    let rate = args.rate * room.senders as f64;
    fixed(&ceiling, &server, &room, rate, args.rounds, Duration::from_secs_f64(args.seconds.unwrap_or(10.0)))
}

/// CPU per delivery and latency at a fixed rate.
///
/// # Errors
/// When a run cannot be made.
pub fn fixed(
    ceiling: &Target,
    server: &Target,
    room: &Setup,
    rate: f64,
    rounds: usize,
    window: Duration,
) -> Result<Report, Fault> {
    let plan = Plan { room: room.clone(), rate, warmup: Duration::from_secs(2), window, stalled: 0, thin: 0 };
    let raw = Plan { room: Setup { identity: None, protobuf: 0.0, ..room.clone() }, ..plan.clone() };
    let mut outcomes: [Vec<Outcome>; 2] = Default::default();
    for _ in 0..rounds {
        for (n, (target, plan)) in [(ceiling, &raw), (server, &plan)].into_iter().enumerate() {
            let outcome = trial::run(target, plan)?;
            eprintln!("  {}: {:.2} µs per delivery, p99 {:.2} ms", target.name, outcome.cpu_us(), outcome.ms(0.99));
            outcomes[n].push(outcome);
        }
    }
    let mut report = Report::default();
    let spread = |n: usize, of: fn(&Outcome) -> f64| outcomes[n].iter().map(of).collect::<Spread>();
    let (bare, ours) = (spread(0, Outcome::cpu_us), spread(1, Outcome::cpu_us));
    let label = format!("fan-out {} x {:.0}/s", room.senders, rate / room.senders as f64);
    report.show(format!("{label}: deliveries/s"), spread(1, Outcome::rate).to_string());
    report.show(format!("{label}: ceiling CPU per delivery"), format!("{bare} µs"));
    report.show(format!("{label}: server CPU per delivery"), format!("{ours} µs"));
    let ratio = ours.median() / bare.median();
    report.promise(format!("{label}: CPU against the ceiling"), format!("{ratio:.2} x"), "≤ 1.2 x", ratio <= 1.2);
    let [bare99, ours99] = [0, 1].map(|n| spread(n, |o| o.ms(0.99)));
    report.show(format!("{label}: ceiling p99"), format!("{bare99} ms"));
    report.promise(format!("{label}: server p99"), format!("{ours99} ms"), "≤ 5 ms", ours99.median() <= 5.0);
    let complaints: Vec<_> = outcomes[1].iter().flat_map(Outcome::complaints).collect();
    report.promise(format!("{label}: lost, dropped, odd"), or_none(&complaints), "none", complaints.is_empty());
    if let Some(last) = outcomes[1].last() {
        let mut detail = Report::default();
        describe(&mut detail, last);
        report.detail("last_server_run", detail.json());
    }
    let all = |n: usize| serde_json::Value::from(outcomes[n].iter().map(Outcome::json).collect::<Vec<_>>());
    report.detail("ceiling", all(0));
    report.detail("server", all(1));
    Ok(report)
}

/// The highest rates.
///
/// # Errors
/// When a run cannot be made.
pub fn highest(
    ceiling: &Target,
    server: &Target,
    room: &Setup,
    rounds: usize,
    window: Duration,
) -> Result<Report, Fault> {
    let mut report = Report::default();
    let mut rates: [Spread; 2] = Default::default();
    let mut start = [(8_000.0, 2.0); 2];
    for _ in 0..rounds {
        for (n, target) in [ceiling, server].into_iter().enumerate() {
            let limit = max::search(target, room, start[n].0, start[n].1, window)?;
            rates[n].add(limit.best.rate());
            // The next search begins near: most of its tries are then about the limit itself.
            start[n] = (limit.best.offered * 0.95, 1.1);
            limit.describe(&mut report);
        }
    }
    let [bare, ours] = &rates;
    report.show("ceiling: highest rate", format!("{bare} deliveries/s"));
    report.show("server: highest rate", format!("{ours} deliveries/s"));
    let ratio = ours.median() / bare.median();
    report.promise("server against the ceiling", format!("{:.0} %", ratio * 100.0), "≥ 50 %, aim 80 %", ratio >= 0.5);
    Ok(report)
}
