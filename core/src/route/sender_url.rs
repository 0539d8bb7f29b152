//! `cot.rewrite_sender_url` (RULE-66, default off): the URL of an offered file that lies on this server, but under an
//! address only its own network can reach, gets `server.public_host` instead. Everything else of the URL stays, and so
//! does every URL of another machine: a file a client serves itself must not be looked for here.
use std::net::IpAddr;

use fts_plugin_api::cot::{Attr, Element, Span, Spans, Splices};

use crate::config::Config;

/// Addresses this server is known to have.
pub(super) fn own(config: &Config) -> Vec<IpAddr> {
    if !config.cot.rewrite_sender_url {
        return Vec::new();
    }
    let bound = config.listeners.http().filter_map(|l| l.bind.parse().ok());
    crate::net::own_address().into_iter().chain(bound).collect()
}

/// Notes the edit if there is one to make.
pub(super) fn rewrite(text: &[u8], spans: &Spans, config: &Config, own: &[IpAddr], splices: &mut Splices) {
    let host = config.server.public_host.as_str();
    if !config.cot.rewrite_sender_url || host.is_empty() || spans.attrs[Attr::Type as usize].of(text) != b"b-f-t-r" {
        return;
    }
    let Some(share) = spans.children.iter().find(|c| c.name.of(text) == b"fileshare") else { return };
    let url = Element::at(text, share.whole).attr_span("senderUrl");
    if !url.is_some() {
        return;
    }
    let Some((from, to)) = std::str::from_utf8(url.of(text)).ok().and_then(|url| wrong_host(url, own)) else { return };
    let at = Span { start: url.start + from as u32, end: url.start + to as u32 };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    splices.replace(at, &if bare.contains(':') { format!("[{bare}]") } else { bare.to_owned() });
}

/// Where the host stands in a URL of this server that names an address of its own network; brackets belong to it.
fn wrong_host(url: &str, own: &[IpAddr]) -> Option<(usize, usize)> {
    let from = url.find("://")? + 3;
    let rest = url.get(from..)?;
    let slash = rest.find('/')?;
    // Only paths of the TAK API are served here; anything else is a client's own.
    if !rest.get(slash..)?.starts_with("/Marti/") {
        return None;
    }
    let authority = rest.get(..slash)?;
    let len = match authority.strip_prefix('[') {
        Some(inner) => inner.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let address: IpAddr = authority.get(..len)?.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    let address = address.to_canonical();
    let here = address.is_unspecified() || address.is_loopback() || (private(address) && own.contains(&address));
    here.then_some((from, from + len))
}

fn private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local(),
        // Unique local and link local addresses.
        IpAddr::V6(v6) => (v6.segments()[0] & 0xfe00) == 0xfc00 || (v6.segments()[0] & 0xffc0) == 0xfe80,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_66_only_addresses_of_this_server_are_replaced() {
        let own = ["10.0.0.5".parse().unwrap(), "192.0.2.9".parse().unwrap(), "fd00::5".parse().unwrap()];
        for (url, wrong) in [
            ("http://10.0.0.5:8080/Marti/sync/content?hash=1", Some("10.0.0.5")),
            ("https://0.0.0.0:8443/Marti/sync/content?hash=1", Some("0.0.0.0")),
            ("https://[fd00::5]:8443/Marti/sync/content", Some("[fd00::5]")),
            ("http://127.0.0.1/Marti/x", Some("127.0.0.1")),
            ("http://10.0.0.6:8080/Marti/sync/content?hash=1", None),
            ("http://192.0.2.9:8080/Marti/sync/content?hash=1", None),
            ("http://10.0.0.5:8080/getfile?file=0&amp;sender=X", None),
            ("http://tak.example.org:8080/Marti/sync/content", None),
            ("10.0.0.5:8080/Marti/x", None),
            ("http://10.0.0.5", None),
            ("http://[fd00::5/Marti/x", None),
            ("", None),
        ] {
            assert_eq!(wrong_host(url, &own).map(|(from, to)| &url[from..to]), wrong, "{url}");
        }
    }
}
