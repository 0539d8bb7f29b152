//! Mode `idle`: what a fresh server with nobody connected takes: memory, and CPU over some quiet seconds.

use std::{thread::sleep, time::Duration};

use serde_json::json;

use crate::{
    fault::Fault,
    report::Report,
    spread::figure,
    target::{Options, Target},
};

/// Options of the mode.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Seconds that are measured
    #[arg(long, default_value_t = 20.0)]
    pub seconds: f64,
}

/// Runs it.
///
/// # Errors
/// When the server does not start.
pub fn run(options: &Options, args: &Args) -> Result<Report, Fault> {
    let target = Target::server(options)?;
    sleep(Duration::from_secs(3));
    let before = target.cpu();
    sleep(Duration::from_secs_f64(args.seconds));
    let load = (target.cpu() - before).as_secs_f64() / args.seconds * 100.0;
    let resident = target.resident() as f64 / 1e6;
    let mut report = Report::default();
    report.promise("base memory", format!("{} MB", figure(resident)), "≤ 20 MB", resident <= 20.0);
    report.promise("idle CPU", format!("{load:.3} %"), "< 0.1 %", load < 0.1);
    report.detail("idle", json!({"resident_mb": resident, "cpu_percent": load, "seconds": args.seconds}));
    Ok(report)
}
