//! One client from accept to goodbye: reader, outbound queue, writer, liveness, replay, and why it left.
//!
//! Order: it is found out whose the stream is (`login`); it gets a seat in the directory (from then on it receives), its writer starts with the announcement
//! and the replay, its reader routes what comes. Whichever ends first ends both; then the contact's goodbye goes to
//! those who could see it (RULE-43). At shutdown readers stop first, all of them, and only then queues are closed and
//! written out, so that nothing that was read is lost.
mod bucket;
pub mod channels;
mod control;
pub mod datagram;
mod forward;
mod login;
pub mod mesh;
pub mod notices;
pub mod outbound;
pub mod prompt;
mod queue;
mod reader;
mod round;
pub mod sweep;
mod writer;
mod wrote;

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{io::AsyncReadExt, sync::Notify};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::control::incognito;
use self::{bucket::Bucket, reader::Reader, writer::Writer};
use crate::{
    config::{CotListener, ListenerKind, Protobuf},
    directory::{Arrival, Client, Leave},
    identity::{Accounts, Certificates},
    net::{Accepted, ReadHalf, Stream, WriteHalf},
    observe::clock,
    route::{Made, Router},
    wire::{Cutter, negotiate},
};

/// All sessions of a server.
pub struct Sessions {
    /// Where events go.
    pub router: Arc<Router>,
    /// Cancelled: readers stop after what they have read.
    pub stop_reading: CancellationToken,
    /// Cancelled: queues are closed and written out.
    pub flush: CancellationToken,
    /// Every session's task.
    pub tasks: TaskTracker,
    reading: AtomicUsize,
    all_stopped: Notify,
    welcomed: Mutex<HashMap<Arc<str>, i64>>,
    /// Kept out until (ms UTC): uids, certificate names, addresses.
    bans: Mutex<HashMap<String, i64>>,
    draining: AtomicBool,
    /// What is known of certificates; set before anything is accepted.
    pub certificates: OnceLock<Arc<Certificates>>,
    /// Who users are; set before anything is accepted. Without it (tests) a certificate's name is its user.
    pub accounts: OnceLock<Arc<Accounts>>,
    /// Changes of accounts that connections were asked about (`channels`).
    changes: AtomicU64,
    /// The last of these changes that was another password, by user in small letters.
    passwords: Mutex<HashMap<String, u64>>,
}

/// A day: how often a client is welcomed (decision 119).
const DAY_MS: i64 = 86_400_000;
/// How long a client has to close its side after the last byte was written at shutdown.
const LINGER: Duration = Duration::from_millis(250);

impl Sessions {
    /// No sessions yet.
    pub fn new(router: Arc<Router>) -> Arc<Self> {
        Arc::new(Self {
            router,
            stop_reading: CancellationToken::new(),
            flush: CancellationToken::new(),
            tasks: TaskTracker::new(),
            reading: AtomicUsize::new(0),
            all_stopped: Notify::new(),
            welcomed: Mutex::default(),
            bans: Mutex::default(),
            draining: AtomicBool::new(false),
            certificates: OnceLock::new(),
            accounts: OnceLock::new(),
            changes: AtomicU64::new(0),
            passwords: Mutex::default(),
        })
    }

    /// Takes a stream over that came through this listener.
    pub fn accept(self: &Arc<Self>, accepted: Accepted, listener: Arc<CotListener>) {
        let named = accepted.cert.as_ref().is_some_and(|c| self.banned(&c.common_name));
        if self.stop_reading.is_cancelled() || self.draining() || named || self.banned(&accepted.peer.ip().to_string())
        {
            return;
        }
        self.reading.fetch_add(1, Relaxed);
        let sessions = self.clone();
        self.tasks.spawn(async move { sessions.serve(accepted, listener).await });
    }

    async fn serve(self: Arc<Self>, accepted: Accepted, listener: Arc<CotListener>) {
        let Accepted { stream, peer, local: _, cert, seat } = accepted;
        let tls = matches!(stream, Stream::Tls(_));
        let (mut from, mut to) = stream.split();
        let changes = self.changes.load(Relaxed);
        let entered = self.let_in(&mut from, &mut to, &listener, peer, cert.as_ref()).await;
        let Some(entered) = entered else { return self.stopped_reading() };
        let keys = self.router.policy();
        let (groups, called) = (entered.groups.clone(), Self::name_of(&entered));
        let arrival = Arrival { listener: listener.clone(), peer, cert, tls, groups, connected: clock::now_ms() };
        let replay = keys.config.cot.replay_presence;
        let client = self.router.directory.join_as(arrival, entered.account.clone(), replay);
        tracing::info!(event = "client.connected", conn = client.conn, %peer, listener = %listener.name, user = called, "connected");
        if self.changes.load(Relaxed) != changes {
            let (sessions, client) = (self.clone(), client.clone());
            let _ = tokio::task::spawn_blocking(move || sessions.missed(changes, &client)).await;
        }
        if let Some(watch) = self.router.watch.get() {
            watch.connected(&client);
        }
        // Revoked between its handshake and now: nobody will look again.
        if self.certificates.get().is_some_and(|known| client.cert.as_ref().is_some_and(|c| known.is_revoked(c))) {
            client.end(Leave::Revoked);
        }
        let why = self.talk(from, to, entered.rest, &client).await;
        drop(seat);
        self.goodbye(&client, why);
    }

