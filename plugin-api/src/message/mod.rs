//! What crosses the boundary as bytes: MessagePack maps with field names.
//!
//! Both sides compile these structs. A field may be added in a minor with a default; none is renamed, removed or given
//! another meaning; unknown fields are ignored. So a plugin and a server of different minors understand each other, and
//! every call can be sent to another process one day. Units: metres, degrees true, ms UTC.
mod client;
mod event;
mod file;
mod history;
mod http;
mod identity;
mod life;
mod link;
mod service;
mod sql;

use serde::{Serialize, de::DeserializeOwned};

pub use client::{ClientEvent, ClientInfo, Contact, Find, Member, Position};
pub use event::{
    Also, Band, BindDest, Delivery, Exclude, InterceptSpec, Judged, Latest, Listen, Mode, ObserveSpec, Panic, Poisoned,
    Release, Replay, RouteInfo, SendHow, SourceInfo, SourceKind, Taken, Target, Unbind, action,
};
pub use file::{Cause, Deletion, FETCHED, Fetched, FileAnswer, FileAsk, FileInfo, MayRead};
pub use history::{Arrived, Await, EventQuery, HistoryAsk, StoredEvent, TrackPoint, TrackQuery};
pub use http::{Auth, Identity, Listener, RequestHead, ResponseHead, Role, RouteSpec, Scope, Spooled};
pub use identity::{CertIssued, CertOrder, TokenAnswer, TokenAsk, UserAnswer, UserAsk, UserInfo};
pub use life::{CallerKind, CallerSpec, Hello, Level, Manifest, Metric, MetricKind, Phase, ServerInfo, Status};
pub use link::{Frames, LinkDial, LinkEvent, LinkListen, LinkOpened, LinkProfile, LinkTls, LinkWrite, Trust};
pub use service::{Alert, Bus, KvSet, ServiceCall};
pub use sql::{CursorPage, Migrated, Migration, Rows, Statement, Value};

