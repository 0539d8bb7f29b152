//! What a proxy says about a request it passes on (`X-Forwarded-*`), believed only of the peers in
//! `marti.trusted_proxies`: addresses, or networks like 10.0.0.0/8. Of a chain of proxies the first one that is not
//! trusted is the client; whatever stands before it in the list was written by that client.
use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

/// What the client did, before the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Forwarded {
    pub scheme: Option<&'static str>,
    pub host: Option<String>,
    pub peer: Option<SocketAddr>,
}

impl Forwarded {
    /// Of a request that came from this peer.
    pub fn of(trusted: &[String], peer: SocketAddr, headers: &HeaderMap) -> Self {
        if trusted.is_empty() || !trusted.iter().any(|t| holds(t, peer.ip())) {
            return Self::default();
        }
        let first = |name: &str| {
            let value = headers.get(name)?.to_str().ok()?.split(',').next()?.trim();
            (!value.is_empty()).then(|| value.to_owned())
        };
        let scheme = match first("x-forwarded-proto").as_deref() {
            Some("https") => Some("https"),
            Some("http") => Some("http"),
            _ => None,
        };
        let host = first("x-forwarded-host").map(|host| match first("x-forwarded-port") {
            Some(port) if !has_port(&host) && port.parse::<u16>().is_ok() => format!("{host}:{port}"),
            _ => host,
        });
        let chain = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok());
        let chain: Vec<IpAddr> = chain.flat_map(|v| v.split(',')).map_while(|a| a.trim().parse().ok()).collect();
        let client = chain.iter().rev().find(|a| !trusted.iter().any(|t| holds(t, **a)));
        let peer = client.or(chain.first()).map(|ip| SocketAddr::new(ip.to_canonical(), 0));
        Self { scheme, host, peer }
    }
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(name, _)| !name.contains(':') || name.ends_with(']'))
}

/// An address, or a network with the length of its prefix. What cannot be read holds nobody.
fn holds(trusted: &str, ip: IpAddr) -> bool {
    let (net, len) = match trusted.split_once('/') {
        Some((net, len)) => (net, len.parse::<u32>().ok()),
        None => (trusted, Some(128)),
    };
    let (Ok(net), Some(len)) = (net.trim().parse::<IpAddr>(), len) else { return false };
    let (net, ip) = (net.to_canonical(), ip.to_canonical());
    match (net, ip) {
        (IpAddr::V4(net), IpAddr::V4(ip)) => {
            let mask = u32::MAX.checked_shl(32 - len.min(32)).unwrap_or(0);
            u32::from(net) & mask == u32::from(ip) & mask
        }
        (IpAddr::V6(net), IpAddr::V6(ip)) => {
            let mask = u128::MAX.checked_shl(128 - len.min(128)).unwrap_or(0);
            u128::from(net) & mask == u128::from(ip) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn of(trusted: &[&str], peer: &str, all: &[(&'static str, &'static str)]) -> (String, String, String) {
        let trusted: Vec<_> = trusted.iter().map(ToString::to_string).collect();
        let headers = all.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
        let found = Forwarded::of(&trusted, SocketAddr::new(peer.parse().unwrap(), 1), &headers);
        let peer = found.peer.map(|p| p.ip().to_string()).unwrap_or_default();
        (found.scheme.unwrap_or_default().into(), found.host.unwrap_or_default(), peer)
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let says = [
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "tak.example.org"),
            ("x-forwarded-port", "8443"),
            ("x-forwarded-for", "203.0.113.9"),
        ];
        let whole = ("https".into(), "tak.example.org:8443".into(), "203.0.113.9".into());
        let nothing = (String::new(), String::new(), String::new());
        assert_eq!(of(&["10.0.0.0/8"], "10.1.2.3", &says), whole);
        assert_eq!(of(&["10.1.2.3"], "10.1.2.3", &says), whole);
        assert_eq!(of(&["::1", "2001:db8::/32"], "2001:db8::7", &says), whole);
        for trusted in [&[][..], &["10.1.2.4"], &["192.168.0.0/16"], &["nonsense", "10.0.0.0/x", "2001:db8::/32"]] {
            assert_eq!(of(trusted, "10.1.2.3", &says), nothing, "{trusted:?}");
        }
    }

    #[test]
    fn a_client_cannot_write_its_own_address() {
        let forged = [("x-forwarded-for", "1.1.1.1, 203.0.113.9, 10.0.0.2")];
        assert_eq!(of(&["10.0.0.0/8"], "10.0.0.1", &forged).2, "203.0.113.9");
        let only_proxies = [("x-forwarded-for", "10.0.0.3, 10.0.0.2")];
        assert_eq!(of(&["10.0.0.0/8"], "10.0.0.1", &only_proxies).2, "10.0.0.3");
        assert_eq!(of(&["0.0.0.0/0"], "10.0.0.1", &[("x-forwarded-for", "x")]).2, "");
        let ported = [("x-forwarded-host", "[::1]:80"), ("x-forwarded-port", "443"), ("x-forwarded-proto", "ftp")];
        assert_eq!(of(&["10.0.0.1"], "10.0.0.1", &ported), (String::new(), "[::1]:80".into(), String::new()));
        assert_eq!(
            of(&["10.0.0.1"], "10.0.0.1", &[("x-forwarded-host", "[::1]"), ("x-forwarded-port", "8443")]).1,
            "[::1]:8443"
        );
    }
}
