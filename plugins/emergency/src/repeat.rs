//! The timer: sends what waits, ends what is too old, repeats what is due, forgets old history, writes.
//!
//! Repeats go to the alert's reach without its sender (RULE-68) and are neither archived nor federated. What must not
//! happen: one alert that cannot be sent keeps the others from it; only when the host is busy the rest waits, the
//! longest silent first next time.
use std::sync::atomic::{AtomicI64, Ordering};

use fts_plugin_api::{
    sdk::{Code, Result},
    tracing,
};

use crate::{
    desk::Desk,
    reach, store,
    wire::{self, Copy},
};

/// Between two looks for old history, ms.
const HOUR: i64 = 3_600_000;

/// What the timer remembers.
#[derive(Debug, Default)]
pub struct Clock {
    swept: AtomicI64,
}

/// One tick.
///
/// # Errors
/// The database; everything else was done all the same.
pub fn tick(desk: &Desk, clock: &Clock) -> Result<()> {
    let now = desk.host.now();
    desk.send_waiting();
    expire(desk, now);
    repeat(desk, now);
    desk.flush()?;
    sweep(desk, clock, now)
}

/// Ends what was silent too long, with a cancel by the server (b.5, 2 and 8).
fn expire(desk: &Desk, now: i64) {
    for alert in desk.table.expire(now, |cot_type| desk.config.age(cot_type)) {
        tracing::warn!(uid = %alert.uid, callsign = %alert.callsign, kind = %alert.kind, lat = alert.lat, lon = alert.lon,
            "emergency expired");
        desk.host.count("expired_total", &[], 1);
        desk.gauge();
        desk.send_cancel(&alert);
    }
}

fn repeat(desk: &Desk, now: i64) {
    let period = desk.period();
    if period == 0 {
        return;
    }
    // The nearest tick counts: one that comes a little early must not wait for the next.
    let due = desk.table.due(now, period - desk.config.tick() / 2);
    let mut sent = 0;
    for alert in due {
        if !desk.table.is_active(&alert) {
            continue;
        }
        let aim = reach::aim(&desk.host, desk.config.radius_km, &alert).from_link("", true);
        let done = wire::refreshed(&alert, now, desk.config.stale.ms(), Copy::Repeat)
            .and_then(|event| desk.host.cot().send(&event, aim));
        match done {
            Ok(()) => sent += 1,
            Err(error) if matches!(error.code(), Code::Busy | Code::Gone) => break,
            Err(error) => tracing::error!(uid = %alert.uid, "an emergency could not be repeated: {error}"),
        }
        desk.table.sent(&alert, now);
        desk.take_back_if_over(&alert);
    }
    if sent > 0 {
        desk.host.count("repeats_total", &[], sent);
    }
}

/// Deletes history that is too old, hourly (b.5, 9).
fn sweep(desk: &Desk, clock: &Clock, now: i64) -> Result<()> {
    let keep = desk.config.history.ms();
    let swept = clock.swept.load(Ordering::Relaxed);
    if keep == 0 || (swept != 0 && (0..HOUR).contains(&(now - swept))) {
        return Ok(());
    }
    let gone = store::forget_all(&desk.host, now.saturating_sub(keep))?;
    clock.swept.store(now, Ordering::Relaxed);
    if gone > 0 {
        tracing::info!(gone, "old emergencies forgotten");
    }
    Ok(())
}
