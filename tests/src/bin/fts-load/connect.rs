//! Mode `connect`: thousands of announced clients that are then idle: memory of each, and one broadcast that must
//! reach all of them; then TLS handshakes that never go on, and how long an honest one takes meanwhile.
//!
//! Clients announce themselves in waves, each wave waited for, so that what is measured is clients and not a storm.

use std::{
    io::Write,
    net::TcpStream,
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    fault::{Fault, Tried},
    report::Report,
    room::{Room, Setup},
    spread::figure,
    target::{Options, Target},
};

/// Options of the mode.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Idle clients
    #[arg(long, default_value_t = 5_000)]
    pub clients: usize,
    /// Clients that announce themselves at once
    #[arg(long, default_value_t = 25)]
    pub wave: usize,
    /// TLS handshakes that never go on
    #[arg(long, default_value_t = 500)]
    pub half_open: usize,
}

/// Runs it.
///
/// # Errors
/// When the run cannot be made.
pub fn run(options: &Options, args: &Args) -> Result<Report, Fault> {
    let mut report = Report::default();
    crowd(&mut report, &Target::server(options)?, args)?;
    handshakes(&mut report, &Target::server(options)?, args.half_open)?;
    Ok(report)
}

fn crowd(report: &mut Report, target: &Target, args: &Args) -> Result<(), Fault> {
    let count = args.clients;
    sleep(Duration::from_secs(1));
    let before = target.resident();
    let began = Instant::now();
    let setup = Setup { clients: count, senders: 1, protobuf: 0.0, size: 900, identity: None, tls: 0.0, strict: false };
    let mut room = Room::open(target, &setup)?;
    let connected = began.elapsed();
    let silent = target.resident();
    room.until(Duration::from_millis(500), |_| false)?;
    let came = |room: &Room| room.tally.all() + room.tally.strangers;
    for first in (0..count).step_by(args.wave.max(1)) {
        let wave = first..(first + args.wave).min(count);
        for n in wave {
            room.send_positions(n, 1);
        }
        let wanted = room.expected(0);
        room.until(Duration::from_secs(20), |room| came(room) >= wanted)?;
    }
    let (wanted, arrived) = (room.expected(0), came(&room));
    report.detail(
        "announcements",
        json!({"wanted": wanted, "arrived": arrived, "seconds": began.elapsed().as_secs_f64()}),
    );
    room.until(Duration::from_secs(4), |_| false)?;
    let after = target.resident();
    let each = after.saturating_sub(before) as f64 / count as f64;
    report.show(
        format!("{count} clients: connected in"),
        format!(
            "{} s, announced in {} s",
            figure(connected.as_secs_f64()),
            figure(began.elapsed().as_secs_f64() - 4.0)
        ),
    );
    let silent = silent.saturating_sub(before) as f64 / count as f64 / 1_000.0;
    report.show(format!("{count} clients: memory each, connected only"), format!("{silent:.2} kB"));
    let value = format!("{:.2} kB ({:.1} → {:.1} MB)", each / 1_000.0, before as f64 / 1e6, after as f64 / 1e6);
    report.promise(format!("{count} clients: memory each, announced"), value, "≤ 10 kB", each <= 10_000.0);

    let (before, sent) = (room.tally.all(), Instant::now());
    room.send_positions(0, 1);
    let wanted = before + count as u64 - 1;
    room.until(Duration::from_secs(20), |room| room.tally.all() >= wanted)?;
    let took = sent.elapsed();
    let reached = room.tally.all() - before;
    let value = format!("{reached} of {} in {} ms", count - 1, figure(took.as_secs_f64() * 1_000.0));
    report.promise(
        format!("{count} clients: reached by one broadcast"),
        value,
        "all",
        reached == count as u64 - 1 && arrived == wanted_all(count),
    );
    let closed = room.closed().count();
    report.promise(format!("{count} clients: cut off"), closed.to_string(), "0", closed == 0);
    report.detail(
        "memory",
        json!({"before": before, "after": after, "bytes_each": each, "broadcast_ms": took.as_millis()}),
    );
    Ok(())
}

fn wanted_all(count: usize) -> u64 {
    count as u64 * (count as u64 - 1)
}

/// The first bytes of a ClientHello that promise more.
const HALF_HELLO: &[u8] = &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03, 0x41];

fn handshakes(report: &mut Report, target: &Target, half_open: usize) -> Result<(), Fault> {
    let identity = target.identity()?;
    let address = target.tls.ok_or_else(|| Fault::Tls("the target has no TLS listener".into()))?;
    let setup =
        Setup { clients: 1, senders: 1, protobuf: 0.0, size: 900, identity: Some(identity), tls: 1.0, strict: false };
    let connect = || -> Result<f64, Fault> {
        let began = Instant::now();
        Room::open(target, &setup).map(|_| began.elapsed().as_secs_f64())
    };
    connect()?;
    let alone = (0..5).map(|_| connect()).collect::<Result<Vec<_>, _>>()?;
    let mut held = Vec::with_capacity(half_open);
    for n in 0..half_open {
        let mut stream = TcpStream::connect(address).tried(format!("half-open connection {n}"))?;
        if n % 2 == 0 {
            stream.write_all(HALF_HELLO).tried("half a ClientHello")?;
        }
        held.push(stream);
    }
    let meanwhile = (0..10).map(|_| connect()).collect::<Result<Vec<_>, _>>()?;
    let worst = |times: &[f64]| times.iter().copied().fold(0.0, f64::max);
    let value = format!(
        "worst of 10: {} ms (alone {} ms)",
        figure(worst(&meanwhile) * 1_000.0),
        figure(worst(&alone) * 1_000.0)
    );
    let kept = worst(&meanwhile) <= 1.0;
    report.promise(format!("honest TLS connect beside {half_open} half-open ones"), value, "≤ 1 s", kept);
    report.detail("handshakes", json!({"alone_s": alone, "meanwhile_s": meanwhile}));
    Ok(())
}
