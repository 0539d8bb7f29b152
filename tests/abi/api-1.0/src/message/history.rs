//! What is stored: events and tracks, asked for by plugins and of them.
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// A stored event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredEvent {
    /// Its uid.
    pub uid: String,
    /// Its text.
    pub text: ByteBuf,
    /// When it was received, ms UTC: lists are merged by it.
    pub received: i64,
    /// Groups it was sent into.
    pub groups: Vec<String>,
}

/// Asks a plugin for the events of a uid that it keeps itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HistoryAsk {
    /// Which.
    pub uid: String,
    /// Received not before, ms UTC.
    pub from: i64,
    /// Received not after, ms UTC.
    pub to: i64,
    /// Groups the asker receives from; None = the server itself asks.
    pub groups: Option<Vec<String>>,
    /// The asker's user, "" = it has no name; None = the server itself asks.
    pub user: Option<String>,
}

/// Asks the server for stored events, newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventQuery {
    /// Only of this uid; then what other plugins keep of it is there, too.
    pub uid: Option<String>,
    /// Received not before, ms UTC.
    pub from: Option<i64>,
    /// Received not after, ms UTC.
    pub to: Option<i64>,
    /// Left, bottom, right, top in degrees.
    pub bbox: Option<[f64; 4]>,
    /// Types that begin so; empty = all.
    pub types: Vec<String>,
    /// Only what was sent into one of these groups; None = all.
    pub groups: Option<Vec<String>>,
    /// Also what was addressed to somebody.
    pub addressed: bool,
    /// At most so many; 0 = 10 000, which is the most.
    pub limit: u32,
}

/// Asks the server for tracks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrackQuery {
    /// Only of this uid.
    pub uid: Option<String>,
    /// Only of this callsign.
    pub callsign: Option<String>,
    /// Not before, ms UTC; None = 24 h before `to`.
    pub from: Option<i64>,
    /// Not after, ms UTC; None = now.
    pub to: Option<i64>,
    /// Left, bottom, right, top in degrees.
    pub bbox: Option<[f64; 4]>,
    /// Over it the newest; 0 = 100 000, which is the most.
    pub max_points: u32,
    /// Only of who sent into one of these groups; None = all.
    pub groups: Option<Vec<String>>,
}

/// Where something was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrackPoint {
    /// Whose.
    pub uid: String,
    /// Its callsign then.
    pub callsign: String,
    /// ms UTC.
    pub time: i64,
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// Metres above the ellipsoid.
    pub hae: Option<f64>,
    /// Metres: circular error.
    pub ce: Option<f64>,
    /// Metres per second.
    pub speed: Option<f64>,
    /// Degrees true.
    pub course: Option<f64>,
    /// Percent.
    pub battery: Option<f64>,
    /// CoT type.
    pub cot_type: String,
    /// Team colour.
    pub team: String,
    /// Role in the team.
    pub role: String,
    /// "" = recorded as it came; else the plugin that added it.
    pub source: String,
    /// Groups it was sent into.
    pub groups: Vec<String>,
}

/// The next event of a uid is waited for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Await {
    /// The plugin's own, once in a generation.
    pub number: u64,
    /// Of the event.
    pub uid: String,
    /// How long, ms; at most 60 000.
    pub limit: u64,
}

/// What became of an [`Await`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Arrived {
    /// [`Await::number`].
    pub number: u64,
    /// It is stored and found; false = the limit is over.
    pub stored: bool,
}
