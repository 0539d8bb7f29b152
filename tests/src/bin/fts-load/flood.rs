//! Mode `flood`: one sender as fast as its socket takes events, the server's read limit off: raw throughput, and what
//! the server does when receivers cannot keep up. Positions may be replaced by newer ones here; nothing may come twice,
//! out of order or back to the sender, and nobody may be cut off.

use std::time::Duration;

use crate::{
    fanout::{Who, describe, or_none},
    fault::Fault,
    report::Report,
    target::{Options, Target},
    trial::{self, Plan},
};

/// Options of the mode.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    who: Who,
    /// Seconds that are measured
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
}

/// Runs it.
///
/// # Errors
/// When the run cannot be made.
pub fn run(options: &Options, args: &Args) -> Result<Report, Fault> {
    let unlimited = ["stream.limits.read_events_per_s=0", "stream.limits.read_bytes_per_s=\"0\""];
    let target = Target::server(&options.with(&unlimited))?;
    let mut room = args.who.setup(&target)?;
    room.senders = args.who.senders.unwrap_or(1);
    let (warmup, window) = (Duration::from_secs(1), Duration::from_secs_f64(args.seconds));
    let outcome = trial::run(&target, &Plan { room, rate: 0.0, warmup, window, stalled: 0, thin: 4 })?;
    let mut report = Report::default();
    describe(&mut report, &outcome);
    report.show("replaced, dropped", format!("{:?}", outcome.dropped));
    let mut broken = outcome.oddities();
    broken.extend(outcome.closed.clone());
    report.promise("twice, out of order, echoed, cut off", or_none(&broken), "none", broken.is_empty());
    Ok(report)
}
