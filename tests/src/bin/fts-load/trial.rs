//! [`Plan`] and [`Outcome`]: one run of steady traffic against one target, and everything that was measured in it.
//!
//! Order: open the room, announce, warm up, measure, then wait until nothing comes any more. CPU, deliveries and
//! latency are those of the measured window; losses are counted over the whole run. What is sent is paced by the clock:
//! when a turn was long, the events that fell due meanwhile leave together; when a socket takes nothing they are not
//! sent at all and the offered rate was not reached.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::{
    fault::Fault,
    room::{Room, Setup},
    sample,
    target::Target,
};

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Who takes part.
    pub room: Setup,
    /// Events per second of all senders together; 0 = as fast as the sockets take them.
    pub rate: f64,
    /// Before the window.
    pub warmup: Duration,
    /// The window.
    pub window: Duration,
    /// So many clients stop reading when the warm-up begins.
    pub stalled: usize,
    /// Latency of every 2^n-th event.
    pub thin: u32,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Of whom.
    pub target: &'static str,
    /// Events per second that should and that were sent in the window.
    pub offered: f64,
    /// See `offered`.
    pub sent: f64,
    /// Deliveries in the window.
    pub deliveries: u64,
    /// Length of the window.
    pub seconds: f64,
    /// CPU time of the process under test in the window.
    pub cpu: Duration,
    /// CPU time of the generator in the window.
    pub own_cpu: Duration,
    /// Microseconds from sending to receipt.
    pub latency: Histogram<u64>,
    /// Deliveries that were under way at the end of the window, in milliseconds of the rate.
    pub backlog_ms: f64,
    /// Expected and not received, whole run.
    pub lost: u64,
    /// Received twice, out of order, by the sender itself.
    pub odd: [u64; 3],
    /// Connections that ended, with reasons.
    pub closed: Vec<String>,
    /// The server's drops by reason.
    pub dropped: BTreeMap<String, u64>,
    /// The server's refusals by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Resident memory before the warm-up, and once a second from then on.
    pub resident: Vec<u64>,
}

/// Runs it.
///
/// # Errors
/// When clients cannot connect or announce themselves.
pub fn run(target: &Target, plan: &Plan) -> Result<Outcome, Fault> {
    let mut room = Room::open(target, &plan.room)?;
    room.announce()?;
    room.stall(plan.stalled)?;
    let before = target.counters();
    let mut pace = Pace::new(plan.rate, plan.room.senders);
    let mut resident = vec![target.resident()];
    pace.drive(&mut room, plan.warmup, |_| resident.push(target.resident()))?;

    let sent = |room: &Room| room.clients.iter().map(|c| u64::from(c.sent[0])).sum::<u64>();
    let (sent_before, received_before) = (sent(&room), room.tally.all());
    room.recording = Some((1 << plan.thin) - 1);
    let (cpu, own_cpu, began) = (target.cpu(), sample::own_cpu(), Instant::now());
    pace.drive(&mut room, plan.window, |_| resident.push(target.resident()))?;
    let (cpu, own_cpu) = (target.cpu().saturating_sub(cpu), sample::own_cpu().saturating_sub(own_cpu));
    let seconds = began.elapsed().as_secs_f64();
    let deliveries = room.tally.all() - received_before;
    let under_way = room.expected(0).saturating_sub(room.tally.all());
    let events = (sent(&room) - sent_before) as f64;

    drain(&mut room)?;
    let counters = target.counters();
    let tally = &room.tally;
    Ok(Outcome {
        target: target.name,
        offered: plan.rate,
        sent: events / seconds,
        deliveries,
        seconds,
        cpu,
        own_cpu,
        latency: room.latency.clone(),
        backlog_ms: under_way as f64 / (deliveries.max(1) as f64 / seconds) * 1_000.0,
        lost: room.expected(0).saturating_sub(tally.all() + tally.late),
        odd: [tally.duplicates, tally.late, tally.echoes],
        closed: room.closed().map(|(n, why)| format!("client {n}: {why}")).collect(),
        dropped: counters.since(&before, "fts_cot_dropped_total"),
        rejected: counters.since(&before, "fts_cot_rejected_total"),
        resident,
    })
}

/// Waits until everything has come or nothing comes any more.
fn drain(room: &mut Room) -> Result<(), Fault> {
    room.recording = None;
    let wanted = room.expected(0);
    loop {
        let before = room.bytes;
        room.until(Duration::from_millis(600), |room| room.tally.all() >= wanted)?;
        if room.tally.all() >= wanted || room.bytes == before {
            return Ok(());
        }
    }
}

/// When events fall due.
struct Pace {
    rate: f64,
    senders: usize,
    next: u64,
    began: Instant,
}

/// When events are sent as fast as sockets take them: so many at once.
const BURST: u32 = 32;
/// Behind by more than this the generator gives the missed events up.
const LATE: Duration = Duration::from_millis(250);

