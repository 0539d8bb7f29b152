//! [`Table`]: the active alerts, in memory behind one lock, shared by intercepts, observer, timer and requests.
//!
//! Every change happens here first and is noted as pending; [`crate::desk::Desk::flush`] writes what is pending. A cancel
//! may therefore follow its alert before that was stored. What must not happen: the lock is held across a call of the
//! host, an older version overwrites a newer one, or a change is taken out of the pending ones and then forgotten.
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    alert::Alert,
    policy::{self, Sender},
};

/// So many cancels are remembered until the observer has seen them,
const MOST_CANCELS: usize = 10_000;
/// and for so long when there are more, ms.
const CANCEL_KEPT: i64 = 60_000;

/// See the file's head.
#[derive(Debug)]
pub struct Table {
    inner: Mutex<Inner>,
    most: usize,
}

#[derive(Debug)]
struct Entry {
    alert: Arc<Alert>,
    /// When it last went out to receivers; 0 = not since the server started.
    sent: i64,
}

#[derive(Debug, Default)]
struct Inner {
    active: HashMap<String, Entry>,
    pending: BTreeMap<i64, Arc<Alert>>,
    /// When a cancel of a uid was last heard, of known ones and others.
    cancels: HashMap<String, i64>,
    last_id: i64,
}

/// What became of a start.
#[derive(Clone, Debug, PartialEq)]
pub enum Started {
    /// A new alert.
    New(Arc<Alert>),
    /// It was active; position and time are newer now.
    Refreshed(Arc<Alert>),
    /// It was active as something else (b.5, 6); that one is over.
    Replaced(Arc<Alert>),
    /// Somebody else's alert has this uid; it stays as it is.
    Foreign,
    /// There are too many; it is not kept.
    Full,
}

