//! Events too big for a client's buffer, offered as files (RULE-12). The router hands them over while it delivers a turn;
//! a thread of their own stores them and sends the offers, so nobody waits for a disk. More than a few that wait are not
//! taken: whoever floods the server with huge events fills neither memory nor disk.
//!
//! The file lives a day. It is private and its uid is random: only who was offered it knows the hash to ask for, also
//! among members of the same groups.
use std::sync::{Arc, Weak, mpsc};

use super::{NewResource, Offer, PRIVATE, Receivers, name};
use crate::{
    directory::{Bits, Client},
    http::native::Native,
    observe::clock,
    route::Offers,
    wire::Event,
};

/// Events that may wait.
const WAITING: usize = 16;
/// Life of a stored event, s.
const LIFE: i64 = 86_400;
/// Submitter of what the server itself stores: no user can have this name.
pub const SERVER: &str = "(server)";

struct Job {
    event: Arc<Event>,
    name: String,
    groups: Vec<String>,
    to: Vec<u64>,
}

/// See the file's head. The thread ends with it.
pub struct Oversize {
    jobs: mpsc::SyncSender<Job>,
    native: Weak<Native>,
}

impl Oversize {
    /// Begins; None where no HTTP listener could serve the files.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn begin(native: &Arc<Native>) -> std::io::Result<Option<Arc<Self>>> {
        let config = native.config();
        if !config.listeners.marti_http.enabled && !config.listeners.marti_https.enabled {
            return Ok(None);
        }
        let (jobs, waiting) = mpsc::sync_channel::<Job>(WAITING);
        let of = Arc::downgrade(native);
        std::thread::Builder::new().name("fts-oversize".into()).spawn(move || {
            while let (Ok(job), Some(native)) = (waiting.recv(), of.upgrade()) {
                job.run(&native);
            }
        })?;
        Ok(Some(Arc::new(Self { jobs, native: Arc::downgrade(native) })))
    }
}

impl Offers for Oversize {
    fn offer(&self, event: Arc<Event>, name: String, send: &Bits, to: Vec<Arc<Client>>) -> bool {
        let Some(native) = self.native.upgrade() else { return false };
        let mut seen = send.clone();
        // Members of a mission get its events whatever their groups are (RULE-56).
        to.iter().map(|c| c.groups()).filter(|g| !send.meets(&g.receive)).for_each(|g| seen.add(&g.receive));
        let groups = native.router.directory.groups.names(&seen);
        let job = Job { event, name, groups, to: to.iter().map(|c| c.conn).collect() };
        self.jobs.try_send(job).is_ok()
    }
}

impl Job {
    fn run(self, native: &Native) {
        let uid = name::clean(&self.name);
        let new = NewResource {
            name: format!("{}.cot", if uid.is_empty() { "event" } else { &uid }),
            mime_type: "application/xml".into(),
            submitter: SERVER.into(),
            tool: PRIVATE.into(),
            expiration: Some(clock::now_ms() / 1_000 + LIFE),
            groups: self.groups,
            ..NewResource::default()
        };
        match native.files.put_bytes(self.event.xml(), new) {
            Ok(stored) => {
                native.files.share(native, &stored, &Receivers::Conns(self.to), &Offer::default());
            }
            Err(error) => {
                tracing::error!(event = "file.error", %error, uid, clients = self.to.len(), "an event over 65536 bytes could not be offered as a file; these clients do not get it");
            }
        }
    }
}
