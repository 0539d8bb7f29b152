//! [`Client`]: one connection as everybody else sees it: who it is, what it may send and receive, its queue, its
//! figures. State is keyed by connection, never by uid (RULE-47).

use std::{
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

use arc_swap::{ArcSwap, ArcSwapOption};
use fts_plugin_api::cot::Millis;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use super::{GeoFilter, Groups};
use crate::{
    config::{CotListener, ListenerKind},
    identity::Role,
    net::PeerCert,
    observe::meters::{CANARY, Traffic, traffic},
    session::outbound::Outbound,
};

/// Why a connection ended: the `reason` label of `fts_client_disconnects_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Leave {
    Eof,
    Reset,
    Idle,
    SlowConsumer,
    Stalled,
    Invalid,
    WrongProtocol,
    Probe,
    Replaced,
    Rejected,
    Kicked,
    Disabled,
    Password,
    Auth,
    Revoked,
    Shutdown,
    Garbage,
    Tls,
}

impl Leave {
    /// As it stands in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Leave::Eof => "eof",
            Leave::Reset => "reset",
            Leave::Idle => "idle",
            Leave::SlowConsumer => "slow-consumer",
            Leave::Stalled => "slow-consumer-stalled",
            Leave::Invalid => "too-many-invalid",
            Leave::WrongProtocol => "wrong-protocol",
            Leave::Probe => "probe",
            Leave::Replaced => "replaced",
            Leave::Rejected => "duplicate-uid",
            Leave::Revoked => "certificate-revoked",
            Leave::Kicked => "kicked",
            Leave::Disabled => "account-disabled",
            Leave::Password => "password-changed",
            Leave::Auth => "auth-failed",
            Leave::Shutdown => "shutdown",
            Leave::Garbage => "garbage",
            Leave::Tls => "tls",
        }
    }
}

/// What identification bound to the connection (RULE-35). Empty until then.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct Who {
    pub uid: Arc<str>,
    pub callsign: Arc<str>,
    pub team: Arc<str>,
    pub role: Arc<str>,
    pub platform: Arc<str>,
    /// Type of the last SA, for the disconnect notice.
    pub kind: Arc<str>,
    /// Further contacts of a gateway: (uid, callsign, type).
    pub contacts: Vec<Contact>,
    /// Last client metrics (`t-x-c-m`), attribute by attribute.
    pub stats: Vec<(String, String)>,
    /// Hash of what the last SA said about identity, so that an unchanged SA costs one comparison.
    pub said: u64,
}

/// An additional contact (RULE-35).
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Contact {
    pub uid: Arc<str>,
    pub callsign: Arc<str>,
    pub kind: Arc<str>,
    pub said: u64,
}

/// Figures, for the client list and the closing log line. In the order of [`Client`].
#[derive(Debug, Default)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Figures {
    /// ms since the process began.
    pub last_tx: AtomicU32,
    /// Since when the socket has accepted nothing although something waits; 0 = it does.
    pub blocked_since: AtomicU32,
    pub tx_events: AtomicU64,
    pub tx_bytes: AtomicU64,
    pub rx_events: AtomicU64,
    pub rx_bytes: AtomicU64,
    pub rejected: AtomicU64,
    /// ms since the process began.
    pub last_rx: AtomicU32,
}

/// One connection. What every delivery looks at comes first and close together: at low load each of a hundred clients is
/// cold in the cache, and lines fetched are most of what the server adds to the system call.
#[derive(Debug)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Client {
    pub conn: u64,
    /// Events through its listener, for metrics.
    pub traffic: Arc<Traffic>,
    pub proto: AtomicBool,
    pub has_filter: AtomicBool,
    internal: bool,
    pub figures: Figures,
    pub out: Outbound,
    pub slot: u32,
    pub listener: Arc<CotListener>,
    pub peer: SocketAddr,
    pub cert: Option<PeerCert>,
    pub tls: bool,
    pub connected: Millis,
    pub incognito: AtomicBool,
    filter: ArcSwapOption<GeoFilter>,
    account: Account,
    /// Who it is since it logged in on a connection that was somebody else's, or nobody's.
    logged_in: OnceLock<Account>,
    role: Mutex<Role>,
    read_only: AtomicBool,
    groups: ArcSwap<Groups>,
    who: RwLock<Box<Who>>,
    leaving: Mutex<Option<Leave>>,
    leave: Notify,
}

/// Whose connection it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The user's name; "" = nobody in particular.
    pub user: String,
    /// It logged in with a password; else its certificate says who it is.
    pub by_password: bool,
    /// What it may do.
    pub role: Role,
}

/// What a new connection brings along.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Arrival {
    pub listener: Arc<CotListener>,
    pub peer: SocketAddr,
    pub cert: Option<PeerCert>,
    pub tls: bool,
    pub groups: Groups,
    pub connected: Millis,
}

