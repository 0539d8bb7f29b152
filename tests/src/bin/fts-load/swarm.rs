//! Mode `swarm`: many honest clients, XML and protobuf, plain and TLS, among hostile peers, for a minute or more.
//!
//! Promised to every honest client: it is never cut off; every chat and marker of every other honest client arrives,
//! once and in order; positions come in order, never twice, never back; no stream is torn. Positions may be left out
//! only for a newer one, which is counted and shown.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    event::uid,
    fanout::or_none,
    fault::Fault,
    hostile::{ACTS, Hostiles},
    report::Report,
    room::{Room, Setup, fresh_numbers},
    spread::figure,
    target::{Options, Target},
};

/// Options of the mode.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Clients, hostile ones included
    #[arg(long, default_value_t = 200)]
    clients: usize,
    /// Share of hostile ones
    #[arg(long, default_value_t = 0.05)]
    hostile: f64,
    /// Share of honest ones that speak protobuf
    #[arg(long, default_value_t = 0.5)]
    protobuf: f64,
    /// Share of honest ones that use TLS
    #[arg(long, default_value_t = 0.25)]
    tls: f64,
    /// Positions per second of each
    #[arg(long, default_value_t = 1.0)]
    rate: f64,
    /// Chats and markers per second of each
    #[arg(long, default_value_t = 0.5)]
    reliable: f64,
    /// How long
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
}

/// Runs it.
///
/// # Errors
/// When the run cannot be made.
pub fn run(options: &Options, args: &Args) -> Result<Report, Fault> {
    let target = Target::server(options)?;
    let hostile = (args.clients as f64 * args.hostile).round() as usize;
    let honest = args.clients.saturating_sub(hostile);
    let identity = if args.tls > 0.0 && options.addr.is_none() { Some(target.identity()?) } else { None };
    let setup = Setup {
        clients: honest,
        senders: honest,
        protobuf: args.protobuf,
        size: 900,
        identity,
        tls: args.tls,
        strict: true,
    };
    let mut room = Room::open(&target, &setup)?;
    room.announce()?;
    let before = target.counters();
    let hostiles = Hostiles::start(target.address, hostile, fresh_numbers(hostile));
    room.recording = Some(0);
    let (began, time) = (Instant::now(), Duration::from_secs_f64(args.seconds));
    let (cpu, resident) = (target.cpu(), target.resident());
    let mut due = Due { clients: honest, positions: 0, reliables: 0 };
    while began.elapsed() < time {
        due.send(&mut room, began.elapsed().as_secs_f64(), args);
        room.turn(Duration::from_millis(2))?;
    }
    let cpu = target.cpu().saturating_sub(cpu);
    room.recording = None;
    let visits = hostiles.end();
    let wanted = room.expected(1);
    room.until(Duration::from_secs(10), |room| room.tally.received[1] >= wanted)?;

    let mut report = Report::default();
    judge(&mut report, &room, honest);
    let counters = target.counters();
    report.show("honest / hostile clients", format!("{honest} / {hostile} ({visits} hostile connections)"));
    report.show("server CPU", format!("{:.1} % of one core", cpu.as_secs_f64() / time.as_secs_f64() * 100.0));
    let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    report.show("server memory", format!("{} → {}", mb(resident), mb(target.resident())));
    let (dropped, rejected) =
        (counters.since(&before, "fts_cot_dropped_total"), counters.since(&before, "fts_cot_rejected_total"));
    report.show("refused by reason", format!("{rejected:?}"));
    report.show("dropped by reason (stalled hostiles)", format!("{dropped:?}"));
    report.promise("server still runs", target.running().to_string(), "true", target.running());
    if !report.kept() {
        report.note(format!("last words of the server:\n{}", target.last_words()));
    }
    report.detail("dropped", json!(dropped));
    report.detail("rejected", json!(rejected));
    report.detail("hostile_acts", json!(ACTS.map(|(name, _)| name)));
    Ok(report)
}

/// What falls due, evenly spread over the clients.
struct Due {
    clients: usize,
    positions: u64,
    reliables: u64,
}

impl Due {
    fn send(&mut self, room: &mut Room, seconds: f64, args: &Args) {
        let count = self.clients as f64;
        while (self.positions as f64) < seconds * args.rate * count {
            room.send_positions((self.positions % self.clients as u64) as usize, 1);
            self.positions += 1;
        }
        while (self.reliables as f64) < seconds * args.reliable * count {
            // Not in step with the positions.
            room.send_reliable(((self.reliables * 7) % self.clients as u64) as usize);
            self.reliables += 1;
        }
    }
}

fn judge(report: &mut Report, room: &Room, honest: usize) {
    let closed: Vec<_> = room.closed().map(|(n, why)| format!("client {n}: {why}")).collect();
    report.promise("honest clients cut off", count(&closed), "0", closed.is_empty());
    let tally = &room.tally;
    let (wanted, came) = (room.expected(1), tally.received[1]);
    let value = format!("{came} of {wanted}{}", missing(room, honest));
    report.promise("chats and markers delivered", value, "all", came == wanted);
    report.promise("order kept", format!("{} late", tally.late), "0 late", tally.late == 0);
    report.promise("no duplicate", tally.duplicates.to_string(), "0", tally.duplicates == 0);
    report.promise("no echo", tally.echoes.to_string(), "0", tally.echoes == 0);
    let torn = room.clients.iter().enumerate();
    let torn: Vec<_> =
        torn.filter_map(|(n, c)| Some(format!("client {n}: {}", c.framing.as_ref()?.torn.as_ref()?))).collect();
    report.promise("no torn stream", count(&torn), "0", torn.is_empty());
    let (positions, all) = (tally.received[0], room.expected(0));
    report.show("positions delivered", format!("{positions} of {all}, {} gaps", tally.gaps[0]));
    let ms = |q: f64| figure(room.latency.value_at_quantile(q) as f64 / 1_000.0);
    let most = figure(room.latency.max() as f64 / 1_000.0);
    report.show("latency p50 / p99 / max", format!("{} / {} / {most} ms", ms(0.5), ms(0.99)));
    report.detail(
        "swarm",
        json!({"closed": closed, "torn": torn, "reliable": {"wanted": wanted, "received": came}, "positions": {"wanted": all, "received": positions},
            "late": tally.late, "duplicates": tally.duplicates, "echoes": tally.echoes}),
    );
}

fn count(found: &[String]) -> String {
    match found {
        [] => "0".into(),
        _ => format!("{}: {}", found.len(), or_none(&found[..found.len().min(3)])),
    }
}

/// Some of those who did not get everything.
fn missing(room: &Room, honest: usize) -> String {
    let behind = (0..honest).flat_map(|sender| {
        let sent = room.clients[sender].sent[1];
        room.tally.behind(sender, 1, sent).map(move |(receiver, newest)| (sender, receiver, sent - newest))
    });
    let named: Vec<_> = behind
        .take(3)
        .map(|(sender, receiver, n)| format!("{} got {n} too few of {}", uid(receiver), uid(sender)))
        .collect();
    if named.is_empty() { String::new() } else { format!(" ({}, …)", named.join(", ")) }
}
