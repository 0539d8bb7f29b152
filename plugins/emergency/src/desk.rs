//! [`Desk`]: what every handler of this plugin shares, and what the server itself does with alerts: raise, cancel, send,
//! write.
//!
//! Order: memory, disk, receivers. When the disk fails the alert goes out all the same and stays pending: somebody needs
//! help, and the timer tries again. What must not happen: an event that the host is too busy to take is forgotten; it
//! waits in the outbox, in order.
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use fts_plugin_api::{
    cot::Cot,
    sdk::{Code, Host, Level, Result, Send},
    tracing,
};

use crate::{
    alert::Alert,
    config::Config,
    policy::{self, Caller},
    reach,
    refusal::Refusal,
    store,
    table::{Cancelled, Started, Table},
    wire,
};

/// See the file's head.
pub struct Desk {
    /// The server.
    pub host: Host,
    /// The plugin's table.
    pub config: Config,
    /// The active alerts.
    pub table: Table,
    period: AtomicI64,
    writing: Mutex<()>,
    failing: AtomicBool,
    outbox: Mutex<VecDeque<(Cot, Send)>>,
}

impl Desk {
    /// Reads what was active when the server stopped.
    ///
    /// # Errors
    /// The database.
    pub fn open(host: Host, config: Config) -> Result<Self> {
        store::migrate(&host)?;
        let (active, last_id) = store::load(&host)?;
        if !active.is_empty() {
            tracing::warn!(count = active.len(), "emergencies are still active");
        }
        let desk = Self {
            table: Table::new(config.max_active, active, last_id),
            period: AtomicI64::new(config.repeat.ms()),
            writing: Mutex::default(),
            failing: AtomicBool::new(false),
            outbox: Mutex::default(),
            host,
            config,
        };
        desk.gauge();
        Ok(desk)
    }

    /// Repeat after so many ms; 0 = never. The repeater API changes it until the server stops.
    pub fn period(&self) -> i64 {
        self.period.load(Ordering::Relaxed)
    }

    /// See [`Desk::period`].
    pub fn set_period(&self, ms: i64) {
        self.period.store(ms, Ordering::Relaxed);
    }

    /// Shows how many are active.
    pub fn gauge(&self) {
        self.host.gauge("active", &[], self.table.len() as f64);
    }

    /// Says in log and metrics that one began.
    pub fn note_start(&self, alert: &Alert) {
        let Alert { uid, kind, callsign, lat, lon, .. } = alert;
        tracing::warn!(%uid, %callsign, %kind, lat, lon, sender = %alert.sender, "emergency started");
        self.host.count("started_total", &[], 1);
        self.gauge();
    }

    /// Says in log and metrics that one is over.
    pub fn note_cancel(&self, alert: &Alert) {
        let Alert { uid, kind, callsign, lat, lon, cancelled_by, .. } = alert;
        tracing::warn!(%uid, %callsign, %kind, lat, lon, by = %cancelled_by, "emergency cancelled");
        self.host.count("cancelled_total", &[], 1);
        self.gauge();
    }

    /// Says in log and metrics that the policy refused a cancel.
    pub fn note_refused(&self, alert: &Alert, by: &str, why: &str) {
        let Alert { uid, callsign, lat, lon, .. } = alert;
        tracing::warn!(%uid, %callsign, lat, lon, %by, "cancel of an emergency refused: {why}");
        self.host.count("refused_total", &[], 1);
    }

    /// Raises an alert on the server; its text is made here. Who calls it may reuse the uid of an alert of its own.
    ///
    /// # Errors
    /// Too many; the uid is somebody else's.
    pub fn raise(&self, mut alert: Alert, remarks: &str) -> Result<Arc<Alert>, Refusal> {
        let now = self.host.now();
        (alert.first, alert.last) = (now, now);
        let event = wire::raised(&alert, remarks, now)?;
        alert.text = String::from_utf8_lossy(event.text()).into_owned();
        let uid = alert.uid.clone();
        let alert = match self.table.start(alert, true) {
            Started::New(alert) | Started::Refreshed(alert) | Started::Replaced(alert) => alert,
            Started::Foreign => return Err(Refusal::Taken(uid)),
            Started::Full => return Err(Refusal::Full(self.config.max_active)),
        };
        self.note_start(&alert);
        // Reported and tried again by the timer.
        let _ = self.flush();
        self.send(event, reach::aim(&self.host, self.config.radius_km, &alert).archived());
        self.take_back_if_over(&alert);
        Ok(alert)
    }

