//! Links: connections of a plugin whose sockets the host owns.
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// How bytes become frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Frames {
    /// As they come, at most 64 KiB at a time.
    #[default]
    Raw,
    /// Big-endian length of four bytes, then as many bytes; at most `max`.
    U32 {
        /// Bytes.
        max: u32,
    },
    /// Ends with a line feed, which is not part of it; at most `max`.
    Line {
        /// Bytes.
        max: u32,
    },
}

/// Whom to believe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trust {
    /// The server's own CA.
    #[default]
    OwnCa,
    /// Certificates in these files or folders (PEM).
    Files(Vec<String>),
    /// Exactly this leaf: SHA-256 of its DER, hex.
    Pinned(String),
    /// Anybody; look at the fingerprint yourself.
    Any,
}

/// TLS of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkTls {
    /// Certificate chain and key (PEM files); None = the server's own.
    pub cert: Option<(String, String)>,
    /// Whom to believe.
    pub trust: Trust,
    /// Dialling: do not show the server's own certificate.
    pub anonymous: bool,
    /// Listening: ask the other side for a certificate: `none`, `optional`, `required` (also when empty).
    pub client_cert: String,
    /// Dialling: the name in the certificate is not compared.
    pub any_name: bool,
    /// Dialling: the name to ask for; "" = the host dialled.
    pub server_name: String,
    /// Protocols in order of preference.
    pub alpn: Vec<String>,
    /// TLS 1.3 only.
    pub only_13: bool,
    /// Begin in plain; `starttls` changes over.
    pub starttls: bool,
}

/// A link's manners.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkProfile {
    /// None = plain TCP.
    pub tls: Option<LinkTls>,
    /// See [`Frames`].
    pub frames: Frames,
    /// Limit for the connection, ms; 0 = 10 s.
    pub connect_ms: u64,
    /// Limit for the handshake, ms; 0 = 10 s.
    pub handshake_ms: u64,
    /// It will be taken as a local socket with `pair`.
    pub pair: bool,
}

/// Dials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkDial {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// See [`LinkProfile`].
    pub profile: LinkProfile,
}

/// Listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkListen {
    /// Address.
    pub bind: String,
    /// Port; 0 = any.
    pub port: u16,
    /// Of each accepted link.
    pub profile: LinkProfile,
}

/// What was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkOpened {
    /// Number of the link or listener.
    pub id: u64,
    /// A listener's real address.
    pub address: String,
}

/// Bytes to send (a frame, when the profile has frames).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinkWrite {
    /// Which.
    pub link: u64,
    /// What.
    pub bytes: ByteBuf,
}

/// What happens to links, in order for each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkEvent {
    /// Somebody came to a listener and did not get in (at most ten a second are told).
    Rejected {
        /// The listener.
        listener: u64,
        /// Its address.
        peer: String,
        /// For people.
        why: String,
    },
    /// It is inside TLS from here on (after `starttls`).
    Secured {
        /// The link.
        link: u64,
        /// The protocol agreed on.
        alpn: String,
        /// The peer's certificates, DER, leaf first.
        chain: Vec<ByteBuf>,
        /// SHA-256 of the leaf, hex.
        fingerprint: String,
        /// Common name of the leaf.
        name: String,
    },
    /// It can be used. In TLS 1.3 the peer may still refuse our certificate after this.
    Up {
        /// The link.
        link: u64,
        /// The listener it came through; 0 = it was dialled.
        listener: u64,
        /// Its address.
        peer: String,
        /// The protocol agreed on.
        alpn: String,
        /// The peer's certificates, DER, leaf first.
        chain: Vec<ByteBuf>,
        /// SHA-256 of the leaf, hex.
        fingerprint: String,
        /// Common name of the leaf.
        name: String,
    },
    /// One frame.
    Frame {
        /// The link.
        link: u64,
        /// 1 for the first of the link, then one more each.
        number: u64,
        /// Its bytes.
        bytes: ByteBuf,
    },
    /// There is room again after `Full`.
    Writable {
        /// The link.
        link: u64,
    },
    /// It is over; nothing follows.
    Closed {
        /// The link.
        link: u64,
        /// clean, truncated, reset, timed-out, refused, protocol or local.
        how: String,
        /// For people.
        why: String,
    },
    /// Sent by a later version; ignore it.
    #[serde(other)]
    Other,
}
