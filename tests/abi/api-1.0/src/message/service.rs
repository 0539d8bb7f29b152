//! Plugin to plugin, key and value.
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// A call of another plugin.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServiceCall {
    /// Whom.
    pub plugin: String,
    /// "" = its [`super::CallerKind::Service`]; else the name of a typed service.
    #[serde(default)]
    pub service: String,
    /// What.
    pub method: String,
    /// With what.
    pub args: ByteBuf,
}

/// Something for whoever subscribed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bus {
    /// About what.
    pub topic: String,
    /// What.
    pub bytes: ByteBuf,
}

/// Sets a key; None deletes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KvSet {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Option<ByteBuf>,
}

/// An emergency, as the service `alerts` tells it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Alert {
    /// Event uid.
    pub uid: String,
    /// CoT type.
    pub cot_type: String,
    /// `emergency@type`.
    pub kind: String,
    /// Who.
    pub callsign: String,
    /// Client uid of who raised it.
    pub origin: String,
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// Metres.
    pub hae: f64,
    /// First seen, ms UTC.
    pub first: i64,
    /// Last seen, ms UTC.
    pub last: i64,
    /// Cancelled, ms UTC; 0 = active.
    pub cancelled: i64,
    /// Who cancelled it.
    pub cancelled_by: String,
    /// Groups it was sent into.
    pub groups: Vec<String>,
}
