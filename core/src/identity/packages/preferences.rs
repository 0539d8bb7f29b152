//! [`Preferences`]: the preference file of a client package (identity.md 4.2, 4.3) and the connections in it. ATAK reads two
//! blocks, `cot_streams` with a number at the end of each key, and the app's own; everything else is left alone.
use std::collections::BTreeMap;

use fts_plugin_api::cot::{escape_attr, escape_text};
use quick_xml::{Reader, escape::unescape, events::Event};

use super::{PackageError, manifest::attribute};

/// Block of the connections.
pub const STREAMS: &str = "cot_streams";
/// Block of the app.
pub const APP: &str = "com.atakmap.app_preferences";
/// Name some builds use for it.
const CIV: &str = "com.atakmap.civ_preferences";

/// A value with the class ATAK expects for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// `java.lang.String`.
    Text(String),
    /// `java.lang.Boolean`.
    Flag(bool),
    /// `java.lang.Integer`.
    Number(i32),
}

impl Entry {
    fn class(&self) -> &'static str {
        match self {
            Self::Text(_) => "class java.lang.String",
            Self::Flag(_) => "class java.lang.Boolean",
            Self::Number(_) => "class java.lang.Integer",
        }
    }

    fn value(&self) -> String {
        match self {
            Self::Text(text) => escape_text(text).into_owned(),
            Self::Flag(flag) => flag.to_string(),
            Self::Number(number) => number.to_string(),
        }
    }
}

/// Text of a preference file: blocks with their entries, in this order.
pub fn text<K: AsRef<str>>(blocks: &[(&str, Vec<(K, Entry)>)]) -> String {
    let mut text = String::from("<?xml version='1.0' encoding='UTF-8' standalone='yes'?>\n<preferences>\n");
    for (name, entries) in blocks {
        text += &format!("  <preference version=\"1\" name=\"{}\">\n", escape_attr(name));
        for (key, entry) in entries {
            let (key, class, value) = (escape_attr(key.as_ref()), entry.class(), entry.value());
            text += &format!("    <entry key=\"{key}\" class=\"{class}\">{value}</entry>\n");
        }
        text += "  </preference>\n";
    }
    text + "</preferences>\n"
}

/// What a preference file says: for each block its keys and values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    blocks: BTreeMap<String, BTreeMap<String, String>>,
}

/// One connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its number in the file.
    pub index: usize,
    /// Host as the client writes it.
    pub host: String,
    /// Port.
    pub port: u16,
    /// `ssl`, `tcp` or `quic`.
    pub protocol: String,
    /// It is used as soon as it was imported.
    pub enabled: bool,
    /// The client gets its certificate from the server first.
    pub enrolls: bool,
}

impl Preferences {
    /// Reads one.
    ///
    /// # Errors
    /// [`PackageError::Preferences`]: not XML.
    pub fn parse(text: &[u8]) -> Result<Self, PackageError> {
        let bad = |what: String| PackageError::Preferences(what);
        let text = std::str::from_utf8(text).map_err(|_| bad("it is not UTF-8".into()))?;
        let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
        let (mut found, mut block, mut key) = (Self::default(), String::new(), None::<String>);
        let mut value = String::new();
        loop {
            match reader.read_event().map_err(|e| bad(e.to_string()))? {
                Event::Start(tag) if tag.name().as_ref() == "preference" => {
                    block = attribute(&tag, "name").unwrap_or_default();
                }
                Event::Start(tag) if tag.name().as_ref() == "entry" => {
                    key = attribute(&tag, "key");
                    value.clear();
                }
                Event::Text(more) => value.push_str(&more),
                Event::CData(more) => value.push_str(&more),
                Event::GeneralRef(name) => {
                    let name: &str = &name;
                    value.push_str(&unescape(&format!("&{name};")).map_err(|e| bad(e.to_string()))?);
                }
                Event::End(end) if end.name().as_ref() == "entry" => {
                    if let Some(key) = key.take() {
                        let block = if block == CIV { APP } else { &block };
                        found.blocks.entry(block.to_owned()).or_default().insert(key, value.trim().to_owned());
                    }
                }
                Event::Eof => return Ok(found),
                _ => {}
            }
        }
    }

    /// A value of a block.
    pub fn get(&self, block: &str, key: &str) -> Option<&str> {
        self.blocks.get(block)?.get(key).map(String::as_str)
    }

    /// A key of connection `index`, else the one of the app: that is where ATAK looks.
    pub fn of(&self, index: usize, key: &str) -> Option<&str> {
        self.get(STREAMS, &format!("{key}{index}")).or_else(|| self.get(APP, key))
    }

    /// A port of the app's block, where another than the usual one is written.
    pub fn port(&self, key: &str, usual: u16) -> u16 {
        self.get(APP, key).and_then(|p| p.parse().ok()).unwrap_or(usual)
    }

