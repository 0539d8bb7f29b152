//! [`LinkSet`]: all links and listeners of one generation of a plugin.
//!
//! The set knows them by number; each has its own task. The table's lock is held for look-ups only, never together with
//! a link's. After `close_all` nothing new begins.
use std::{
    collections::HashMap,
    net::SocketAddr,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::Counter;
use parking_lot::Mutex;
use tokio::{net::TcpListener, runtime::Handle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    LinkError, LinkId, ListenerId, WriteError,
    dial::{self, Dial},
    event::Sink,
    link::{Ending, Link},
    listen::{Listening, Pending},
    profile::{OwnLookup, Profile, ProfileError},
    socket::Upgrade,
    tls,
};

/// Links of one plugin.
pub const MAX_LINKS: usize = 256;
/// Listeners of one plugin.
pub const MAX_LISTENERS: usize = 64;

/// What the links of a set share.
pub(super) struct Shared {
    pub plugin: String,
    pub up: Counter,
    pub closed: Counter,
    pub full: Counter,
    pub rejected: Counter,
    handle: Handle,
    tasks: TaskTracker,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    links: HashMap<LinkId, Arc<Link>>,
    listeners: HashMap<ListenerId, CancellationToken>,
    closed: bool,
}

/// Numbers are never used twice in a process: one of an ended generation hits nobody.
fn number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Shared {
    /// A place for a link.
    pub fn enter(self: &Arc<Self>, profile: &Profile, sink: &Sink) -> Result<Arc<Link>, LinkError> {
        let mut table = self.table.lock();
        if table.closed {
            return Err(LinkError::Ended);
        }
        if table.links.len() >= MAX_LINKS {
            return Err(LinkError::TooMany);
        }
        let id = LinkId(number());
        let link = Arc::new(Link::new(id, profile, self.clone(), sink.clone()));
        table.links.insert(id, link.clone());
        Ok(link)
    }

    pub fn forget(&self, link: LinkId) {
        self.table.lock().links.remove(&link);
    }

    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(task, &self.handle);
    }
}

/// The links of one generation of a plugin. Every call returns at once. Dropping it is `close_all`.
pub struct LinkSet {
    shared: Arc<Shared>,
    own: OwnLookup,
}

impl LinkSet {
    pub(super) fn new(plugin: &str, handle: Handle, own: OwnLookup) -> Self {
        let count = |name: &'static str| metrics::counter!(name, "plugin" => plugin.to_owned());
        let shared = Shared {
            plugin: plugin.to_owned(),
            up: count("fts_link_up_total"),
            closed: count("fts_link_closed_total"),
            full: count("fts_link_full_total"),
            rejected: count("fts_link_rejected_total"),
            handle,
            tasks: TaskTracker::new(),
            table: Mutex::default(),
        };
        Self { shared: Arc::new(shared), own }
    }

    /// Connects to a host; the outcome comes as `Up` or `Closed`, possibly before this call returns. What is written
    /// meanwhile is sent when the link is up.
    ///
    /// # Errors
    /// [`LinkError`]: the profile cannot be used, there are 256 links, or the generation has ended.
    pub fn dial(&self, host: &str, port: u16, profile: &Profile, sink: &Sink) -> Result<LinkId, LinkError> {
        let upgrade = match &profile.tls {
            None => None,
            Some(tls) => {
                let (config, name) = tls::client(tls, host, &self.own)?;
                Some(Upgrade::Dial(config, name))
            }
        };
        let link = self.shared.enter(profile, sink)?;
        let id = link.id;
        let dial = Dial { host: host.to_owned(), port, connect_timeout: profile.connect_timeout, upgrade };
        // Made here, so that a task that never runs tells its end too.
        let ending = Ending(link.clone());
        self.shared.spawn(async move {
            let _ending = ending;
            dial::run(link, dial).await;
        });
        Ok(id)
    }

    /// Listens; port 0 = any. The address is the real one. Who comes is told as `Accepted` or `Rejected`.
    ///
    /// # Errors
    /// [`LinkError`]: the profile cannot be used, the port cannot be had, there are 64 listeners, or the generation has
    /// ended.
    pub fn listen(
        &self,
        bind: &str,
        port: u16,
        profile: &Profile,
        sink: &Sink,
    ) -> Result<(ListenerId, SocketAddr), LinkError> {
        let upgrade = match &profile.tls {
            None => None,
            Some(tls) => Some(Upgrade::Accept(tls::server(tls, &self.own)?)),
        };
        let socket = crate::net::bind(&self.shared.plugin, bind, port, socket2::Type::STREAM)?;
        let socket = std::net::TcpListener::from(socket);
        let address = socket.local_addr().map_err(LinkError::Listen)?;
        let socket = {
            let _here = self.shared.handle.enter();
            TcpListener::from_std(socket).map_err(LinkError::Listen)?
        };
        let (id, stop) = (ListenerId(number()), CancellationToken::new());
        {
            let mut table = self.shared.table.lock();
            if table.closed {
                return Err(LinkError::Ended);
            }
            if table.listeners.len() >= MAX_LISTENERS {
                return Err(LinkError::TooManyListeners);
            }
            table.listeners.insert(id, stop.clone());
        }
        let listening = Arc::new(Listening {
            id,
            profile: profile.clone(),
            upgrade,
            shared: self.shared.clone(),
            sink: sink.clone(),
            stop,
            pending: Mutex::new(Pending::default()),
        });
        self.shared.spawn(listening.run(socket));
        Ok((id, address))
    }

