//! Mode `fanout`: everybody sends some positions a second to everybody: what one delivery costs the server, and how
//! long it takes.

use std::time::Duration;

use crate::{
    fault::Fault,
    report::Report,
    room::Setup,
    spread::figure,
    target::{Options, Target},
    trial::{self, Outcome, Plan},
};

/// Who takes part; shared by the modes that have steady traffic.
#[derive(Clone, Debug, clap::Args)]
pub struct Who {
    /// Clients; all of them receive
    #[arg(long, default_value_t = 100)]
    pub clients: usize,
    /// Those of them that send [default: all]
    #[arg(long)]
    pub senders: Option<usize>,
    /// Share of clients that speak protobuf
    #[arg(long, default_value_t = 0.0)]
    pub protobuf: f64,
    /// Bytes of a position report
    #[arg(long, default_value_t = 900)]
    pub size: usize,
    /// Over TLS with a client certificate of the server's CA
    #[arg(long)]
    pub tls: bool,
}

impl Who {
    /// The room they make; with TLS the certificate is issued now.
    ///
    /// # Errors
    /// When no certificate can be had.
    pub fn setup(&self, target: &Target) -> Result<Setup, Fault> {
        let identity = if self.tls { Some(target.identity()?) } else { None };
        let senders = self.senders.unwrap_or(self.clients).clamp(1, self.clients.max(1));
        let (clients, protobuf, size) = (self.clients, self.protobuf, self.size);
        Ok(Setup { clients, senders, protobuf, size, identity, tls: 1.0, strict: false })
    }
}

/// Options of the mode.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    who: Who,
    /// Events per second of each sender
    #[arg(long, default_value_t = 1.0)]
    rate: f64,
    /// Seconds before anything is measured
    #[arg(long, default_value_t = 2.0)]
    warmup: f64,
    /// Seconds that are measured
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Clients that never read
    #[arg(long, default_value_t = 0)]
    stalled: usize,
    /// Drives the ceiling instead of the server
    #[arg(long)]
    ceiling: bool,
}

/// Runs it.
///
/// # Errors
/// When the run cannot be made.
pub fn run(options: &Options, args: &Args) -> Result<Report, Fault> {
    let target = if args.ceiling { Target::ceiling(options)? } else { Target::server(options)? };
    let room = args.who.setup(&target)?;
    let plan = Plan {
        rate: args.rate * room.senders as f64,
        room,
        warmup: Duration::from_secs_f64(args.warmup),
        window: Duration::from_secs_f64(args.seconds),
        stalled: args.stalled,
        thin: 0,
    };
    let outcome = trial::run(&target, &plan)?;
    let mut report = Report::default();
    describe(&mut report, &outcome);
    let complaints = outcome.complaints();
    report.promise(
        "nothing lost, twice, out of order, echoed or dropped",
        or_none(&complaints),
        "",
        complaints.is_empty(),
    );
    Ok(report)
}

/// What was measured, as rows.
pub fn describe(report: &mut Report, outcome: &Outcome) {
    let ms = |q: f64| figure(outcome.ms(q));
    report.show("target", outcome.target);
    report.show("events sent per second", figure(outcome.sent));
    report.show("deliveries per second", figure(outcome.rate()));
    report.show("server CPU per delivery", format!("{} µs", figure(outcome.cpu_us())));
    report.show("server load of one core", format!("{:.1} %", outcome.load() * 100.0));
    report.show(
        "generator load",
        format!("{:.1} % ({} µs per delivery)", outcome.own_load() * 100.0, figure(outcome.own_us())),
    );
    report.show(
        "latency p50 / p99 / p99.9 / max",
        format!("{} / {} / {} / {} ms", ms(0.5), ms(0.99), ms(0.999), figure(outcome.latency.max() as f64 / 1_000.0)),
    );
    report.show("behind at the end of the window", format!("{} ms", figure(outcome.backlog_ms)));
    let resident = outcome.resident.iter().max().copied().unwrap_or(0) as f64 / 1e6;
    report.show("most resident memory", format!("{resident:.1} MB"));
    if outcome.own_load() > 0.95 {
        report.note("the generator was over 95 % busy: the target could do more than this");
    }
    report.detail(outcome.target, outcome.json());
}

/// Complaints as one text.
pub fn or_none(complaints: &[String]) -> String {
    if complaints.is_empty() { "none".into() } else { complaints.join(", ") }
}
