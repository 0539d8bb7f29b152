//! Clients that came to the wrong port, told by their first bytes, and said in one log line each.
use std::net::SocketAddr;

use crate::config::CotListener;

/// What came instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongProtocol {
    /// A TLS ClientHello on an unencrypted port.
    TlsOnPlain,
    /// CoT or TAK protocol on the TLS port.
    PlainOnTls,
    /// A browser or HTTP client on a CoT port.
    Http,
}

impl WrongProtocol {
    /// For metrics.
    pub fn name(self) -> &'static str {
        match self {
            WrongProtocol::TlsOnPlain => "tls_on_plain",
            WrongProtocol::PlainOnTls => "plain_on_tls",
            WrongProtocol::Http => "http",
        }
    }

    /// One log line that says what to do.
    pub fn report(self, listener: &CotListener, peer: SocketAddr) {
        let hint = match self {
            WrongProtocol::TlsOnPlain => "a TLS client on an unencrypted port: it wants the port of cot_tls",
            WrongProtocol::PlainOnTls => {
                "a client without TLS on a TLS port: it wants the port of cot_tcp, or TLS and a certificate"
            }
            WrongProtocol::Http => "an HTTP client on a CoT port: browsers and the TAK API have ports of their own",
        };
        metrics::counter!("fts_wrong_protocol_total", "listener" => listener.name.clone(), "came" => self.name())
            .increment(1);
        tracing::warn!(event = "net.wrong_protocol", %peer, listener = %listener.name, port = listener.port, came = self.name(), "{hint}");
    }
}

/// Looks at the first bytes on an unencrypted port.
pub fn sniff(first: &[u8]) -> Option<WrongProtocol> {
    match first {
        [0x16, 0x03, ..] => Some(WrongProtocol::TlsOnPlain),
        _ => is_http(first).then_some(WrongProtocol::Http),
    }
}

/// Looks at the first bytes on a TLS port.
pub fn sniff_tls(first: &[u8]) -> Option<WrongProtocol> {
    match first.first()? {
        0x16 => None,
        _ if is_http(first) => Some(WrongProtocol::Http),
        _ => Some(WrongProtocol::PlainOnTls),
    }
}

fn is_http(first: &[u8]) -> bool {
    let methods: [&[u8]; 8] = [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"CONNECT "];
    methods.iter().any(|m| first.starts_with(m))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell() {
        assert_eq!(sniff(&[0x16, 0x03, 0x01, 0]), Some(WrongProtocol::TlsOnPlain));
        assert_eq!(sniff(b"GET / HTTP/1.1"), Some(WrongProtocol::Http));
        assert_eq!((sniff(b"<event "), sniff(b"GETTING"), sniff(b"")), (None, None, None));
        assert_eq!(sniff_tls(b"<?xml"), Some(WrongProtocol::PlainOnTls));
        assert_eq!(sniff_tls(b"POST /x"), Some(WrongProtocol::Http));
        assert_eq!(sniff_tls(&[0x16, 0x03]), None);
    }
}