    /// Checks a profile without using it: reads all its files.
    ///
    /// # Errors
    /// [`ProfileError`] naming the file.
    pub fn check(&self, profile: &Profile, listening: bool) -> Result<(), ProfileError> {
        match &profile.tls {
            None => Ok(()),
            Some(tls) if listening => tls::server(tls, &self.own).map(drop),
            Some(tls) => tls::client(tls, "localhost", &self.own).map(drop),
        }
    }

    fn link(&self, link: LinkId) -> Option<Arc<Link>> {
        self.shared.table.lock().links.get(&link).cloned()
    }

    /// Queues one frame (raw: any bytes) for the peer.
    ///
    /// # Errors
    /// [`WriteError`]; after `Full` nothing is taken until `Writable`.
    pub fn write(&self, link: LinkId, frame: &[u8]) -> Result<(), WriteError> {
        self.link(link).ok_or(WriteError::Gone)?.write(frame)
    }

    /// Gives back `frames` frames the plugin is done with; reading pauses while 64 of them, or 4 MiB, are out.
    pub fn processed(&self, link: LinkId, frames: usize) {
        if let Some(link) = self.link(link) {
            link.processed(frames);
        }
    }

    /// Begins TLS on a link that began in plain: sends the frame `last` (the answer that agrees to it; empty = none),
    /// reads nothing more in plain and shakes hands; then `Secured`. `seen` = number of the last frame the plugin has
    /// looked at: whatever came behind it came in plain, and ends the link. Frames of the link that still wait with the
    /// plugin after an error must not be believed.
    ///
    /// # Errors
    /// [`LinkError::EarlyPlaintext`], [`LinkError::NoStartTls`], [`LinkError::Gone`], or what `write` says of
    /// `last`.
    pub fn starttls(&self, link: LinkId, last: &[u8], seen: u64) -> Result<(), LinkError> {
        self.link(link).ok_or(LinkError::Gone)?.start_tls(last, seen)
    }

    /// A link with `pair` in its profile as one end of a socket pair, non-blocking; once per link, also before it is up.
    /// Closing the end sends close_notify; `Closed` tells how the link ended.
    ///
    /// # Errors
    /// [`LinkError::NoPair`] (not in the profile, taken already, or before STARTTLS is done), [`LinkError::Gone`].
    pub fn pair(&self, link: LinkId) -> Result<OwnedFd, LinkError> {
        self.link(link).ok_or(LinkError::Gone)?.pair()
    }

    /// Ends a link: what is queued is sent (5 s at most), then close_notify, then `Closed` with `Local`. No frames come
    /// any more from the moment the link's task sees it.
    pub fn close(&self, link: LinkId) {
        if let Some(link) = self.link(link) {
            link.close();
        }
    }

    /// Accepts nobody any more; links that came through it stay.
    pub fn close_listener(&self, listener: ListenerId) {
        if let Some(stop) = self.shared.table.lock().listeners.remove(&listener) {
            stop.cancel();
        }
    }

    /// Links there are now, those being dialled included.
    pub fn count(&self) -> usize {
        self.shared.table.lock().links.len()
    }

    /// The generation ends: every listener and link is closed as by `close`, and nothing new begins.
    pub fn close_all(&self) {
        let (links, listeners): (Vec<_>, Vec<_>) = {
            let mut table = self.shared.table.lock();
            table.closed = true;
            (table.links.values().cloned().collect(), table.listeners.drain().map(|(_, stop)| stop).collect())
        };
        self.shared.tasks.close();
        listeners.iter().for_each(CancellationToken::cancel);
        links.iter().for_each(|link| link.close());
    }

    /// After `close_all`: waits until all sockets are closed, a few seconds at most.
    pub async fn drained(&self) {
        self.shared.tasks.wait().await;
    }
}

impl Drop for LinkSet {
    fn drop(&mut self) {
        self.close_all();
    }
}
