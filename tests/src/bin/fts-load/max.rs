//! Mode `max`: the highest rate at which nothing is lost, conflated or dropped and nothing piles up.
//!
//! Doubling finds a rate that is too high, halving the distance finds the limit to a few percent. Each try has clients
//! of its own, so what an overload left behind does not count against the next one. A rate that failed is tried once
//! more before it counts as too high: one hiccup of the machine must not decide; server and ceiling are treated alike.

use std::time::Duration;

use serde_json::json;

use crate::{
    fanout::{self, Who, or_none},
    fault::Fault,
    report::Report,
    room::Setup,
    spread::figure,
    target::{Options, Target},
    trial::{self, Outcome, Plan},
};

/// Options of the mode.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    who: Who,
    /// First rate that is tried, events per second of all senders
    #[arg(long, default_value_t = 8_000.0)]
    start: f64,
    /// Seconds of each try
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Drives the ceiling instead of the server
    #[arg(long)]
    ceiling: bool,
}

/// The limit and what lies beyond it.
#[derive(Clone, Debug)]
pub struct Limit {
    /// The best run without complaint.
    pub best: Outcome,
    /// The lowest run with complaints.
    pub failed: Option<Outcome>,
    /// How many were made.
    pub tries: usize,
}

/// Runs it.
///
/// # Errors
/// When the run cannot be made.
pub fn run(options: &Options, args: &Args) -> Result<Report, Fault> {
    let target = if args.ceiling { Target::ceiling(options)? } else { Target::server(options)? };
    let room = args.who.setup(&target)?;
    let limit = search(&target, &room, args.start, 2.0, Duration::from_secs_f64(args.seconds))?;
    let mut report = Report::default();
    fanout::describe(&mut report, &limit.best);
    limit.describe(&mut report);
    Ok(report)
}

/// Finds the limit, beginning at `start` events per second, first in steps of the factor `step`.
///
/// # Errors
/// When a run cannot be made, or not even a very low rate is carried.
pub fn search(target: &Target, room: &Setup, start: f64, step: f64, window: Duration) -> Result<Limit, Fault> {
    let (mut low, mut high): (Option<Outcome>, Option<Outcome>) = (None, None);
    let mut rate = start;
    for tries in 1..=24 {
        let plan = Plan { room: room.clone(), rate, warmup: Duration::from_secs(1), window, stalled: 0, thin: 4 };
        let outcome = attempt(target, &plan)?;
        let outcome = if outcome.complaints().is_empty() { outcome } else { attempt(target, &plan)? };
        if outcome.complaints().is_empty() {
            low = Some(outcome);
        } else {
            high = Some(outcome);
        }
        rate = match (&low, &high) {
            (Some(low), None) => low.offered * step,
            (None, Some(high)) if high.offered > 20.0 => high.offered / step,
            (Some(low), Some(high)) if high.offered / low.offered > 1.04 => (low.offered * high.offered).sqrt(),
            (Some(_), Some(_)) => return low.map(|best| Limit { best, failed: high, tries }).ok_or_else(nothing),
            _ => return Err(nothing()),
        };
    }
    low.map(|best| Limit { best, failed: high, tries: 24 }).ok_or_else(nothing)
}

/// One try, with a line on standard error.
fn attempt(target: &Target, plan: &Plan) -> Result<Outcome, Fault> {
    let outcome = trial::run(target, plan)?;
    let complaints = outcome.complaints();
    eprintln!(
        "  {} {:.0} events/s, {} deliveries/s, load {:.0} %, generator {:.0} %: {}",
        target.name,
        plan.rate,
        figure(outcome.rate()),
        outcome.load() * 100.0,
        outcome.own_load() * 100.0,
        if complaints.is_empty() { "carried".to_owned() } else { or_none(&complaints) }
    );
    Ok(outcome)
}

fn nothing() -> Fault {
    Fault::Talk("no rate was carried without loss".into())
}

impl Limit {
    /// What stands beside the rate.
    pub fn describe(&self, report: &mut Report) {
        let name = self.best.target;
        report.show(format!("{name}: highest rate without loss"), format!("{} deliveries/s", figure(self.best.rate())));
        if let Some(failed) = &self.failed {
            let why = or_none(&failed.complaints());
            report.show(
                format!("{name}: next rate that failed"),
                format!(
                    "{} events/s (load {:.0} %, generator {:.0} %): {why}",
                    figure(failed.offered),
                    failed.load() * 100.0,
                    failed.own_load() * 100.0
                ),
            );
            if failed.own_load() > 0.95 {
                report.note(format!("{name}: at the failing rate the generator was over 95 % busy: a lower bound"));
            }
        }
        report.detail(
            format!("{name}_max"),
            json!({"best": self.best.json(), "failed": self.failed.as_ref().map(Outcome::json), "tries": self.tries}),
        );
    }
}