impl Client {
    pub(super) fn new(conn: u64, slot: u32, arrival: Arrival, account: Account) -> Self {
        Self {
            conn,
            slot,
            role: Mutex::new(account.role),
            read_only: AtomicBool::new(account.role == Role::ReadOnly),
            account,
            logged_in: OnceLock::new(),
            traffic: traffic(&arrival.listener.name),
            internal: arrival.listener.name == CANARY,
            listener: arrival.listener,
            peer: arrival.peer,
            cert: arrival.cert,
            tls: arrival.tls,
            connected: arrival.connected,
            out: Outbound::default(),
            figures: Figures::default(),
            proto: AtomicBool::new(false),
            incognito: AtomicBool::new(false),
            has_filter: AtomicBool::new(false),
            filter: ArcSwapOption::empty(),
            groups: ArcSwap::from_pointee(arrival.groups),
            who: RwLock::default(),
            leaving: Mutex::new(None),
            leave: Notify::new(),
        }
    }

    /// What it may send into and receive from.
    pub fn groups(&self) -> arc_swap::Guard<Arc<Groups>> {
        self.groups.load()
    }

    /// Who it is; empty strings before identification.
    pub fn who(&self) -> parking_lot::RwLockReadGuard<'_, Box<Who>> {
        self.who.read()
    }

    pub(super) fn who_mut(&self) -> parking_lot::RwLockWriteGuard<'_, Box<Who>> {
        self.who.write()
    }

    /// A client of the server's own (health canary): never listed, counted or shown.
    pub fn internal(&self) -> bool {
        self.internal
    }

    /// Whose it is.
    pub fn account(&self) -> &Account {
        self.logged_in.get().unwrap_or(&self.account)
    }

    /// The user's name as the accounts have it; "" = nobody in particular.
    pub fn user(&self) -> &str {
        &self.account().user
    }

    /// The user its certificate is of; None = it has none, or the certificate is nobody's.
    pub fn certified(&self) -> Option<&str> {
        self.cert.as_ref().map(|_| self.account.user.as_str()).filter(|user| !user.is_empty())
    }

    /// It has logged in: from now on it is this user's. Once in a connection; false = it was done before.
    pub fn log_in(&self, account: Account) -> bool {
        let role = account.role;
        let first = self.logged_in.set(account).is_ok();
        if first {
            self.set_role(role);
        }
        first
    }

    /// What it may do, as of now.
    pub fn role(&self) -> Role {
        *self.role.lock()
    }

    /// It may do something else from now on.
    pub fn set_role(&self, role: Role) {
        *self.role.lock() = role;
        self.read_only.store(role == Role::ReadOnly, Relaxed);
    }

    /// Does it only receive (role readonly)?
    pub fn read_only(&self) -> bool {
        self.read_only.load(Relaxed)
    }

    /// The plugin whose remote contact this is; "" = it is a connection.
    pub fn remote_of(&self) -> &str {
        self.listener.name.strip_prefix("plugin:").unwrap_or("")
    }

    /// What it may send into and receive from, from now on. Its places in broadcasts do not follow: that is
    /// [`super::Directory::regroup`].
    pub fn set_groups(&self, groups: Groups) {
        self.groups.store(Arc::new(groups));
    }

    /// Does it only send (`cot_submit`)? Then nothing is ever written to it.
    pub fn one_way(&self) -> bool {
        self.listener.kind == ListenerKind::CotSubmit
    }

    /// Keeps the client's last metrics.
    pub fn set_stats(&self, stats: Vec<(String, String)>) {
        self.who.write().stats = stats;
    }

    /// Has an SA bound a uid to this connection?
    pub fn identified(&self) -> bool {
        !self.who.read().uid.is_empty()
    }

    /// The filter set by `t-x-c-f`.
    pub fn filter(&self) -> Option<Arc<GeoFilter>> {
        if self.has_filter.load(Relaxed) { self.filter.load_full() } else { None }
    }

    /// Sets or clears the geospatial filter of this connection.
    pub fn set_filter(&self, filter: Option<GeoFilter>) {
        self.has_filter.store(filter.is_some(), Relaxed);
        self.filter.store(filter.map(Arc::new));
    }

    /// Asks the session to end for this reason; the first reason stands.
    pub fn end(&self, why: Leave) {
        self.leaving.lock().get_or_insert(why);
        self.leave.notify_waiters();
        self.leave.notify_one();
        self.out.nudge();
    }

    /// Why the session was asked to end.
    pub fn ending(&self) -> Option<Leave> {
        *self.leaving.lock()
    }

    /// Returns when somebody called [`Self::end`].
    pub async fn ended(&self) -> Leave {
        loop {
            let asked = self.leave.notified();
            if let Some(why) = self.ending() {
                // The other waiter of this session wants to hear it, too.
                self.leave.notify_one();
                return why;
            }
            asked.await;
        }
    }
}
