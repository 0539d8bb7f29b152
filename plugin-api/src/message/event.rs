//! Events: where they came from, whom they are for, what handlers say about them.
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{Member, Role};

/// Kinds of sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SourceKind {
    /// A connection.
    #[default]
    Client,
    /// A datagram.
    Datagram,
    /// The server itself, or somebody through its HTTP interface.
    Server,
    /// A plugin, perhaps for a link.
    Plugin,
    /// Sent by a later version.
    #[serde(other)]
    Other,
}

/// Where an event came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceInfo {
    /// What sort.
    pub kind: SourceKind,
    /// The connection; 0 = none.
    pub conn: u64,
    /// The client's uid, "" before it identified itself.
    pub uid: String,
    /// The client's callsign.
    pub callsign: String,
    /// The user, where the listener knows users.
    pub user: String,
    /// The plugin that sent it.
    pub plugin: String,
    /// The plugin's link it came over.
    pub link: String,
    /// Groups it is sent into.
    pub groups: Vec<String>,
    /// Name of the listener.
    pub listener: String,
    /// How many plugins made one from another to get here.
    pub hop: u8,
    /// The user's role: [`Role::Anonymous`] for whoever has no name here (plain listeners, datagrams, plugins), and from
    /// a server too old to tell. Of an event given again after a restart it is the role the user has now.
    pub role: Role,
}

/// What routing knows about an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteInfo {
    /// Where it came from.
    pub source: SourceInfo,
    /// Destinations: kind (`callsign`, `uid`, `group`, `mission` …) and name. Empty = broadcast.
    pub dests: Vec<(String, String)>,
    /// When it was received, ms UTC.
    pub received: i64,
    /// It was given before and may have been handled (after a crash or a panic).
    pub replayed: bool,
    /// It is to be kept in the history.
    pub archived: bool,
    /// The link whose remote contact it is addressed to; "" = none.
    pub link: String,
}

/// Whom an event is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// Everyone (in the groups of [`SendHow::groups`], when given).
    All,
    /// Members of these groups.
    Groups(Vec<String>),
    /// These connections.
    Conns(Vec<u64>),
    /// By callsign.
    Callsigns(Vec<String>),
    /// By client uid.
    Uids(Vec<String>),
    /// A named audience of this plugin.
    Audience(String),
    /// As its own `<marti>` says, from a source with the groups of [`SendHow::groups`].
    Addressed,
    /// All of these together, each receiver once: the members of several audiences, say. Not [`Target::Addressed`], and
    /// none of these in itself. A server that does not know it answers `Invalid`.
    Several(Vec<Target>),
}

impl Target {
    /// The members of all these audiences.
    pub fn audiences<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::Several(names.into_iter().map(|name| Self::Audience(name.into())).collect())
    }
}

/// Who does not get it although the target says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exclude {
    /// These connections.
    pub conns: Vec<u64>,
    /// Clients with these uids.
    pub uids: Vec<String>,
}

/// How an event is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendHow {
    /// Whom it is for.
    pub target: Target,
    /// Not these.
    #[serde(default)]
    pub exclude: Exclude,
    /// Only receivers that share one of these groups; None = every group.
    #[serde(default)]
    pub groups: Option<Vec<String>>,
    /// Keep it in the history.
    #[serde(default)]
    pub archive: bool,
    /// It came over this link of the plugin.
    #[serde(default)]
    pub link: String,
    /// It came from a federate: it is not sent to one again.
    #[serde(default)]
    pub federated: bool,
}

/// Order of intercepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Band {
    /// Decides whether it may pass; fails closed.
    Guard,
    /// Changes it.
    Rewrite,
    /// Decides whom it is for.
    Address,
    /// Looks.
    Tap,
}

/// An intercept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InterceptSpec {
    /// Type patterns: `b-t-f` exactly, `b-t-f*` everything that begins so, `*` everything.
    pub types: Vec<String>,
    /// Names of detail elements; an event with one of them is meant too.
    #[serde(default)]
    pub details: Vec<String>,
    /// See [`Band`].
    pub band: Band,
    /// High first within the band.
    #[serde(default)]
    pub priority: i32,
    /// Also events this plugin sent itself.
    #[serde(default)]
    pub own: bool,
    /// What its filter is changed by ([`Listen`]), once in a plugin; "" = it stays as it is.
    #[serde(default)]
    pub key: String,
}

/// Another filter for an intercept that has a key; without types and details it is not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Listen {
    /// [`InterceptSpec::key`].
    pub key: String,
    /// As in [`InterceptSpec::types`].
    pub types: Vec<String>,
    /// As in [`InterceptSpec::details`].
    pub details: Vec<String>,
    /// As in [`InterceptSpec::own`].
    pub own: bool,
}

