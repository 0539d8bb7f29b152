//! Who is there.
use serde::{Deserialize, Serialize};

/// One connection (or a remote contact of a plugin).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientInfo {
    /// Its number; never used twice in one run of the server.
    pub conn: u64,
    /// "" before it identified itself.
    pub uid: String,
    /// "" before it identified itself.
    pub callsign: String,
    /// The user, where the listener knows users.
    pub user: String,
    /// Team colour.
    pub team: String,
    /// Role in the team.
    pub role: String,
    /// Device and software, as it says itself.
    pub platform: String,
    /// Groups it may send into.
    pub groups_in: Vec<String>,
    /// Groups it receives from.
    pub groups_out: Vec<String>,
    /// Name of the listener.
    pub listener: String,
    /// IP address and port.
    pub peer: String,
    /// When it connected, ms UTC.
    pub connected: i64,
    /// Its newest position, when it told one.
    pub position: Option<Position>,
    /// The plugin that set this remote contact; "" for connections.
    pub remote_of: String,
}

/// Where something was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// Metres above the ellipsoid.
    pub hae: f64,
    /// ms UTC.
    pub time: i64,
}

/// What to look for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Find {
    /// Everybody.
    All,
    /// One connection.
    Conn(u64),
    /// By client uid.
    Uid(String),
    /// By callsign (exact).
    Callsign(String),
    /// All connections of a user.
    User(String),
}

/// A member of an audience.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Member {
    /// This connection until it ends.
    Conn(u64),
    /// Whoever connects with this uid as this user; user "" only where the listener knows no users.
    Client {
        /// Client uid.
        uid: String,
        /// User.
        user: String,
    },
}

/// A contact a link stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Contact {
    /// Its uid.
    pub uid: String,
    /// Its callsign.
    pub callsign: String,
    /// Groups it receives from.
    pub groups: Vec<String>,
    /// The link it is behind; a name of the plugin's choice.
    pub link: String,
}

/// What happens to connections. In order with that client's own events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ClientEvent {
    /// It is there; nothing else is known yet.
    Connected(ClientInfo),
    /// It told who it is, or changed it. The handler's answer is sent to it alone.
    Identified(ClientInfo),
    /// Its groups changed.
    Groups(ClientInfo),
    /// It has been shown who else is there. The handler's answer is sent to it alone.
    Ready(ClientInfo),
    /// It is gone; the reason as in `fts_client_disconnects_total`.
    Gone {
        /// As it was.
        client: ClientInfo,
        /// Why.
        reason: String,
    },
    /// Sent by a later version; ignore it.
    #[serde(other)]
    Other,
}

impl ClientEvent {
    /// Whom it is about.
    pub fn client(&self) -> Option<&ClientInfo> {
        match self {
            Self::Connected(c) | Self::Identified(c) | Self::Groups(c) | Self::Ready(c) => Some(c),
            Self::Gone { client, .. } => Some(client),
            Self::Other => None,
        }
    }
}