impl Pace {
    fn new(rate: f64, senders: usize) -> Self {
        Self { rate, senders, next: 0, began: Instant::now() }
    }

    /// Sends and receives for so long; `each_second` is called in between.
    fn drive(&mut self, room: &mut Room, time: Duration, mut each_second: impl FnMut(&Room)) -> Result<(), Fault> {
        let began = Instant::now();
        let mut seconds = 0;
        while began.elapsed() < time {
            let wait = if self.rate > 0.0 { self.due(room) } else { self.flood(room) };
            room.turn(wait.min(time.saturating_sub(began.elapsed())))?;
            if began.elapsed().as_secs() > seconds {
                seconds += 1;
                each_second(room);
            }
        }
        Ok(())
    }

    /// Sends what is due, event number n by sender n modulo senders; how long until the next one is.
    fn due(&mut self, room: &mut Room) -> Duration {
        let passed = self.began.elapsed();
        let senders = self.senders as u64;
        let now = (passed.as_secs_f64() * self.rate) as u64;
        let most = (LATE.as_secs_f64() * self.rate) as u64 + senders;
        self.next = self.next.max(now.saturating_sub(most));
        for first in self.next..now.min(self.next + senders) {
            let count = (now - first - 1) / senders + 1;
            room.send_positions((first % senders) as usize, count as u32);
        }
        self.next = now;
        Duration::from_secs_f64((now + 1) as f64 / self.rate).saturating_sub(self.began.elapsed())
    }

    fn flood(&mut self, room: &mut Room) -> Duration {
        let sent = (0..self.senders).filter(|n| room.send_positions(*n, BURST)).count();
        if sent > 0 { Duration::ZERO } else { Duration::from_millis(1) }
    }
}

impl Outcome {
    /// Deliveries per second.
    pub fn rate(&self) -> f64 {
        self.deliveries as f64 / self.seconds
    }

    /// Microseconds of server CPU per delivery.
    pub fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.deliveries.max(1) as f64
    }

    /// Microseconds of generator CPU per delivery.
    pub fn own_us(&self) -> f64 {
        self.own_cpu.as_secs_f64() * 1e6 / self.deliveries.max(1) as f64
    }

    /// Share of one core the process under test used.
    pub fn load(&self) -> f64 {
        self.cpu.as_secs_f64() / self.seconds
    }

    /// Share of one core the generator used.
    pub fn own_load(&self) -> f64 {
        self.own_cpu.as_secs_f64() / self.seconds
    }

    /// Milliseconds at this quantile.
    pub fn ms(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1_000.0
    }

    /// Events that came twice, out of order or back to their sender.
    pub fn oddities(&self) -> Vec<String> {
        let named = self.odd.iter().zip(["duplicates", "out of order", "echoes"]);
        named.filter(|(n, _)| **n > 0).map(|(n, what)| format!("{n} {what}")).collect()
    }

    /// Events that did not come; empty when all did.
    pub fn lost_text(&self) -> Vec<String> {
        if self.lost > 0 { vec![format!("{} lost", self.lost)] } else { Vec::new() }
    }

    /// What speaks against this run being carried without loss; empty = it was.
    pub fn complaints(&self) -> Vec<String> {
        let mut found = [self.lost_text(), self.oddities()].concat();
        if let Some(first) = self.closed.first() {
            found.push(format!("{} connections closed, first {first}", self.closed.len()));
        }
        let counted = self.dropped.iter().chain(&self.rejected);
        found.extend(counted.map(|(reason, n)| format!("{n} {reason}")));
        if self.offered > 0.0 && self.sent < 0.98 * self.offered {
            found.push(format!("only {:.0} of {:.0} events/s could be sent", self.sent, self.offered));
        }
        if self.backlog_ms > 100.0 {
            found.push(format!("{:.0} ms behind at the end", self.backlog_ms));
        }
        found
    }

    /// Everything.
    pub fn json(&self) -> Value {
        json!({
            "target": self.target, "offered_events_s": self.offered, "sent_events_s": self.sent, "deliveries": self.deliveries,
            "deliveries_s": self.rate(), "seconds": self.seconds, "cpu_us_per_delivery": self.cpu_us(), "cpu_load": self.load(),
            "generator_us_per_delivery": self.own_us(), "generator_load": self.own_load(),
            "latency_ms": {"p50": self.ms(0.5), "p99": self.ms(0.99), "p999": self.ms(0.999), "max": self.latency.max() as f64 / 1_000.0},
            "backlog_ms": self.backlog_ms, "lost": self.lost, "duplicates": self.odd[0], "out_of_order": self.odd[1], "echoes": self.odd[2],
            "closed": self.closed, "dropped": self.dropped, "rejected": self.rejected, "resident_bytes": self.resident,
            "complaints": self.complaints(),
        })
    }
}
