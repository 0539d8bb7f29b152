//! Mode `tls`: the highest rate over TLS against the highest rate in the clear, same server, in turns.
//!
//! A generator that decrypts everything works as hard as the server that encrypts. When it is the one that gives up
//! first the measured ratio is a lower bound and the note says so; the ratio of CPU per delivery is shown beside it.

use std::time::Duration;

use crate::{
    fanout::Who,
    fault::Fault,
    max,
    report::Report,
    room::Setup,
    spread::Spread,
    target::{Options, Target},
};

/// Options of the mode.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub who: Who,
    /// Seconds of each try
    #[arg(long, default_value_t = 3.0)]
    pub seconds: f64,
    /// How often each has its turn
    #[arg(long, default_value_t = 2)]
    pub rounds: usize,
}

/// Runs it.
///
/// # Errors
/// When the run cannot be made.
pub fn run(options: &Options, args: &Args) -> Result<Report, Fault> {
    let target = Target::server(options)?;
    let plain = args.who.setup(&target)?;
    let secure = Setup { identity: Some(target.identity()?), tls: 1.0, ..plain.clone() };
    let plain = Setup { identity: None, ..plain };
    let window = Duration::from_secs_f64(args.seconds);
    let mut rates: [Spread; 2] = Default::default();
    let mut costs: [Spread; 2] = Default::default();
    let mut start = [(8_000.0, 2.0), (4_000.0, 2.0)];
    let mut report = Report::default();
    for round in 0..args.rounds {
        for (n, room) in [&plain, &secure].into_iter().enumerate() {
            let limit = max::search(&target, room, start[n].0, start[n].1, window)?;
            rates[n].add(limit.best.rate());
            costs[n].add(limit.best.cpu_us());
            start[n] = (limit.best.offered * 0.95, 1.1);
            let way = ["plain", "tls"][n];
            let failed = limit.failed.as_ref();
            if failed.is_some_and(|f| f.load() < 0.9 && f.own_load() > 0.85) {
                report.note(format!("{way}: the generator gave up before the server: a lower bound"));
            }
            let failed = failed.map(crate::trial::Outcome::json);
            report.detail(format!("{way}_{round}"), serde_json::json!({"best": limit.best.json(), "failed": failed}));
        }
    }
    report.show("plain: highest rate", format!("{} deliveries/s", rates[0]));
    report.show("TLS: highest rate", format!("{} deliveries/s", rates[1]));
    let ratio = rates[1].median() / rates[0].median();
    report.promise("TLS against plain", format!("{ratio:.2} x"), "≥ 0.35 x", ratio >= 0.35);
    let cost = costs[1].median() / costs[0].median();
    report.show("CPU per delivery at those rates", format!("plain {} µs, TLS {} µs = {cost:.2} x", costs[0], costs[1]));
    Ok(report)
}
