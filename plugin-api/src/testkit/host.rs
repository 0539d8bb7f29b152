//! [`MockHost`]: clients come and go, and what a test looks at.
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{
    Builder, Client, Line, Outcome, Sent,
    life::Starter,
    state::{Shared, State},
    worker::Job,
};
use crate::{
    abi::HandleBox,
    cot::{self, Cot, PointAttr},
    message::{
        ClientEvent, ClientInfo, Find, InterceptSpec, Manifest, Panic, Position, RouteSpec, Rows, Statement, Status,
    },
    sdk::{Code, Result},
    shim,
};

/// A running plugin and the host around it. Dropped, it stops the plugin.
pub struct MockHost {
    pub(super) shared: Arc<Shared>,
    pub(super) handle: Mutex<Option<HandleBox>>,
    pub(super) starter: Mutex<Starter>,
    pub(super) _dir: TempDir,
}

impl MockHost {
    /// Describes a host; ends with [`Builder::start`].
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A client connects, is shown what the plugin keeps for newcomers, and is ready. Gives its connection.
    pub fn connect(&self, client: Client) -> u64 {
        self.settle();
        let conn = {
            let mut state = self.shared.lock();
            state.last_conn += 1;
            let role = client.told_role();
            let mut info = client.info;
            (info.conn, info.connected) = (state.last_conn, self.now());
            if !client.groups {
                (info.groups_in, info.groups_out) = (state.groups.clone(), state.groups.clone());
            }
            if let Some(position) = &mut info.position {
                position.time = self.now();
            }
            let conn = info.conn;
            let known = !info.uid.is_empty();
            let stranger = ClientInfo { uid: String::new(), callsign: String::new(), position: None, ..info.clone() };
            state.clients.insert(conn, info.clone());
            state.roles.insert(conn, role);
            state.queue.push_back(Job::Client(Box::new(ClientEvent::Connected(stranger))));
            if known {
                state.announce(info);
            }
            conn
        };
        self.settle();
        conn
    }

    /// It is gone; the reason as in `fts_client_disconnects_total`.
    pub fn disconnect(&self, conn: u64, reason: &str) {
        self.settle();
        self.shared.lock().gone(conn, reason);
        self.settle();
    }

    /// Its groups change.
    pub fn set_groups<S: Into<String>>(&self, conn: u64, groups: impl IntoIterator<Item = S>) {
        {
            let mut state = self.shared.lock();
            let groups: Vec<String> = groups.into_iter().map(Into::into).collect();
            let Some(client) = state.clients.get_mut(&conn) else { return };
            (client.groups_in, client.groups_out) = (groups.clone(), groups);
            let client = client.clone();
            state.queue.push_back(Job::Client(Box::new(ClientEvent::Groups(client))));
        }
        self.settle();
    }

    /// It reports a position: an event like any other.
    ///
    /// # Panics
    /// When there is no such connection.
    #[allow(clippy::panic)]
    pub fn move_to(&self, conn: u64, lat: f64, lon: f64) -> Outcome {
        let Some(client) = self.client(conn) else { panic!("no connection {conn}") };
        let event = cot::Builder::new("a-f-G-U-C", self.now()).uid(client.uid).how("m-g");
        let event = event.point(lat, lon, 0.0, 10.0, 10.0);
        let contact = [("callsign", &*client.callsign), ("endpoint", "*:-1:stcp")];
        self.deliver(event.child("contact", &contact, "").to_text(), conn)
    }

    /// What the directory knows of a connection; None once it is gone.
    pub fn client(&self, conn: u64) -> Option<ClientInfo> {
        self.shared.lock().clients.get(&conn).cloned()
    }

    /// Remote contacts of the plugin.
    pub fn contacts(&self) -> Vec<ClientInfo> {
        let all = self.shared.lock().find(&Find::All, &self.shared.name);
        all.into_iter().filter(|c| !c.remote_of.is_empty()).collect()
    }

    /// Connections the plugin has ended, and why.
    pub fn kicked(&self) -> Vec<(u64, String)> {
        self.shared.lock().kicked.clone()
    }

    /// Everything the plugin has sent, in order.
    pub fn sent(&self) -> Vec<Sent> {
        self.shared.lock().sent.clone()
    }

    /// Everything a connection was given, in order: by the plugin and by other clients.
    pub fn received(&self, conn: u64) -> Vec<Cot> {
        self.shared.lock().received.get(&conn).cloned().unwrap_or_default()
    }

    /// Forgets what was sent and received so far.
    pub fn forget(&self) {
        let mut state = self.shared.lock();
        state.sent.clear();
        state.received.clear();
    }

    /// What newcomers are shown.
    pub fn replays(&self) -> Vec<Cot> {
        let state = self.shared.lock();
        state.replays.values().filter_map(|r| Cot::parse(r.value.text.to_vec()).ok()).collect()
    }

    /// Journal numbers of events that the plugin has neither released nor discarded.
    pub fn held(&self) -> Vec<u64> {
        self.shared.lock().held.keys().copied().collect()
    }

    /// What the plugin has logged, and what the mock has to say.
    pub fn log(&self) -> Vec<Line> {
        self.shared.log.lines()
    }

