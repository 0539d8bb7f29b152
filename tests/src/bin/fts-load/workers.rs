//! Mode `workers`: what a delivery costs the server with two worker threads against one. The one has a core to itself;
//! the two share both cores with the generator, which has no other place here. Both run, and take turns.

use std::time::Duration;

use crate::{
    fanout::{Who, or_none},
    fault::Fault,
    report::Report,
    spread::Spread,
    target::{Options, Target},
    trial::{self, Outcome, Plan},
};

/// Options of the mode.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub who: Who,
    /// Events per second of each sender, several rates after another
    #[arg(long, value_delimiter = ',', default_value = "1,40")]
    pub rate: Vec<f64>,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 6.0)]
    pub seconds: f64,
    /// How often each has its turn
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
}

/// Runs it.
///
/// # Errors
/// When the run cannot be made.
pub fn run(options: &Options, args: &Args) -> Result<Report, Fault> {
    let one = Target::server(&options.with(&["server.worker_threads=1"]))?;
    let mut both = options.with(&["server.worker_threads=2"]);
    both.server_cores.extend(&options.generator_cores);
    let two = Target::server(&both)?;
    let room = args.who.setup(&one)?;
    let mut report = Report::default();
    for rate in &args.rate {
        let mut outcomes: [Vec<Outcome>; 2] = Default::default();
        for _ in 0..args.rounds {
            for (n, target) in [&one, &two].into_iter().enumerate() {
                let plan = Plan {
                    room: room.clone(),
                    rate: rate * room.senders as f64,
                    warmup: Duration::from_secs(1),
                    window: Duration::from_secs_f64(args.seconds),
                    stalled: 0,
                    thin: 0,
                };
                let outcome = trial::run(target, &plan)?;
                eprintln!("  {} workers, {rate}/s: {:.3} µs per delivery", n + 1, outcome.cpu_us());
                outcomes[n].push(outcome);
            }
        }
        let spread = |n: usize| outcomes[n].iter().map(Outcome::cpu_us).collect::<Spread>();
        let (single, double) = (spread(0), spread(1));
        let label = format!("{} x {rate}/s", room.senders);
        report.show(format!("{label}: CPU per delivery, one worker"), format!("{single} µs"));
        let ratio = double.median() / single.median();
        let value = format!("{double} µs = {ratio:.2} x");
        report.promise(format!("{label}: CPU per delivery, two workers"), value, "≤ 1.25 x", ratio <= 1.25);
        let broken: Vec<_> = outcomes.iter().flatten().flat_map(Outcome::complaints).collect();
        report.promise(format!("{label}: lost, dropped, odd"), or_none(&broken), "none", broken.is_empty());
        let all: Vec<_> = outcomes.iter().flatten().map(Outcome::json).collect();
        report.detail(format!("workers_{rate}"), all.into());
    }
    Ok(report)
}
