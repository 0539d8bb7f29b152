//! Clients that came to the wrong port, told by their first bytes, and said in one log line each.
use std::net::SocketAddr;

use super::{Port, Speaks};

/// What came instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongProtocol {
    /// A TLS ClientHello on an unencrypted port.
    TlsOnPlain,
    /// No TLS on a TLS port, by a client of the right protocol.
    PlainOnTls,
    /// A browser or HTTP client on a CoT port.
    Http,
    /// CoT on an HTTP port.
    Cot,
}

impl WrongProtocol {
    /// For metrics.
    pub fn name(self) -> &'static str {
        match self {
            WrongProtocol::TlsOnPlain => "tls_on_plain",
            WrongProtocol::PlainOnTls => "plain_on_tls",
            WrongProtocol::Http => "http",
            WrongProtocol::Cot => "cot",
        }
    }

    fn hint(self, speaks: Speaks) -> &'static str {
        match (self, speaks) {
            (WrongProtocol::TlsOnPlain, Speaks::Cot) => {
                "a TLS client on an unencrypted port: it wants the port of cot_tls"
            }
            (WrongProtocol::TlsOnPlain, Speaks::Http) => {
                "a TLS client on an unencrypted port: it wants http://, or the port of marti_https"
            }
            (WrongProtocol::PlainOnTls, Speaks::Cot) => {
                "a client without TLS on a TLS port: it wants the port of cot_tcp, or TLS and a certificate"
            }
            (WrongProtocol::PlainOnTls, Speaks::Http) => {
                "an HTTP client without TLS on a TLS port: it wants https://, or the port of marti_http"
            }
            (WrongProtocol::Http, _) => {
                "an HTTP client on a CoT port: browsers and the TAK API have ports of their own"
            }
            (WrongProtocol::Cot, _) => "a CoT client on an HTTP port: it wants the port of cot_tcp or cot_tls",
        }
    }

    /// One log line that says what to do.
    pub fn report(self, port: &Port, peer: SocketAddr) {
        metrics::counter!("fts_wrong_protocol_total", "listener" => port.name.clone(), "came" => self.name())
            .increment(1);
        tracing::warn!(event = "net.wrong_protocol", %peer, listener = %port.name, port = port.port, came = self.name(), "{}", self.hint(port.speaks));
    }
}

/// Looks at the first bytes on an unencrypted CoT port.
pub fn sniff(first: &[u8]) -> Option<WrongProtocol> {
    match first {
        [0x16, 0x03, ..] => Some(WrongProtocol::TlsOnPlain),
        _ => is_http(first).then_some(WrongProtocol::Http),
    }
}

/// Looks at the first bytes on an unencrypted HTTP port.
pub fn sniff_http(first: &[u8]) -> Option<WrongProtocol> {
    match first {
        [0x16, 0x03, ..] => Some(WrongProtocol::TlsOnPlain),
        _ => is_cot(first).then_some(WrongProtocol::Cot),
    }
}

/// Looks at the first bytes on a TLS port.
pub(super) fn sniff_tls(first: &[u8], speaks: Speaks) -> Option<WrongProtocol> {
    match first.first()? {
        0x16 => None,
        _ => Some(match (speaks, is_http(first), is_cot(first)) {
            (Speaks::Cot, true, _) => WrongProtocol::Http,
            (Speaks::Http, _, true) => WrongProtocol::Cot,
            _ => WrongProtocol::PlainOnTls,
        }),
    }
}

fn is_http(first: &[u8]) -> bool {
    let methods: [&[u8]; 8] = [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"CONNECT "];
    methods.iter().any(|m| first.starts_with(m))
}

/// XML, or a TAK protocol message; a request line begins with neither.
fn is_cot(first: &[u8]) -> bool {
    matches!(first.first(), Some(b'<' | 0xBF))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell() {
        assert_eq!(sniff(&[0x16, 0x03, 0x01, 0]), Some(WrongProtocol::TlsOnPlain));
        assert_eq!(sniff(b"GET / HTTP/1.1"), Some(WrongProtocol::Http));
        assert_eq!((sniff(b"<event "), sniff(b"GETTING"), sniff(b"")), (None, None, None));
        let (cot, http) = (Speaks::Cot, Speaks::Http);
        assert_eq!(sniff_tls(b"<?xml", cot), Some(WrongProtocol::PlainOnTls));
        assert_eq!(sniff_tls(b"POST /x", cot), Some(WrongProtocol::Http));
        assert_eq!(sniff_tls(b"POST /x", http), Some(WrongProtocol::PlainOnTls));
        assert_eq!(sniff_tls(b"<event", http), Some(WrongProtocol::Cot));
        assert_eq!((sniff_tls(&[0x16, 0x03], cot), sniff_tls(&[0x16, 0x03], http)), (None, None));
        assert_eq!(sniff_http(&[0x16, 0x03, 0x01]), Some(WrongProtocol::TlsOnPlain));
        assert_eq!(sniff_http(&[0xBF, 1, 0xBF]), Some(WrongProtocol::Cot));
        assert_eq!((sniff_http(b"GET /"), sniff_http(b"")), (None, None));
    }

    #[test]
    fn everybody_gets_a_hint_of_its_own() {
        use std::collections::BTreeSet;
        let all = [WrongProtocol::TlsOnPlain, WrongProtocol::PlainOnTls, WrongProtocol::Http, WrongProtocol::Cot];
        let hints: BTreeSet<_> = all.iter().flat_map(|w| [w.hint(Speaks::Cot), w.hint(Speaks::Http)]).collect();
        assert_eq!(hints.len(), 6);
    }
}