    /// Figures by name and labels: `fts_demo_seen{kind="chat"}`.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        self.shared.lock().metrics.clone()
    }

    /// What the plugin last said about itself.
    pub fn status(&self) -> Status {
        self.shared.lock().status.clone()
    }

    /// Caught panics, in order.
    pub fn panics(&self) -> Vec<Panic> {
        self.shared.lock().panics.iter().map(|(_, p)| p.clone()).collect()
    }

    /// Events that were set aside because their handler panicked twice.
    pub fn poisoned(&self) -> Vec<(Cot, Panic)> {
        self.shared.lock().poisoned.clone()
    }

    /// Three panics within a minute: nothing of the plugin is called until [`MockHost::start_again`].
    pub fn is_tripped(&self) -> bool {
        self.shared.lock().tripped
    }

    /// What the plugin declared.
    pub fn manifest(&self) -> Manifest {
        self.shared.lock().manifest.clone()
    }

    /// Its intercepts, in the order they are called.
    pub fn intercepts(&self) -> Vec<InterceptSpec> {
        self.shared.lock().handlers.intercepts.iter().map(|i| i.spec.clone()).collect()
    }

    /// Its routes, in the order they were registered.
    pub fn routes(&self) -> Vec<RouteSpec> {
        self.shared.lock().handlers.routes.iter().map(|r| r.spec.clone()).collect()
    }

    /// The plugin's own folder.
    pub fn dir(&self) -> std::path::PathBuf {
        self.shared.dir.clone()
    }

    /// A value of the plugin's [`crate::sdk::Kv`].
    pub fn kv(&self, key: &str) -> Option<Vec<u8>> {
        self.shared.lock().kv.get(key).cloned()
    }

    /// Looks into the plugin's database.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn query(&self, sql: &str) -> Result<Rows> {
        let statement = Statement { sql: sql.to_owned(), params: Vec::new() };
        Ok(self.shared.database.query(&statement)?)
    }

    /// The next call of this operation ([`crate::message::op`], or `cot.send`) fails so; several wait in a row.
    pub fn fail_next(&self, operation: &str, code: Code, message: &str) {
        let failure = shim::failure(code as u32, message);
        self.shared.lock().faults.push((operation.to_owned(), failure));
    }

    /// Waits for something that a thread of the plugin does; false = it did not come within the limit.
    pub fn wait_for(&self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let until = Instant::now() + limit;
        loop {
            self.settle();
            if done(self) {
                return true;
            }
            let Some(left) = until.checked_duration_since(Instant::now()) else { return false };
            let state = self.shared.lock();
            // Every call of the plugin wakes this up; the short limit is for what is no call.
            let woken = self.shared.changed.wait_timeout(state, left.min(Duration::from_millis(10)));
            drop(woken.unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl State {
    /// It has told who it is: shown what is kept for newcomers, then ready.
    fn announce(&mut self, client: ClientInfo) {
        self.queue.push_back(Job::Client(Box::new(ClientEvent::Identified(client.clone()))));
        let shown = |groups: &Option<Vec<String>>| {
            groups.as_ref().is_none_or(|groups| groups.iter().any(|g| client.groups_out.contains(g)))
        };
        let replays = self.replays.values().filter(|r| shown(&r.value.groups));
        let texts: Vec<_> = replays.filter_map(|r| Cot::parse(r.value.text.to_vec()).ok()).collect();
        self.received.entry(client.conn).or_default().extend(texts);
        self.queue.push_back(Job::Client(Box::new(ClientEvent::Ready(client))));
    }

    /// Takes a connection away; false = it was not there.
    pub fn gone(&mut self, conn: u64, reason: &str) -> bool {
        let Some(client) = self.clients.remove(&conn) else { return false };
        self.queue.push_back(Job::Client(Box::new(ClientEvent::Gone { client, reason: reason.to_owned() })));
        true
    }

    /// What an event tells about its connection: who it is, where it is.
    pub fn identify(&mut self, event: &Cot, conn: u64, now: i64) {
        let Some(client) = self.clients.get_mut(&conn).filter(|_| event.is_sa()) else { return };
        let new = client.uid.is_empty();
        if new {
            client.uid = event.uid().into_owned();
        }
        if client.uid != event.uid() {
            return;
        }
        let text = |element: &str, attr: &str| Some(event.detail(element)?.attr(attr)?.into_owned());
        let before = (client.callsign.clone(), client.team.clone(), client.role.clone());
        for (field, value) in [
            (&mut client.callsign, text("contact", "callsign")),
            (&mut client.team, text("__group", "name")),
            (&mut client.role, text("__group", "role")),
        ] {
            if let Some(value) = value {
                *field = value;
            }
        }
        if let (Some(lat), Some(lon)) = (event.point(PointAttr::Lat), event.point(PointAttr::Lon)) {
            let hae = event.point(PointAttr::Hae).unwrap_or_default();
            client.position = Some(Position { lat, lon, hae, time: now });
        }
        let client = client.clone();
        if new {
            self.announce(client);
        } else if before != (client.callsign.clone(), client.team.clone(), client.role.clone()) {
            self.queue.push_back(Job::Client(Box::new(ClientEvent::Identified(client))));
        }
    }
}
