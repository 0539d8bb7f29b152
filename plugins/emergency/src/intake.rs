//! Events of clients, federates and other plugins: the intercepts, and the observer that stores.
//!
//! Order for each event: [`rewrite`] (band Rewrite, on the sender's task, memory only) takes it into the table, adds the
//! 911 remark and refuses cancels; [`narrow`] (band Address) applies the radius; the router delivers; [`observe`] (the
//! worker) writes what is pending. The observer also takes what the table does not know: after a crash, or when the
//! intercept was tripped. What must not happen: an event given twice raises an alert that was cancelled meanwhile.
use std::sync::Arc;

use fts_plugin_api::{
    cot::Attr,
    sdk::{Cx, Event, Result, Route, Send, SourceInfo, Target, Verdict},
    tracing,
};

use crate::{
    alert::{self, Alert, Said},
    config::Config,
    desk::Desk,
    policy::{Caller, Sender, may_cancel},
    reach, store,
    table::{Cancelled, Started, Table},
    wire,
};

/// The reason of `fts why` for a refused cancel.
pub const REFUSED: &str = "emergency_cancel_refused";
/// Texts beyond this are relayed, but not kept: an alert of a client is below 2 kB.
const LONGEST: usize = 64 * 1024;

/// What became of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// It is about no emergency.
    Nothing,
    /// See [`Started`].
    Start(Started),
    /// Its text is too long to be kept.
    TooLong,
    /// See [`Cancelled`]; with a cancel of an unknown uid, the only alert of its sender, which is over as well.
    Cancel(Cancelled, Option<Arc<Alert>>),
}

/// Takes an event into the table. `kept` is its text as receivers get it; `infer` allows RULE-69's guess, which is right
/// only at the time of the event.
pub fn hear(
    table: &Table,
    config: &Config,
    event: &Event<'_>,
    kept: Option<&[u8]>,
    source: &SourceInfo,
    now: i64,
    infer: bool,
) -> Heard {
    match alert::read(event) {
        Said::Nothing => Heard::Nothing,
        Said::Start(read) => {
            let mut new = *read;
            if let Some(text) = kept.and_then(|t| std::str::from_utf8(t).ok()) {
                new.text = text.to_owned();
            }
            if new.text.len() > LONGEST {
                return Heard::TooLong;
            }
            new.sender = Sender::from(source);
            if new.origin.is_empty() {
                new.origin.clone_from(&source.uid);
            }
            if new.callsign.is_empty() {
                new.callsign.clone_from(&source.callsign);
            }
            if new.name.is_empty() {
                new.name.clone_from(&new.callsign);
            }
            new.groups.clone_from(&source.groups);
            (new.first, new.last) = (now, now);
            Heard::Start(table.start(new, true))
        }
        Said::Cancel => {
            let caller = Caller::of_source(source);
            let allowed = |alert: &Alert| may_cancel(config.cancel_policy, alert, &caller);
            let cancelled = table.cancel(&event.uid(), now, &caller.name, allowed);
            table.note_cancel_heard(&event.uid(), now);
            let guess = infer && cancelled == Cancelled::Unknown;
            let only = guess.then(|| table.cancel_only(&caller.sender, now, &caller.name, allowed)).flatten();
            Heard::Cancel(cancelled, only)
        }
    }
}

/// The intercept in band Rewrite.
pub fn rewrite(desk: &Desk, event: &Event<'_>, cx: &Cx<'_>) -> Verdict {
    let starts = matches!(alert::read(event), Said::Start(_));
    let remarked = if starts && desk.config.remark_911 { alert::with_remark(event) } else { None };
    let source = cx.source();
    match hear(&desk.table, &desk.config, event, remarked.as_deref(), source, desk.host.now(), true) {
        Heard::Cancel(Cancelled::Refused(alert, why), _) => {
            desk.note_refused(&alert, &Caller::of_source(source).name, why);
            Verdict::Drop(REFUSED)
        }
        Heard::Cancel(Cancelled::Done(alert), _) => {
            desk.note_cancel(&alert);
            widen(&alert, event, source)
        }
        Heard::Cancel(Cancelled::Unknown, only) => {
            if let Some(alert) = only {
                desk.note_cancel(&alert);
                also_cancel(desk, &alert, source, cx);
            }
            Verdict::Pass
        }
        heard => {
            note(desk, &heard, event, source);
            remarked.map_or(Verdict::Pass, Verdict::Replace)
        }
    }
}

