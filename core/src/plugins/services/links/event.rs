//! What links report ([`LinkEvent`]) and why they end ([`End`]).
//!
//! Order for one link: `Up` or `Accepted`, then `Frame`, `Secured` and `Writable` as they happen, then `Closed`, once.
//! A dialled link that never came up has only `Closed`.
use std::{fmt, io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use rustls::AlertDescription;

use super::{LinkId, ListenerId};

/// Takes events. It is called on a network thread and must not block: put the event into a queue and return.
pub type Sink = Arc<dyn Fn(LinkEvent) + Send + Sync>;

/// Something happened to a link.
#[derive(Clone, Debug)]
pub enum LinkEvent {
    /// A dialled link is there, TLS included unless it begins in plain. In TLS 1.3 the peer may still refuse our
    /// certificate after this: then `Closed` with [`End::Refused`] follows.
    Up {
        /// Which.
        link: LinkId,
        /// Whom it leads to.
        peer: Peer,
    },
    /// Somebody came through a listener, TLS included unless it begins in plain.
    Accepted {
        /// Through which.
        listener: ListenerId,
        /// The new link.
        link: LinkId,
        /// Who.
        peer: Peer,
    },
    /// Somebody came and did not get in (at most ten of a listener are reported in a second, all are counted).
    Rejected {
        /// Where.
        listener: ListenerId,
        /// Who.
        address: SocketAddr,
        /// Why.
        why: End,
    },
    /// STARTTLS is done: from here on everything is inside TLS.
    Secured {
        /// Which.
        link: LinkId,
        /// What is known of the peer now.
        peer: Peer,
    },
    /// A frame, or what came at once of a raw link. To be given back with [`super::LinkSet::processed`].
    Frame {
        /// Which.
        link: LinkId,
        /// 1 for the first of the link, then one more each; [`super::LinkSet::starttls`] wants it.
        number: u64,
        /// Without length or line end.
        bytes: Bytes,
    },
    /// After [`super::WriteError::Full`]: there is room again, also for the frame that found none. Once per Full.
    Writable {
        /// Which.
        link: LinkId,
    },
    /// The end. The link's number means nothing from here on.
    Closed {
        /// Which.
        link: LinkId,
        /// Why.
        why: End,
    },
}

/// The other end of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Whether the link is inside TLS now.
    pub tls: bool,
    /// The protocol agreed on.
    pub alpn: Option<String>,
    /// Its certificates, DER, leaf first; empty when it showed none.
    pub chain: Vec<Vec<u8>>,
    /// SHA-256 of the leaf, 64 small hexadecimal digits.
    pub fingerprint: Option<String>,
    /// The leaf's subject common name.
    pub common_name: Option<String>,
}

/// Why a link ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer ended it in order.
    Clean,
    /// The stream ends where it must not: inside a frame, or TLS without close_notify. The last data may be missing.
    Truncated(&'static str),
    /// The network or the peer broke it off.
    Reset,
    /// Something did not happen in time: connect, handshake, keepalive, or the flush before closing.
    TimedOut(&'static str),
    /// It never worked: no such name, connection refused, certificate or handshake not accepted by either side.
    Refused(String),
    /// The peer broke a rule: a frame too long, plaintext behind STARTTLS, broken TLS. We ended it.
    Protocol(String),
    /// We ended it: closed by the plugin or with its generation.
    Local,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Clean => f.write_str("closed by the peer"),
            End::Truncated(what) => write!(f, "truncated: {what}"),
            End::Reset => f.write_str("connection reset"),
            End::TimedOut(what) => write!(f, "timed out: {what}"),
            End::Refused(what) | End::Protocol(what) => f.write_str(what),
            End::Local => f.write_str("closed here"),
        }
    }
}

impl End {
    /// From an error of a link that is up.
    pub(super) fn of(error: &io::Error) -> End {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, TimedOut, UnexpectedEof};
        match tls(error) {
            Some(rustls::Error::AlertReceived(alert)) if refusal(*alert) => {
                End::Refused(format!("the peer did not accept our certificate: {alert:?}"))
            }
            Some(error) => End::Protocol(format!("TLS: {error}")),
            None => match error.kind() {
                UnexpectedEof => End::Truncated("TLS ended without close_notify"),
                BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected => End::Reset,
                TimedOut => End::TimedOut("no answer from the network"),
                _ => End::Protocol(error.to_string()),
            },
        }
    }

    /// From an error of a handshake.
    pub(super) fn of_handshake(error: &io::Error) -> End {
        match tls(error) {
            Some(rustls::Error::AlertReceived(alert)) => {
                End::Refused(format!("the peer ended the TLS handshake: {alert:?}"))
            }
            Some(error) => End::Refused(format!("TLS handshake: {error}")),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                End::Refused("the peer closed during the TLS handshake".into())
            }
            None => End::of(error),
        }
    }
}

fn tls(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Alerts that speak about our certificate.
fn refusal(alert: AlertDescription) -> bool {
    use AlertDescription as A;
    matches!(
        alert,
        A::NoCertificate
            | A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
            | A::AccessDenied
            | A::CertificateRequired
    )
}