    /// Reader and writer until one of them ends or somebody ends the session. `begun` was read already.
    async fn talk(self: &Arc<Self>, mut from: ReadHalf, to: WriteHalf, begun: Vec<u8>, client: &Arc<Client>) -> Leave {
        let policy = self.router.policy();
        let config = &policy.config;
        let only = client.listener.protobuf == Protobuf::Only;
        if only {
            client.proto.store(true, Relaxed);
            self.router.protobuf(true);
        }
        let one_way = client.listener.kind == ListenerKind::CotSubmit;
        if client.listener.protobuf == Protobuf::Auto && !one_way {
            self.router.send_control(client, negotiate::announcement(config.version(), clock::now_ms()), false);
        }
        let first_byte = config.compat.legacy_test_probe.then(|| Arc::new(Notify::new()));
        let writer = Writer {
            client: client.clone(),
            router: self.router.clone(),
            to,
            first_byte: first_byte.clone(),
            proto: only,
        };
        let limits = &config.stream.limits;
        let reader = Reader {
            client: client.clone(),
            router: self.router.clone(),
            from: &mut from,
            sessions: self.clone(),
            cutter: Cutter::new(self.max_event_bytes(&client.listener, false), only),
            bucket: Bucket::new(limits.read_events_per_s, limits.read_bytes_per_s, clock::tick()),
            first_byte,
            state: reader::State::begun(begun),
        };
        let mut writing = tokio::spawn(writer.run());
        let why = tokio::select! {
            biased;
            why = client.ended() => Some(why),
            () = self.stop_reading.cancelled() => None,
            why = reader.run() => Some(why),
            why = &mut writing => Some(why.unwrap_or(Leave::Reset)),
        };
        self.stopped_reading();
        match why {
            Some(Leave::Probe) => {
                // Exactly these seven bytes and nothing that was queued: the probe reads no more (RULE-80).
                let _ = tokio::time::timeout(Duration::from_secs(1), writing).await;
                Leave::Probe
            }
            Some(why) => {
                writing.abort();
                why
            }
            None => {
                let why = self.write_out(client, writing).await;
                let _ = tokio::time::timeout(LINGER, heard_out(&mut from)).await;
                why
            }
        }
    }

    /// Shutdown: when no reader routes any more the queue is closed and its rest written.
    async fn write_out(&self, client: &Arc<Client>, mut writing: tokio::task::JoinHandle<Leave>) -> Leave {
        self.flush.cancelled().await;
        client.out.close();
        let time = self.router.policy().config.shutdown.flush;
        if tokio::time::timeout(time, &mut writing).await.is_err() {
            writing.abort();
            let depth = client.out.depth();
            tracing::warn!(event = "client.cut", conn = client.conn, callsign = %client.who().callsign, items = depth.items, bytes = depth.bytes, "did not read the rest in time");
        }
        Leave::Shutdown
    }

    fn stopped_reading(&self) {
        if self.reading.fetch_sub(1, Relaxed) == 1 {
            self.all_stopped.notify_waiters();
        }
    }

    /// Returns when no reader is left.
    pub async fn readers_stopped(&self) {
        loop {
            let stopped = self.all_stopped.notified();
            if self.reading.load(Relaxed) == 0 {
                return;
            }
            stopped.await;
        }
    }

    fn goodbye(&self, client: &Arc<Client>, why: Leave) {
        let now = clock::now_ms();
        let depth = client.out.depth();
        if client.proto.load(Relaxed) {
            self.router.protobuf(false);
        }
        let departed = self.router.directory.leave(client, why, now);
        if let Some(watch) = self.router.watch.get() {
            // Behind its own last events.
            self.router.drain();
            watch.gone(client, why);
        }
        if let Some(history) = self.router.history.get() {
            history.gone(client, why, &departed, now);
        }
        for contact in departed {
            let notice = notices::goodbye(&contact.uid, &contact.kind, now);
            self.router.broadcast(&notice, &contact.send, client.conn);
        }
        let figures = &client.figures;
        metrics::counter!("fts_client_disconnects_total", "reason" => why.name()).increment(1);
        tracing::info!(
            event = "client.disconnected", conn = client.conn, uid = %client.who().uid, callsign = %client.who().callsign, reason = why.name(),
            duration_ms = now - client.connected, rx_events = figures.rx_events.load(Relaxed), rx_bytes = figures.rx_bytes.load(Relaxed),
            tx_events = figures.tx_events.load(Relaxed), tx_bytes = figures.tx_bytes.load(Relaxed), dropped = depth.dropped_state, unsent = depth.items, "disconnected"
        );
    }

