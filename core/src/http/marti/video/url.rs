//! Addresses of feeds: the XML version has them in parts, the JSON version as one URL. Parts and URL go both ways without
//! loss; credentials (`user:password@host`) are cut out on request.

/// A URL in parts. What is not there is "", a missing port `-1`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub protocol: String,
    /// Host, with credentials where they were kept; an IPv6 address stands in brackets.
    pub address: String,
    pub port: String,
    /// With its slash, query included.
    pub path: String,
}

impl Parts {
    /// Takes a URL apart; None = it has no protocol.
    pub fn of(url: &str) -> Option<Self> {
        let (protocol, rest) = url.split_once("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let host_at = authority.rfind('@').map_or(0, |at| at + 1);
        let (credentials, host) = authority.split_at(host_at);
        let (host, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => (name, port),
            _ => (host, "-1"),
        };
        Some(Self {
            protocol: protocol.to_owned(),
            address: format!("{credentials}{host}"),
            port: port.to_owned(),
            path: path.to_owned(),
        })
    }

    /// Puts them together again.
    pub fn url(&self) -> String {
        let port = match self.port.trim().parse::<u16>() {
            Ok(port) if port > 0 => format!(":{port}"),
            _ => String::new(),
        };
        let slash = if self.path.is_empty() || self.path.starts_with(['/', '?', '#']) { "" } else { "/" };
        format!("{}://{}{port}{slash}{}", self.protocol, self.address, self.path)
    }
}

/// An address or URL without the credentials in it.
pub(super) fn without_credentials(text: &str) -> String {
    let (protocol, rest) = text.find("://").map_or(("", text), |at| text.split_at(at + 3));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{protocol}{}", &rest[at + 1..]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_apart_and_together() {
        let cases = [
            ("rtsp://10.0.0.9:554/live", "rtsp", "10.0.0.9", "554", "/live"),
            ("https://a.example/x/y.m3u8?z=1:2#f", "https", "a.example", "-1", "/x/y.m3u8?z=1:2#f"),
            ("udp://239.0.0.1:1234", "udp", "239.0.0.1", "1234", ""),
            ("srt://[::1]:9000?mode=caller", "srt", "[::1]", "9000", "?mode=caller"),
            ("rtsp://u:p@h:554/a@b", "rtsp", "u:p@h", "554", "/a@b"),
            ("rtsp://[fe80::1]/x", "rtsp", "[fe80::1]", "-1", "/x"),
            ("file:///a/b", "file", "", "-1", "/a/b"),
        ];
        for (url, protocol, address, port, path) in cases {
            let parts = Parts::of(url).unwrap();
            let got = (&*parts.protocol, &*parts.address, &*parts.port, &*parts.path);
            assert_eq!(got, (protocol, address, port, path), "{url}");
            assert_eq!(parts.url(), url);
        }
        assert_eq!(Parts::of("no url"), None);
        let bare = Parts { protocol: "rtsp".into(), address: "h".into(), port: "x".into(), path: "live".into() };
        assert_eq!(bare.url(), "rtsp://h/live");
    }

    #[test]
    fn credentials_are_cut_out_and_nothing_else() {
        for (with, without) in [
            ("u:p@h", "h"),
            ("u@h:1/x", "h:1/x"),
            ("rtsp://u:p@ss@h:1/a@b", "rtsp://h:1/a@b"),
            ("rtsp://h/a@b", "rtsp://h/a@b"),
            ("h?x=@", "h?x=@"),
            ("", ""),
        ] {
            assert_eq!(without_credentials(with), without, "{with}");
        }
    }
}
