//! Mode `mission`: what the mission plugin promises under load, in one run.
//!
//! Order: ordinary traffic alone, then beside a fast stream into a mission of a hundred, which fills that mission; the same
//! with a slow stream into a mission of five hundred; the big answers about the filled mission; then a stream beside
//! members that poll. Latency is counted from the sender's write to the receiver's read, so it is more than what the
//! server takes from receipt to release.
mod crowd;
mod http;
mod pollers;

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use self::{
    crowd::{Crowd, Plan, Span},
    http::Http,
    pollers::Pollers,
};
use crate::{
    fanout::or_none,
    fault::Fault,
    report::Report,
    spread::figure,
    target::{Options, Target},
};

/// Options of the mode.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Live members of the fast mission
    #[arg(long, default_value_t = 100)]
    members: usize,
    /// Those of them that send
    #[arg(long, default_value_t = 20)]
    senders: usize,
    /// Events per second into the fast mission
    #[arg(long, default_value_t = 2_000.0)]
    rate: f64,
    /// Seconds of the fast stream; with the rate it says how many changes there are
    #[arg(long, default_value_t = 50.0)]
    seconds: f64,
    /// Items the fast mission gets
    #[arg(long, default_value_t = 10_000)]
    items: usize,
    /// Live members of the wide mission; 0 leaves it out
    #[arg(long, default_value_t = 500)]
    wide: usize,
    /// Events per second into the wide mission
    #[arg(long, default_value_t = 50.0)]
    wide_rate: f64,
    /// Members that poll; 0 leaves them out
    #[arg(long, default_value_t = 200)]
    pollers: usize,
    /// Clients in no mission that send positions to everybody
    #[arg(long, default_value_t = 20)]
    others: usize,
    /// Positions per second of each of them
    #[arg(long, default_value_t = 5.0)]
    ordinary: f64,
    /// Bytes of an event
    #[arg(long, default_value_t = 900)]
    size: usize,
}

/// Spans other than the fast stream.
const SHORT: Duration = Duration::from_secs(10);
/// A big answer is asked for so often, and the middle one counts.
const TRIES: usize = 3;

/// Runs it.
///
/// # Errors
/// When the run cannot be made.
pub fn run(options: &Options, args: &Args) -> Result<Report, Fault> {
    // Enough room for other numbers than those of the book.
    let room = format!("plugins.mission.max_uids={}", args.items.max(16_384) * 2);
    let target = Target::server(&options.with(&[&room]))?;
    let address = target.http.ok_or_else(|| Fault::Talk("mission needs a server started here".into()))?;
    let http = Http(address);
    let mut report = Report::default();
    let fast = plan("load-fast", args.members, args);
    {
        let mut crowd = Crowd::gather(&target, http, &fast)?;
        let label = format!("{:.0}/s into a mission of {}", args.rate, args.members);
        stream(&mut report, &target, &mut crowd, &label, args.rate, Duration::from_secs_f64(args.seconds))?;
    }
    reads(&mut report, &target, http, &fast.mission)?;
    if args.wide > 0 {
        let wide = plan("load-wide", args.wide, args);
        let mut crowd = Crowd::gather(&target, http, &wide)?;
        let label = format!("{:.0}/s into a mission of {}", args.wide_rate, args.wide);
        let alone = stream(&mut report, &target, &mut crowd, &label, args.wide_rate, SHORT)?;
        if args.pollers > 0 {
            polled(&mut report, &target, &mut crowd, &alone, address, &wide.mission, args)?;
        }
    }
    if !report.kept() {
        report.note(format!("last words of the server:\n{}", target.last_words()));
    }
    Ok(report)
}

fn plan(mission: &str, members: usize, args: &Args) -> Plan {
    Plan {
        mission: mission.to_owned(),
        members: members.max(2),
        senders: args.senders.clamp(1, members.max(2)),
        others: args.others.max(1),
        ordinary: args.ordinary,
        items: args.items,
        size: args.size,
    }
}

fn ms(of: &Histogram<u64>, quantile: f64) -> f64 {
    of.value_at_quantile(quantile) as f64 / 1_000.0
}

fn times(of: &Histogram<u64>) -> String {
    let most = figure(of.max() as f64 / 1_000.0);
    format!("{} / {} / {most} ms", figure(ms(of, 0.5)), figure(ms(of, 0.99)))
}

