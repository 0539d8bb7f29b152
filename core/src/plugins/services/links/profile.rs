//! [`Profile`]: how a link is made: TLS or not, whose certificate, who is trusted, how bytes become frames.
//!
//! It is made of plain values and paths. Files are read when a link is dialled or a listener opened, so a new
//! certificate counts from the next one on. No private key is ever part of a [`Profile`], an error or a log line.
use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::{
    config::{ClientCert, Config, MinVersion},
    identity::Authority,
};

/// How a link is made.
#[derive(Clone, Debug)]
pub struct Profile {
    /// None = plain TCP.
    pub tls: Option<TlsProfile>,
    /// How bytes become frames, both ways.
    pub frames: Frames,
    /// Looking up the name and connecting, together.
    pub connect_timeout: Duration,
    /// The TLS handshake, also after STARTTLS.
    pub handshake_timeout: Duration,
    /// The link is handed over as a socket pair ([`super::LinkSet::pair`]): no frames are read, except before STARTTLS.
    pub pair: bool,
}

impl Default for Profile {
    /// Plain TCP, raw, 10 s to connect, 10 s for the handshake.
    fn default() -> Self {
        let ten = Duration::from_secs(10);
        Self { tls: None, frames: Frames::Raw, connect_timeout: ten, handshake_timeout: ten, pair: false }
    }
}

/// How bytes become frames. `write` takes one frame and adds what goes around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frames {
    /// Whatever came, at most 64 KiB at once.
    Raw,
    /// Four bytes length, big-endian, then that many bytes (federation.md 2.2). Length zero is a frame.
    U32Length {
        /// Bytes of the longest frame, without the length. More ends the link.
        max: u32,
    },
    /// Up to a line feed, which is not part of it; a carriage return before it is not either.
    Line {
        /// Bytes of the longest line. More ends the link.
        max: usize,
    },
}

/// The TLS part of a profile. TLS 1.2 and 1.3 with aws-lc-rs.
#[derive(Clone, Debug)]
pub struct TlsProfile {
    /// What we show.
    pub identity: Identity,
    /// Whom we believe.
    pub trust: Trust,
    /// Listening only: is a certificate asked for, and demanded?
    pub client_cert: ClientCert,
    /// Dialling only: must the certificate carry the peer's name? Off = a chain for server or client use will do
    /// (federation.md 2.1).
    pub check_name: bool,
    /// Dialling only: the name to check and to send as SNI instead of the host that is dialled.
    pub server_name: Option<String>,
    /// Protocols by preference; empty = no ALPN.
    pub alpn: Vec<String>,
    /// Oldest version spoken.
    pub min_version: MinVersion,
    /// Begin in plain and upgrade later ([`super::LinkSet::starttls`]).
    pub starttls: bool,
}

impl Default for TlsProfile {
    /// No certificate of our own, our CA trusted, names checked, TLS 1.2 and newer, clients must show a certificate.
    fn default() -> Self {
        Self {
            identity: Identity::None,
            trust: Trust::Ca,
            client_cert: ClientCert::Required,
            check_name: true,
            server_name: None,
            alpn: Vec::new(),
            min_version: MinVersion::V12,
            starttls: false,
        }
    }
}

/// The certificate we show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// None (dialling only).
    None,
    /// The server's own certificate.
    Server,
    /// PEM files: the chain, leaf first, and its key.
    Files {
        /// The chain.
        cert: PathBuf,
        /// The private key.
        key: PathBuf,
    },
}

/// Whose certificates are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Signed by a certificate in these files (PEM, any number in each, or one in DER).
    Files(Vec<PathBuf>),
    /// The same for all `*.pem`, `*.crt` and `*.cer` in a directory.
    Dir(PathBuf),
    /// Signed by this server's own CA and not on its revocation list.
    Ca,
    /// Exactly this leaf (SHA-256 of its DER). Neither its issuer nor its dates count, its name only with `check_name`.
    Pinned([u8; 32]),
    /// Dangerous: whatever the peer shows, so nothing is known about it. For first contact, to read the fingerprint.
    DangerousAny,
}

/// A pin from text: 64 hexadecimal digits, colons and capitals allowed.
///
/// # Errors
/// [`ProfileError::Pin`].
pub fn pin(text: &str) -> Result<[u8; 32], ProfileError> {
    let bad = || ProfileError::Pin { text: text.chars().take(100).collect() };
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| *c != ':')
        .map(|c| c.to_digit(16).map(|d| d as u8).ok_or_else(bad))
        .collect::<Result<_, _>>()?;
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair.iter().fold(0, |sum, d| sum << 4 | d)).collect();
    if digits.len() == 64 { bytes.try_into().map_err(|_| bad()) } else { Err(bad()) }
}

/// What the server has itself: certificate, key and CA. Never printed.
pub struct Own {
    pub(super) chain_pem: String,
    pub(super) key_pem: String,
    pub(super) ca_der: Vec<u8>,
    pub(super) cert: PathBuf,
    pub(super) crl: PathBuf,
}

impl Own {
    /// From the server's authority.
    pub fn of(authority: &Authority, config: &Config) -> Self {
        let (chain, key) = authority.server_identity();
        Self {
            chain_pem: chain.to_owned(),
            key_pem: key.to_owned(),
            ca_der: authority.ca().to_vec(),
            cert: config.tls.server_cert.clone(),
            crl: config.tls.crl.clone(),
        }
    }
}

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Own").field("cert", &self.cert).field("crl", &self.crl).finish_non_exhaustive()
    }
}

/// Asked whenever a profile needs the server's own certificate or CA; None = this server has none.
pub type OwnLookup = Arc<dyn Fn() -> Option<Own> + Send + Sync>;

/// A profile that cannot be used; names the file and what to do.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ProfileError {
    #[error("{}: {what}", path.display())]
    File { path: PathBuf, what: String },
    #[error(
        "the profile uses the server's own certificate or CA, and this server has none: name files in the profile, or enable a TLS listener"
    )]
    NoOwn,
    #[error("a TLS listener needs a certificate: set it to \"server\" or to a certificate and a key file")]
    NoIdentity,
    #[error("{name:?} is neither an address nor a host name: correct the peer's host or server_name")]
    Name { name: String },
    #[error("{text:?} is not a SHA-256 fingerprint: 64 hexadecimal digits are needed, colons are allowed")]
    Pin { text: String },
    #[error("TLS settings: {0}")]
    Tls(String),
}
