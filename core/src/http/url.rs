//! The URLs the server gives away (marti-http.md 6.4). With a request: `public_url` of its listener, else what a trusted
//! proxy or the client itself named, else the address the request came to. Without one: `server.public_host` and the port
//! of the listener. The port is always written out, IPv6 stands in brackets; a host a client names is never believed
//! further than its characters.
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use super::{call::Call, listener::Listener, native::Native};
use crate::{
    config::{Config, HttpListener},
    net::own_address,
};

/// `scheme://host:port` of the server as whoever made this call reaches it, without a slash at its end. May ask the
/// name service (`marti.public_address_as_ip`), so it blocks.
pub fn base_url(native: &Native, call: &Call) -> String {
    let config = native.config();
    let public = of(&config, &call.listener).map(|l| l.public_url.as_str()).unwrap_or_default();
    let asked = || call.host.as_deref().and_then(|host| authority(host, port_of(call.scheme)));
    let reached = || call.local.map(|at| shown(&at.ip().to_canonical().to_string(), at.port()));
    let base = match public {
        "" => match asked().or_else(reached) {
            Some(authority) => format!("{}://{authority}", call.scheme),
            None => return listener_url(native, call.scheme == "https"),
        },
        public => with_port(public),
    };
    if config.marti.public_address_as_ip { as_ip(&base) } else { base }
}

/// The same where there is no request: for events the server makes, packages and QR codes; of the TAK API's TLS listener
/// or of the plain one. Where that one is off the other is named: better a URL with another scheme than a dead one.
pub fn listener_url(native: &Native, https: bool) -> String {
    let config = native.config();
    let (secure, plain) = (&config.listeners.marti_https, &config.listeners.marti_http);
    let (wanted, other) = if https { (secure, plain) } else { (plain, secure) };
    let base = public_url(native, &config, if wanted.enabled || !other.enabled { wanted } else { other });
    if config.marti.public_address_as_ip { as_ip(&base) } else { base }
}

/// The URL of one listener where there is no request, by `server.public_host`.
pub fn public_url(native: &Native, config: &Config, listener: &HttpListener) -> String {
    if !listener.public_url.is_empty() {
        return with_port(&listener.public_url);
    }
    let host = match config.server.public_host.as_str() {
        "" => own_address().map_or_else(|| "127.0.0.1".to_owned(), |a| a.to_string()),
        host => host.to_owned(),
    };
    let bound = native.bound.get().and_then(|all| all.iter().find(|(name, _)| *name == listener.name));
    let port = bound.map_or(listener.port, |(_, at)| at.port());
    format!("{}://{}", if listener.tls { "https" } else { "http" }, shown(&host, port))
}

/// The same at a host somebody names (`Host` of a request): None where it is none.
pub fn at_host(scheme: &str, host: &str) -> Option<String> {
    let scheme = if scheme == "https" { "https" } else { "http" };
    authority(host, port_of(scheme)).map(|at| format!("{scheme}://{at}"))
}

fn of<'a>(config: &'a Config, listener: &Listener) -> Option<&'a HttpListener> {
    config.listeners.http().find(|l| l.name == listener.name())
}

fn port_of(scheme: &str) -> u16 {
    if scheme == "https" { 443 } else { 80 }
}

/// Host and port as they stand in a URL.
fn shown(host: &str, port: u16) -> String {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if bare.contains(':') { format!("[{bare}]:{port}") } else { format!("{bare}:{port}") }
}

/// A `Host` header with its port written out; None where it is no host.
fn authority(host: &str, default: u16) -> Option<String> {
    let (name, port) = match host.strip_prefix('[').and_then(|h| h.split_once(']')) {
        Some((address, rest)) => {
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (address, rest.strip_prefix(':').or_else(|| rest.is_empty().then_some(""))?)
        }
        None => match host.split_once(':') {
            Some((name, port)) => (name, port),
            None => (host, ""),
        },
    };
    let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if name.is_empty() || !(host.starts_with('[') || name.bytes().all(known)) {
        return None;
    }
    let port = if port.is_empty() { default } else { port.parse().ok()? };
    Some(shown(name, port))
}

/// A configured URL with its port written out.
fn with_port(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    match authority(host, port_of(scheme)) {
        Some(authority) => format!("{scheme}://{authority}{path}"),
        None => url.to_owned(),
    }
}

/// An IPv4 address instead of the name, where the name service knows one: iTAK resolves no names.
fn as_ip(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let Some((host, port)) = authority.rsplit_once(':') else { return url.to_owned() };
    if host.starts_with('[') || host.parse::<IpAddr>().is_ok() {
        return url.to_owned();
    }
    let known = authority.to_socket_addrs().ok().and_then(|mut all| all.find(SocketAddr::is_ipv4));
    known.map_or_else(|| url.to_owned(), |at| format!("{scheme}://{}:{port}{path}", at.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_gets_its_port_and_nothing_else_gets_in() {
        for (host, default, is) in [
            ("tak.example.org:8443", 443, Some("tak.example.org:8443")),
            ("tak.example.org", 443, Some("tak.example.org:443")),
            ("127.0.0.1:8080", 80, Some("127.0.0.1:8080")),
            ("[2001:db8::1]:8080", 80, Some("[2001:db8::1]:8080")),
            ("[2001:db8::1]", 443, Some("[2001:db8::1]:443")),
            ("my_host-1", 80, Some("my_host-1:80")),
            ("", 80, None),
            (":80", 80, None),
            ("evil.example/path", 80, None),
            ("user@evil.example", 80, None),
            ("a:b:c", 80, None),
            ("a:99999", 80, None),
            ("[::1]x", 80, None),
            ("[nonsense]:80", 80, None),
            ("a\"b", 80, None),
        ] {
            assert_eq!(authority(host, default).as_deref(), is, "{host}");
        }
    }

    #[test]
    fn configured_urls_and_addresses() {
        assert_eq!(with_port("https://tak.example.org"), "https://tak.example.org:443");
        assert_eq!(with_port("http://[::1]:8080/tak"), "http://[::1]:8080/tak");
        assert_eq!(with_port("http://tak.example.org/tak"), "http://tak.example.org:80/tak");
        assert_eq!(shown("2001:db8::1", 8443), "[2001:db8::1]:8443");
        assert_eq!(as_ip("http://127.0.0.1:80/x"), "http://127.0.0.1:80/x");
        assert_eq!(as_ip("http://[::1]:80"), "http://[::1]:80");
        assert_eq!(as_ip("http://localhost:8080/x"), "http://127.0.0.1:8080/x");
        assert_eq!(as_ip("http://no.such.host.invalid:8080"), "http://no.such.host.invalid:8080");
    }
}