/// Says what became of a start.
fn note(desk: &Desk, heard: &Heard, event: &Event<'_>, source: &SourceInfo) {
    let (uid, sender) = (event.uid(), Sender::from(source));
    match heard {
        Heard::Start(Started::New(alert) | Started::Replaced(alert)) => desk.note_start(alert),
        Heard::Start(Started::Refreshed(alert)) => {
            tracing::info!(%uid, callsign = %alert.callsign, lat = alert.lat, lon = alert.lon, "emergency goes on");
        }
        Heard::Start(Started::Foreign) => {
            tracing::warn!(%uid, %sender, "an emergency start has the uid of another sender's alert: relayed, not kept");
        }
        Heard::Start(Started::Full) => {
            let most = desk.config.max_active;
            tracing::error!(%uid, %sender, most, "too many emergencies (plugins.emergency.max_active): relayed, not kept");
        }
        Heard::TooLong => {
            tracing::error!(%uid, %sender, bytes = event.text().len(), "an emergency is too long to be kept: relayed only");
        }
        Heard::Nothing | Heard::Cancel(..) => {}
    }
}

/// A client's cancel reaches everybody who got the alert, also in groups its sender is not in or where it named
/// receivers of its own.
fn widen(alert: &Alert, event: &Event<'_>, source: &SourceInfo) -> Verdict {
    let inside = alert.groups.iter().all(|g| source.groups.contains(g));
    if inside && alert::dests(event).is_empty() {
        return Verdict::Pass;
    }
    let more = alert.groups.iter().filter(|g| !source.groups.contains(g));
    let all = Send::groups(source.groups.iter().chain(more)).archived().but_conn(source.conn);
    Verdict::Retarget(if source.link.is_empty() { all } else { all.from_link("", true) })
}

/// RULE-69: receivers know the alert by its own uid, not by the one of the cancel.
fn also_cancel(desk: &Desk, alert: &Alert, source: &SourceInfo, cx: &Cx<'_>) {
    match wire::cancel(alert, desk.host.now()) {
        Ok(event) => cx.also(&event, Send::groups(&alert.groups).archived().but_conn(source.conn)),
        Err(error) => tracing::error!(uid = %alert.uid, "the cancel of an emergency could not be made: {error}"),
    }
}

/// The intercept in band Address, there when a radius is set.
pub fn narrow(desk: &Desk, event: &Event<'_>, cx: &Cx<'_>) -> Verdict {
    let Said::Start(start) = alert::read(event) else { return Verdict::Pass };
    if !alert::dests(event).is_empty() {
        return Verdict::Pass;
    }
    let groups = &cx.source().groups;
    match reach::conns(&desk.host, desk.config.radius_km, (start.lat, start.lon), groups) {
        Some(near) => Verdict::Retarget(Send::to(Target::Conns(near)).within(groups).archived().but_conn(cx.conn())),
        None => Verdict::Pass,
    }
}

/// The observer.
///
/// # Errors
/// The database; what is not stored stays pending, and the timer tries again.
pub fn observe(desk: &Desk, event: &Event<'_>, route: &Route<'_>) -> Result<()> {
    desk.flush()?;
    let known = match alert::read(event) {
        Said::Nothing => true,
        Said::Start(_) => is_start_known(desk, &event.uid(), route.received)?,
        Said::Cancel => is_cancel_known(desk, event, route.received)?,
    };
    if known {
        return Ok(());
    }
    let heard = hear(&desk.table, &desk.config, event, None, &route.source, route.received, false);
    match &heard {
        Heard::Start(Started::New(alert) | Started::Replaced(alert)) => desk.note_start(alert),
        Heard::Cancel(Cancelled::Done(alert), _) => desk.note_cancel(alert),
        // Said when it was intercepted.
        _ => return Ok(()),
    }
    tracing::info!(uid = %event.uid(), kind = event.raw(Attr::Type), replayed = route.replayed, "caught up");
    desk.flush()
}

/// Did an alert with this uid change at that time or later? Then the start was heard before.
fn is_start_known(desk: &Desk, uid: &str, received: i64) -> Result<bool> {
    if desk.table.get(uid).is_some_and(|alert| alert.changed() >= received) {
        return Ok(true);
    }
    Ok(store::changed(&desk.host, uid)? >= received)
}

/// Was a cancel of this uid heard at that time or later? A start and its cancel may have come in one breath, the server
/// may have died when only the start was stored, and a start is noted a moment after its receipt: where clocks cannot
/// tell which was first, the sender's own times do.
fn is_cancel_known(desk: &Desk, event: &Event<'_>, received: i64) -> Result<bool> {
    let uid = event.uid();
    if desk.table.cancel_heard(&uid) >= received {
        return Ok(true);
    }
    let Some(alert) = desk.table.get(&uid) else { return Ok(true) };
    if alert.last < received {
        return Ok(false);
    }
    if store::cancelled(&desk.host, &uid)? >= received {
        return Ok(true);
    }
    let started = wire::parsed(&alert.text).and_then(|cot| cot.time(Attr::Time));
    Ok(event.time(Attr::Time).zip(started).is_some_and(|(cancelled, started)| cancelled < started))
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;