/// What an observer may miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivery {
    /// Only the newest event of a uid matters; what is too much is dropped.
    Latest,
    /// Nothing reliable is lost, not even in a crash; positions of one uid coalesce when it is behind.
    Reliable,
}

/// An observer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ObserveSpec {
    /// As in [`InterceptSpec::types`].
    pub types: Vec<String>,
    /// As in [`InterceptSpec::details`].
    #[serde(default)]
    pub details: Vec<String>,
    /// See [`Delivery`].
    pub delivery: Delivery,
    /// Also events this plugin sent itself.
    #[serde(default)]
    pub own: bool,
    /// False = every position counts, also when it is behind.
    #[serde(default = "yes")]
    pub coalesce: bool,
    /// A handler for held events of destinations this plugin binds.
    #[serde(default)]
    pub held: bool,
}

fn yes() -> bool {
    true
}

/// Values of [`Judged::action`].
pub mod action {
    /// Nothing but [`super::Judged::also`].
    pub const PASS: u8 = 0;
    /// It goes nowhere; `text` is the reason.
    pub const DROP: u8 = 1;
    /// `text` takes its place.
    pub const REPLACE: u8 = 2;
    /// `target` takes the place of its destinations.
    pub const RETARGET: u8 = 3;
    /// The plugin took it over.
    pub const CONSUME: u8 = 4;
}

/// What an intercept says, when it is more than nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Judged {
    /// See [`action`].
    pub action: u8,
    /// The new text, or the reason.
    pub text: ByteBuf,
    /// The new target.
    pub target: Option<SendHow>,
    /// Events to route after this one.
    pub also: Vec<Also>,
}

/// One further event of an intercept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Also {
    /// Its text.
    pub text: ByteBuf,
    /// How it is sent.
    pub how: SendHow,
}

/// A caught panic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Panic {
    /// Which handler, as people name it.
    pub handler: String,
    /// What it said.
    pub message: String,
    /// file:line:column.
    pub place: String,
}

/// How an observer fared with a batch.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Taken {
    /// Events of the batch whose handler panicked or failed.
    pub poisoned: Vec<Poisoned>,
}

/// An event whose handler panicked, or said it could not handle it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Poisoned {
    /// Its place in the batch.
    pub index: usize,
    /// The panic.
    pub panic: Panic,
}

/// Who resolves a destination and what happens to its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// The router delivers; no call into the plugin.
    Deliver,
    /// The event is journaled and given to the plugin, which releases it.
    Hold,
}

/// Binds one destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindDest {
    /// Attribute of `<dest>`, such as `mission`. Belongs to one plugin.
    pub kind: String,
    /// Its value.
    pub name: String,
    /// Audience that gets the events.
    pub deliver_to: String,
    /// Audience that may send; None = everybody.
    pub may_send: Option<String>,
    /// See [`Mode`].
    pub mode: Mode,
    /// The name is meant in upper and lower case alike.
    #[serde(default)]
    pub any_case: bool,
}

impl BindDest {
    /// What the name is kept by.
    pub fn key(&self) -> String {
        if self.any_case { self.name.to_lowercase() } else { self.name.clone() }
    }
}

/// Takes a binding back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unbind {
    /// As in [`BindDest`].
    pub kind: String,
    /// As in [`BindDest`].
    pub name: String,
}

/// Lets a held event go.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Release {
    /// Its number in the journal.
    pub id: u64,
    /// Notices that each receiver of their own target gets first.
    pub before: Vec<Also>,
    /// Whom the event itself is for; [`Target::Several`] when it has several destinations.
    pub target: Target,
}

/// The newest event of a uid.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Latest {
    /// Its uid.
    pub uid: String,
    /// Its text.
    pub text: ByteBuf,
    /// When it was received, ms UTC.
    pub received: i64,
    /// Groups it was sent into.
    pub groups: Vec<String>,
}

/// An event that newcomers are shown until it is removed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Replay {
    /// Key.
    pub uid: String,
    /// The event.
    pub text: ByteBuf,
    /// Only members of these groups; None = all.
    pub groups: Option<Vec<String>>,
}

impl Member {
    /// A client by uid alone.
    pub fn uid(uid: impl Into<String>) -> Self {
        Member::Client { uid: uid.into(), user: String::new() }
    }
}

impl From<Target> for SendHow {
    fn from(target: Target) -> Self {
        Self {
            target,
            exclude: Exclude::default(),
            groups: None,
            archive: false,
            link: String::new(),
            federated: false,
        }
    }
}