/// Names of operations for [`crate::abi::Host::call`]. Each line: argument → answer.
pub mod op {
    macro_rules! ops { ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = $text;)*
        /// Every name.
        pub const ALL: &[&str] = &[$($text),*];
    } }
    ops! {
        /// () → [`super::Hello`].
        HELLO = "hello";
        /// [`super::Manifest`] → ().
        DECLARE = "declare";
        /// [`super::Panic`] → (): a thread of the plugin panicked.
        PANICKED = "panicked";
        /// [`super::Status`] → ().
        STATUS = "status";
        /// [`super::Metric`] → ().
        METRIC = "metric";
        /// [`super::Find`] → Vec of [`super::ClientInfo`].
        CLIENTS = "clients";
        /// (conn, reason) → bool.
        KICK = "clients.kick";
        /// name → (): empty, or as it is when it exists.
        AUDIENCE_CREATE = "audience.create";
        /// (name, Vec of [`super::Member`]) → ().
        AUDIENCE_ADD = "audience.add";
        /// (name, Vec of [`super::Member`]) → ().
        AUDIENCE_REMOVE = "audience.remove";
        /// name → ().
        AUDIENCE_DELETE = "audience.delete";
        /// name → Vec of conn: members that are connected.
        AUDIENCE_MEMBERS = "audience.members";
        /// [`super::BindDest`] → ().
        DEST_BIND = "dest.bind";
        /// [`super::Unbind`] → ().
        DEST_UNBIND = "dest.unbind";
        /// [`super::Listen`] → ().
        LISTEN = "intercept.listen";
        /// [`super::Release`] → ().
        RELEASE = "cot.release";
        /// Vec of [`super::Release`] → Vec of (journal id, why) of those that are still held.
        RELEASE_ALL = "cot.release-all";
        /// journal id → ().
        DISCARD = "cot.discard";
        /// journal id → (): it is given again after a pause, and no later held event before it.
        LATER = "cot.later";
        /// Vec of uid → Vec of [`super::Latest`].
        LATEST = "history.latest";
        /// [`super::EventQuery`] → Vec of [`super::StoredEvent`], newest first.
        HISTORY_QUERY = "history.query";
        /// [`super::TrackQuery`] → Vec of [`super::TrackPoint`], by time.
        HISTORY_TRACKS = "history.tracks";
        /// Vec of [`super::TrackPoint`] → how many are new.
        HISTORY_APPEND = "history.append";
        /// [`super::Await`] → (): the caller [`super::CallerKind::Arrived`] is called once.
        HISTORY_NOTIFY = "history.notify";
        /// [`super::Replay`] → ().
        REPLAY_SET = "replay.set";
        /// uid → ().
        REPLAY_REMOVE = "replay.remove";
        /// [`super::Contact`] → ().
        CONTACT_SET = "contacts.set";
        /// uid → ().
        CONTACT_REMOVE = "contacts.remove";
        /// Vec of [`super::Migration`] → [`super::Migrated`].
        SQL_MIGRATE = "sql.migrate";
        /// [`super::Statement`] → rows changed.
        SQL_EXEC = "sql.exec";
        /// [`super::Statement`] → [`super::Rows`].
        SQL_QUERY = "sql.query";
        /// () → (): from now on exec and query of this thread belong to the transaction.
        SQL_BEGIN = "sql.begin";
        /// () → (): the same, but its commit does not wait for the disk.
        SQL_BEGIN_LAZY = "sql.begin-lazy";
        /// () → ().
        SQL_COMMIT = "sql.commit";
        /// () → ().
        SQL_ROLLBACK = "sql.rollback";
        /// () → (): from now on queries of this thread see one snapshot. Begun again inside: it is the same one.
        SQL_READ = "sql.read";
        /// () → (): the snapshot's end, with the last of its begins.
        SQL_READ_END = "sql.read_end";
        /// [`super::Statement`] → cursor number.
        SQL_CURSOR = "sql.cursor";
        /// cursor number → [`super::CursorPage`].
        SQL_NEXT = "sql.next";
        /// cursor number → ().
        SQL_CLOSE = "sql.close";
        /// () → path of the plugin's own folder.
        DIR = "dir";
        /// key → Option of bytes.
        KV_GET = "kv.get";
        /// [`super::KvSet`] → ().
        KV_SET = "kv.set";
        /// prefix → Vec of key.
        KV_KEYS = "kv.keys";
        /// [`super::ServiceCall`] → bytes.
        CALL = "service.call";
        /// plugin name → bool: does it run and provide anything?
        FIND = "service.find";
        /// [`super::Bus`] → number of subscribers.
        PUBLISH = "bus.publish";
        /// [`super::LinkDial`] → [`super::LinkOpened`].
        LINK_DIAL = "link.dial";
        /// [`super::LinkListen`] → [`super::LinkOpened`].
        LINK_LISTEN = "link.listen";
        /// [`super::LinkWrite`] → ().
        LINK_WRITE = "link.write";
        /// (link, last bytes in plain, number of the last frame seen) → ().
        LINK_STARTTLS = "link.starttls";
        /// link → ().
        LINK_CLOSE = "link.close";
        /// link → file descriptor, owned by the plugin from then on.
        LINK_PAIR = "link.pair";
        /// () → [`super::ServerInfo`].
        SERVER = "server";
        /// [`super::FileAsk`] → [`super::FileAnswer`]; `Unsupported` from a server without a store of files.
        FILES = "files";
        /// [`super::UserAsk`] → [`super::UserAnswer`].
        USERS = "users";
        /// [`super::CertOrder`] → [`super::CertIssued`].
        CERT_ISSUE = "certs.issue";
        /// [`super::TokenAsk`] → [`super::TokenAnswer`].
        TOKENS = "tokens";
    }
}

/// Why a message could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct Unreadable {
    what: &'static str,
    source: rmp_serde::decode::Error,
}

/// A message as bytes.
pub fn pack<T: Serialize>(message: &T) -> Vec<u8> {
    // Only a map key that is no text or an unsized sequence can fail; the messages have neither (a test packs each).
    rmp_serde::to_vec_named(message).unwrap_or_default()
}

/// Bytes as a message.
///
/// # Errors
/// [`Unreadable`] names the type.
pub fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    rmp_serde::from_slice(bytes).map_err(|source| Unreadable { what: std::any::type_name::<T>(), source })
}