    /// All connections.
    ///
    /// # Errors
    /// [`PackageError::Preferences`]: no count (ATAK then ignores the block), none at all, or one that cannot be read.
    pub fn connections(&self) -> Result<Vec<Connection>, PackageError> {
        let bad = |what: String| PackageError::Preferences(what);
        let count = self
            .get(STREAMS, "count")
            .ok_or_else(|| bad("the block cot_streams has no count, so that ATAK ignores its connections".into()))?;
        let count: usize = count.parse().map_err(|_| bad(format!("count {count:?} of cot_streams is no number")))?;
        if count == 0 || count > 64 {
            return Err(bad(format!("count of cot_streams is {count}; a package has 1 to 64 connections")));
        }
        (0..count).map(|index| self.connection(index)).collect()
    }

    fn connection(&self, index: usize) -> Result<Connection, PackageError> {
        let bad = |what: String| PackageError::Preferences(what);
        let key = format!("connectString{index}");
        let text = self.get(STREAMS, &key).ok_or_else(|| bad(format!("{key} is missing")))?;
        let mut parts = text.rsplitn(3, ':');
        let (protocol, port, host) = (parts.next(), parts.next(), parts.next());
        let port = port.and_then(|p| p.parse::<u16>().ok()).filter(|p| *p != 0);
        match (host, port, protocol) {
            (Some(host), Some(port), Some(protocol @ ("ssl" | "tcp" | "quic"))) if !host.is_empty() => Ok(Connection {
                index,
                host: host.to_owned(),
                port,
                protocol: protocol.to_owned(),
                enabled: self.get(STREAMS, &format!("enabled{index}")).is_none_or(truth),
                enrolls: self.get(STREAMS, &format!("enrollForCertificateWithTrust{index}")).is_some_and(truth),
            }),
            _ => Err(bad(format!("{key} is {text:?}; it must be host:port:ssl, host:port:tcp or host:port:quic"))),
        }
    }
}

fn truth(text: &str) -> bool {
    text.eq_ignore_ascii_case("true")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(streams: &[(&str, &str)]) -> Preferences {
        let entries = streams.iter().map(|(k, v)| (*k, Entry::Text((*v).to_owned()))).collect();
        Preferences::parse(text(&[(STREAMS, entries)]).as_bytes()).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let app =
            vec![("caPassword", Entry::Text("a<b>&\"c'".into())), ("apiSecureServerPort", Entry::Text("9443".into()))];
        let streams = vec![("count", Entry::Number(1)), ("enabled0", Entry::Flag(false))];
        let written = text(&[(STREAMS, streams), (APP, app)]);
        assert!(written.contains("<entry key=\"count\" class=\"class java.lang.Integer\">1</entry>"), "{written}");
        let read = Preferences::parse(written.as_bytes()).unwrap();
        assert_eq!(read.get(APP, "caPassword"), Some("a<b>&\"c'"));
        assert_eq!((read.port("apiSecureServerPort", 8443), read.port("none", 8446)), (9443, 8446));
        assert_eq!(read.get(STREAMS, "enabled0"), Some("false"));
    }

    #[test]
    fn connections_have_host_port_and_protocol() {
        let both = of(&[
            ("count", "2"),
            ("connectString0", "tak.example.org:8089:ssl"),
            ("connectString1", "10.0.0.1:8087:tcp"),
            ("enabled1", "false"),
            ("enrollForCertificateWithTrust0", "true"),
        ]);
        let found = both.connections().unwrap();
        assert_eq!(
            (found[0].host.as_str(), found[0].port, found[0].protocol.as_str()),
            ("tak.example.org", 8089, "ssl")
        );
        assert!(found[0].enabled && found[0].enrolls && !found[1].enabled && !found[1].enrolls);
    }

    #[test]
    fn broken_connections_say_what_is_wrong() {
        for (streams, why) in [
            (&[("connectString0", "a:1:ssl")][..], "count"),
            (&[("count", "x"), ("connectString0", "a:1:ssl")], "no number"),
            (&[("count", "0")], "1 to 64"),
            (&[("count", "1")], "connectString0 is missing"),
            (&[("count", "1"), ("connectString0", "a:b:ssl")], "host:port:ssl"),
            (&[("count", "1"), ("connectString0", "a:70000:ssl")], "host:port:ssl"),
            (&[("count", "1"), ("connectString0", "a:1:carrier-pigeon")], "host:port:ssl"),
            (&[("count", "1"), ("connectString0", "a")], "host:port:ssl"),
        ] {
            let error = of(streams).connections().unwrap_err().to_string();
            assert!(error.contains(why), "{streams:?}: {error}");
        }
    }
}