    /// The size limit of a listener before and after identification (RULE-6).
    pub fn max_event_bytes(&self, listener: &CotListener, identified: bool) -> usize {
        let policy = self.router.policy();
        let limits = &policy.config.stream.limits;
        let most = if listener.max_event_bytes == 0 { limits.max_event_bytes } else { listener.max_event_bytes };
        if identified { most } else { most.min(limits.max_event_bytes_unidentified) }
    }

    /// An SA bound the connection: log line, welcome chat (RULE-40), replay where it begins now.
    pub fn identified(&self, client: &Arc<Client>) {
        let who = client.who();
        let (uid, callsign) = (who.uid.clone(), who.callsign.clone());
        if self.banned(&uid) {
            client.end(Leave::Kicked);
        }
        tracing::info!(event = "client.identified", conn = client.conn, uid = %uid, callsign = %callsign, platform = %who.platform, "identified");
        drop(who);
        let policy = self.router.policy();
        let config = &policy.config;
        if config.cot.replay_presence && config.cot.replay_at == crate::config::ReplayAt::Identify {
            client.out.nudge();
        }
        if !self.router.directory.restored.is_empty() {
            client.out.nudge();
        }
        self.forward(client);
        let template = &config.cot.welcome_message;
        if template.is_empty() || client.listener.kind == ListenerKind::CotSubmit || !self.first_today(&uid) {
            return;
        }
        let text = template
            .replace("{server}", &config.server.name)
            .replace("{version}", config.version())
            .replace("{callsign}", &callsign);
        if let Ok(chat) = notices::chat(&config.server.name, &uid, &text, clock::now_ms()) {
            self.router.send_to(client, Made::reliable(chat));
        }
    }

    fn first_today(&self, uid: &Arc<str>) -> bool {
        let now = clock::now_ms();
        let mut welcomed = self.welcomed.lock();
        if welcomed.len() > 10_000 {
            welcomed.retain(|_, at| now - *at < DAY_MS);
        }
        welcomed.insert(uid.clone(), now).is_none_or(|last| now - last >= DAY_MS)
    }

    /// Sends a chat of the server to clients known by this name; how many there were.
    pub fn send_text(&self, name: &str, text: &str) -> usize {
        let policy = self.router.policy();
        let mut found = self.called(name);
        found.retain(|c| !c.one_way());
        for client in &found {
            let uid = client.who().uid.clone();
            if let Ok(chat) = notices::chat(&policy.config.server.name, &uid, text, clock::now_ms()) {
                self.router.send_to(client, Made::reliable(chat));
            }
        }
        found.len()
    }

    /// Ends the connections known by this name and, with `ban`, keeps it out so long; how many there were.
    pub fn kick(&self, name: &str, ban: Option<Duration>) -> usize {
        let found = self.called(name);
        for client in &found {
            client.end(Leave::Kicked);
        }
        if let Some(time) = ban {
            let until = clock::now_ms().saturating_add(time.as_millis() as i64);
            let mut bans = self.bans.lock();
            bans.insert(name.to_owned(), until);
            for client in &found {
                bans.insert(client.who().uid.to_string(), until);
                bans.extend(client.cert.as_ref().map(|c| (c.common_name.clone(), until)));
            }
        }
        found.len()
    }

    fn banned(&self, name: &str) -> bool {
        let mut bans = self.bans.lock();
        if bans.is_empty() {
            return false;
        }
        let now = clock::now_ms();
        bans.retain(|_, until| *until > now);
        bans.contains_key(name)
    }

    /// While draining new connections are closed at once.
    pub fn drain(&self, on: bool) {
        self.draining.store(on, Relaxed);
    }

    /// Are new connections closed?
    pub fn draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    fn called(&self, name: &str) -> Vec<Arc<Client>> {
        let roster = self.router.directory.roster();
        roster.clients().filter(|c| !c.internal() && crate::route::why::is_called(c, name)).cloned().collect()
    }
}

/// Reads what still comes, to nowhere, until the client closes its side: a socket that is closed with bytes unread, or
/// before its client answered the goodbye of TLS, ends in a reset, which some systems report instead of the last bytes.
async fn heard_out(from: &mut ReadHalf) {
    // Not in the session's own state, which every idle client pays.
    let mut nowhere = vec![0; 1024];
    while matches!(from.read(&mut nowhere).await, Ok(n) if n > 0) {}
}