/// What became of a cancel.
#[derive(Clone, Debug, PartialEq)]
pub enum Cancelled {
    /// This alert is over.
    Done(Arc<Alert>),
    /// It stays, and why.
    Refused(Arc<Alert>, &'static str),
    /// No alert has this uid.
    Unknown,
}

impl Table {
    /// With the alerts that were active when the server stopped, and the highest id ever given.
    pub fn new(most: usize, active: Vec<Alert>, last_id: i64) -> Self {
        let last_id = active.iter().map(|a| a.id).fold(last_id, i64::max);
        let entry = |alert: Alert| (alert.uid.clone(), Entry { alert: Arc::new(alert), sent: 0 });
        let active = active.into_iter().map(entry).collect();
        Self { inner: Mutex::new(Inner { active, last_id, ..Inner::default() }), most }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing below can panic half way through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a start. `sent` = it is on its way to receivers already.
    pub fn start(&self, mut alert: Alert, sent: bool) -> Started {
        let mut inner = self.lock();
        let sent = if sent { alert.last } else { 0 };
        let old = inner.active.get(&alert.uid).map(|e| (e.alert.clone(), e.sent));
        let fresh = match old {
            None if inner.active.len() >= self.most => return Started::Full,
            None => true,
            Some((old, _)) if !policy::may_change(&old, &alert) => return Started::Foreign,
            Some((old, last_sent)) if old.cot_type == alert.cot_type => {
                alert.id = old.id;
                alert.first = old.first;
                alert.last = alert.last.max(old.last);
                alert.version = old.version + 1;
                return Started::Refreshed(inner.put(alert, sent.max(last_sent)));
            }
            Some((old, _)) => {
                let by = format!("replaced by {}", alert.cot_type);
                inner.close(&old, alert.first, &by);
                false
            }
        };
        inner.last_id += 1;
        alert.id = inner.last_id;
        alert.version = 1;
        let alert = inner.put(alert, sent);
        if fresh { Started::New(alert) } else { Started::Replaced(alert) }
    }

    /// Takes a cancel by event uid; `allowed` says why not.
    pub fn cancel(
        &self,
        uid: &str,
        now: i64,
        by: &str,
        allowed: impl FnOnce(&Alert) -> Result<(), &'static str>,
    ) -> Cancelled {
        let mut inner = self.lock();
        let Some(alert) = inner.active.get(uid).map(|e| e.alert.clone()) else { return Cancelled::Unknown };
        match allowed(&alert) {
            Ok(()) => Cancelled::Done(inner.close(&alert, now, by)),
            Err(why) => Cancelled::Refused(alert, why),
        }
    }

    /// Cancels the alert of this device, when it has exactly one (RULE-69) and `allowed` says so.
    pub fn cancel_only(
        &self,
        sender: &Sender,
        now: i64,
        by: &str,
        allowed: impl FnOnce(&Alert) -> Result<(), &'static str>,
    ) -> Option<Arc<Alert>> {
        let mut inner = self.lock();
        let mut own = inner.active.values().filter(|e| e.alert.sender.is_device(sender)).map(|e| e.alert.clone());
        let only = own.next().filter(|_| own.next().is_none());
        drop(own);
        let alert = only.filter(|alert| allowed(alert).is_ok())?;
        Some(inner.close(&alert, now, by))
    }

    /// Ends what was silent for longer than `age` allows (ms; None = for ever).
    pub fn expire(&self, now: i64, age: impl Fn(&str) -> Option<i64>) -> Vec<Arc<Alert>> {
        let mut inner = self.lock();
        let old = |a: &Alert| age(&a.cot_type).is_some_and(|age| now.saturating_sub(a.last) >= age);
        let over: Vec<_> = inner.active.values().map(|e| e.alert.clone()).filter(|a| old(a)).collect();
        over.iter().map(|alert| inner.close(alert, now, "expired")).collect()
    }

    /// What was not sent for this long (ms), the longest silent first. A clock that went back makes everything due.
    pub fn due(&self, now: i64, period: i64) -> Vec<Arc<Alert>> {
        let inner = self.lock();
        let silent = |e: &&Entry| e.sent > now || now - e.sent >= period;
        let mut due: Vec<_> = inner.active.values().filter(silent).map(|e| (e.sent, e.alert.id, &e.alert)).collect();
        due.sort_by_key(|(sent, id, _)| (*sent, *id));
        due.into_iter().map(|(_, _, alert)| alert.clone()).collect()
    }

    /// This one went out.
    pub fn sent(&self, alert: &Alert, now: i64) {
        if let Some(entry) = self.lock().active.get_mut(&alert.uid).filter(|e| e.alert.id == alert.id) {
            entry.sent = now;
        }
    }

    /// All active ones, oldest first.
    pub fn active(&self) -> Vec<Arc<Alert>> {
        let mut all: Vec<_> = self.lock().active.values().map(|e| e.alert.clone()).collect();
        all.sort_by_key(|a| (a.first, a.id));
        all
    }

    /// How many are active.
    pub fn len(&self) -> usize {
        self.lock().active.len()
    }

    /// The active one with this uid.
    pub fn get(&self, uid: &str) -> Option<Arc<Alert>> {
        self.lock().active.get(uid).map(|e| e.alert.clone())
    }

    /// A cancel of this uid was heard.
    pub fn note_cancel_heard(&self, uid: &str, now: i64) {
        let mut inner = self.lock();
        if inner.cancels.len() >= MOST_CANCELS {
            inner.cancels.retain(|_, heard| now.saturating_sub(*heard) < CANCEL_KEPT);
        }
        if inner.cancels.len() < MOST_CANCELS {
            inner.cancels.insert(uid.to_owned(), now);
        }
    }

    /// When a cancel of this uid was last heard, ms UTC; 0 = not in this run, or long ago.
    pub fn cancel_heard(&self, uid: &str) -> i64 {
        self.lock().cancels.get(uid).copied().unwrap_or(0)
    }

    /// Is this very alert active, refreshed or not?
    pub fn is_active(&self, alert: &Alert) -> bool {
        self.get(&alert.uid).is_some_and(|now| now.id == alert.id)
    }

    /// Takes out what has to be written, by id.
    pub fn take_pending(&self) -> Vec<Arc<Alert>> {
        std::mem::take(&mut self.lock().pending).into_values().collect()
    }

    /// It could not be written: gives it back, unless there is a newer version.
    pub fn keep_pending(&self, alerts: Vec<Arc<Alert>>) {
        let mut inner = self.lock();
        for alert in alerts {
            inner.pending.entry(alert.id).or_insert(alert);
        }
    }
}

impl Inner {
    fn put(&mut self, alert: Alert, sent: i64) -> Arc<Alert> {
        let alert = Arc::new(alert);
        self.pending.insert(alert.id, alert.clone());
        self.active.insert(alert.uid.clone(), Entry { alert: alert.clone(), sent });
        alert
    }

    fn close(&mut self, alert: &Alert, now: i64, by: &str) -> Arc<Alert> {
        let version = alert.version + 1;
        let over = Alert { cancelled: now.max(1), cancelled_by: by.to_owned(), version, ..alert.clone() };
        let over = Arc::new(over);
        self.pending.insert(over.id, over.clone());
        self.active.remove(&over.uid);
        over
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