    /// Cancels an alert on the server and tells everybody who got it.
    ///
    /// # Errors
    /// There is none; the policy.
    pub fn cancel(&self, uid: &str, caller: &Caller) -> Result<Arc<Alert>, Refusal> {
        let allowed = |alert: &Alert| policy::may_cancel(self.config.cancel_policy, alert, caller);
        match self.table.cancel(uid, self.host.now(), &caller.name, allowed) {
            Cancelled::Unknown => Err(Refusal::Unknown(uid.to_owned())),
            Cancelled::Refused(alert, why) => {
                self.note_refused(&alert, &caller.name, why);
                Err(Refusal::Policy(why))
            }
            Cancelled::Done(alert) => {
                self.note_cancel(&alert);
                // Reported and tried again by the timer.
                let _ = self.flush();
                self.send_cancel(&alert);
                Ok(alert)
            }
        }
    }

    /// Uid of whom an alert named so is about: the client of that callsign, else the server itself (b.3).
    pub fn origin_of(&self, callsign: &str) -> String {
        let found = self.host.clients().callsign(callsign).unwrap_or_default();
        let uid = found.into_iter().map(|c| c.uid).find(|uid| !uid.is_empty());
        uid.unwrap_or_else(|| self.host.server().node_id.clone())
    }

    /// The server's own cancel to everybody in the groups: no radius, and the sender, too, who did not send it.
    pub fn send_cancel(&self, alert: &Alert) {
        match wire::cancel(alert, self.host.now()) {
            Ok(event) => self.send(event, Send::groups(&alert.groups).archived()),
            Err(error) => tracing::error!(uid = %alert.uid, "the cancel of an emergency could not be made: {error}"),
        }
    }

    /// An alert was sent that somebody may have cancelled on another thread meanwhile: then receivers got the cancel
    /// first, and ATAK would show the alert until somebody dismisses it. They are told again.
    pub fn take_back_if_over(&self, alert: &Alert) {
        if self.table.get(&alert.uid).is_none() {
            self.send_cancel(alert);
        }
    }

    /// Sends, now or as soon as the host takes it.
    pub fn send(&self, event: Cot, how: Send) {
        self.outbox().push_back((event, how));
        self.send_waiting();
    }

    /// Sends what waits; the timer calls it.
    pub fn send_waiting(&self) {
        loop {
            // The lock is not held across a call of the host, so an event may be sent by another thread meanwhile; two
            // events of one alert are apart by more than that.
            let Some((event, how)) = self.outbox().pop_front() else { return };
            match self.host.cot().send(&event, how.clone()) {
                Ok(()) => {}
                Err(error) if error.code() == Code::Busy => return self.outbox().push_front((event, how)),
                Err(error) => tracing::error!(uid = %event.uid(), "an emergency event could not be sent: {error}"),
            }
        }
    }

    fn outbox(&self) -> std::sync::MutexGuard<'_, VecDeque<(Cot, Send)>> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is pending; when it returns Ok everything that was decided before is on disk.
    ///
    /// # Errors
    /// The database; it stays pending, and the plugin's status says so.
    pub fn flush(&self) -> Result<()> {
        // One writer at a time: a second one must not return while rows it asked for are on their way. The database
        // never calls back, so this lock cannot close a circle.
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let pending = self.table.take_pending();
        let written = if pending.is_empty() { Ok(()) } else { store::put(&self.host, &pending) };
        match &written {
            Ok(()) if !pending.is_empty() && self.failing.swap(false, Ordering::Relaxed) => {
                self.host.status(Level::Ok, "alerts are stored again");
            }
            Ok(()) => {}
            Err(error) => {
                self.table.keep_pending(pending);
                self.failing.store(true, Ordering::Relaxed);
                self.host
                    .status(Level::Error, format!("alerts cannot be stored and would not survive a restart: {error}"));
            }
        }
        written
    }
}