/// Ordinary traffic alone, then beside the stream.
fn stream(
    report: &mut Report,
    target: &Target,
    crowd: &mut Crowd,
    label: &str,
    rate: f64,
    time: Duration,
) -> Result<Span, Fault> {
    eprintln!("== {label}");
    let quiet = crowd.span(target, 0.0, SHORT)?;
    let before = target.counters();
    let busy = crowd.span(target, rate, time)?;
    report.show(format!("{label}: events sent per second"), figure(busy.sent));
    let value = format!("{:.0} % of one core (generator {:.0} %)", busy.load * 100.0, busy.own_load * 100.0);
    report.show(format!("{label}: server load"), value);
    let p99 = ms(&busy.mission, 0.99);
    report.promise(format!("{label}: p50 / p99 / max at members"), times(&busy.mission), "p99 ≤ 50 ms", p99 <= 50.0);
    let complaints = crowd.complaints();
    let what = format!("{label}: lost, out of order, before their notice");
    report.promise(what, or_none(&complaints), "none", complaints.is_empty());
    let leaked = crowd.leaked();
    report.promise(format!("{label}: what came to others"), leaked.to_string(), "0", leaked == 0);
    let ratio = ms(&busy.ordinary, 0.99) / ms(&quiet.ordinary, 0.99).max(0.001);
    report.show(format!("{label}: ordinary p50 / p99 / max without"), times(&quiet.ordinary));
    let value = format!("{} = {ratio:.2} x", times(&busy.ordinary));
    report.promise(format!("{label}: ordinary p50 / p99 / max beside"), value, "p99 ≤ 1.5 x", ratio <= 1.5);
    report.show(
        format!("{label}: the same at members"),
        format!("{}, without {}", times(&busy.inside), times(&quiet.inside)),
    );
    let dropped = target.counters().since(&before, "fts_cot_dropped_total");
    report.show(format!("{label}: dropped"), format!("{dropped:?}"));
    report.detail(label, json!({"quiet": detail(&quiet), "busy": detail(&busy), "dropped": dropped}));
    Ok(busy)
}

fn detail(span: &Span) -> Value {
    let of = |h: &Histogram<u64>| json!({"n": h.len(), "p50": ms(h, 0.5), "p99": ms(h, 0.99), "p999": ms(h, 0.999), "max": h.max() as f64 / 1_000.0});
    json!({"sent_s": span.sent, "load": span.load, "generator_load": span.own_load, "mission_ms": of(&span.mission),
        "ordinary_ms": of(&span.ordinary), "inside_ms": of(&span.inside)})
}

/// Big answers about a filled mission.
fn reads(report: &mut Report, target: &Target, http: Http, mission: &str) -> Result<(), Fault> {
    let base = format!("/Marti/api/missions/{mission}");
    for (name, path, promised) in [
        ("every change", format!("{base}/changes?squashed=false"), true),
        ("changes, squashed", format!("{base}/changes"), true),
        ("cot", format!("{base}/cot"), true),
        ("the mission", base.clone(), false),
    ] {
        eprintln!("== {name}");
        let before = target.resident();
        let mut most = before;
        let mut all = (0..TRIES)
            .map(|_| http.time(&path, || most = most.max(target.resident())))
            .collect::<Result<Vec<_>, Fault>>()?;
        all.sort_by_key(|t| t.first);
        let first = all[all.len() / 2].first.as_secs_f64() * 1_000.0;
        all.sort_by(|a, b| a.mb_s().total_cmp(&b.mb_s()));
        let middle = &all[all.len() / 2];
        let (rate, mb) = (middle.mb_s(), middle.bytes as f64 / 1e6);
        let speed = format!("{rate:.0} MB/s ({mb:.1} MB)");
        if promised {
            report.promise(format!("{name}: first byte"), format!("{first:.1} ms"), "< 100 ms", first < 100.0);
            report.promise(format!("{name}: speed"), speed, "≥ 50 MB/s", rate >= 50.0);
        } else {
            report.show(format!("{name}: first byte, speed"), format!("{first:.1} ms, {speed}"));
            // AC-57 on a quiet machine.
            let all = (middle.first + middle.rest).as_secs_f64() * 1_000.0;
            report.promise(format!("{name}: all of it"), format!("{all:.1} ms"), "< 150 ms", all < 150.0);
        }
        let grown = most.saturating_sub(before) as f64 / 1e6;
        report.promise(format!("{name}: server memory"), format!("+{grown:.1} MB"), "≤ 8 MB", grown <= 8.0);
        report.detail(name, json!({"first_ms": first, "mb_s": rate, "bytes": middle.bytes, "grown_mb": grown}));
    }
    Ok(())
}

/// A stream beside members that poll.
fn polled(
    report: &mut Report,
    target: &Target,
    crowd: &mut Crowd,
    alone: &Span,
    address: std::net::SocketAddr,
    mission: &str,
    args: &Args,
) -> Result<(), Fault> {
    let label = format!("{} members poll", args.pollers);
    eprintln!("== {label}");
    let path = format!("/Marti/api/missions/{mission}/changes?secago=2");
    let pollers = Pollers::start(address, &path, args.pollers)?;
    let busy = crowd.span(target, args.wide_rate, SHORT)?;
    let took = pollers.end()?;
    report.show(format!("{label}: answers p50 / p99 / max"), format!("{}, {} answers", times(&took), took.len()));
    for (what, before, after) in
        [("the stream's", &alone.mission, &busy.mission), ("ordinary", &alone.ordinary, &busy.ordinary)]
    {
        let ratio = ms(after, 0.99) / ms(before, 0.99).max(0.001);
        let value = format!("{} = {ratio:.2} x", times(after));
        report.promise(format!("{label}: {what} p50 / p99 / max"), value, "p99 ≤ 2 x", ratio <= 2.0);
    }
    let complaints = crowd.complaints();
    report.promise(format!("{label}: lost, out of order"), or_none(&complaints), "none", complaints.is_empty());
    report.detail(label, json!({"busy": detail(&busy)}));
    Ok(())
}
