//! [`inspect`]: opens a client package as a client does and applies every rule that needs no connection.
//!
//! Order: the zip (and the one in it), its manifest, the preferences, then for each connection the truststore, and key and
//! certificate. What cannot be opened ends that branch with a failed rule; nothing here is an error of the program.
use rustls::pki_types::UnixTime;

use super::{
    keystore::{Bags, KeyAndChain},
    manifest::{self, Manifest},
    preferences::{APP, Connection, Preferences, STREAMS},
    rules::{self, Finding, Verdict},
    zip::{self, Entries},
};

/// What was found, and what to try next.
pub struct Inspection {
    /// In the order they were applied.
    pub findings: Vec<Finding>,
    /// Connections that can be tried.
    pub links: Vec<Link>,
}

/// A connection with what the package has for it.
pub struct Link {
    /// Where to.
    pub to: Connection,
    /// CA certificates of its truststore, DER.
    pub roots: Vec<Vec<u8>>,
    /// Key and certificate, unless it enrols or is plain.
    pub own: Option<KeyAndChain>,
    /// Port of the TAK API over TLS.
    pub https: u16,
    /// Port of enrolment.
    pub enrollment: u16,
}

impl Inspection {
    /// No rule failed.
    pub fn good(&self) -> bool {
        self.findings.iter().all(|f| f.verdict != Verdict::Fail)
    }
}

const AGAIN: &str = "make the package again: fts package create NAME";
/// What ATAK takes where a package names none.
const PASSWORD: &str = "atakatak";

/// Looks at a package. Never fails: what is wrong is a finding.
pub fn inspect(bytes: &[u8], now: UnixTime) -> Inspection {
    let mut seen = Inspection { findings: Vec::new(), links: Vec::new() };
    let Some(files) = unpack(bytes, &mut seen.findings, 0) else { return seen };
    let Some((prefs, connections)) = preferences(&files, &mut seen.findings) else { return seen };
    for to in connections {
        if !to.enabled {
            let text = format!("{}:{} is switched off after the import", to.host, to.port);
            seen.findings.push(Finding::note(
                "preferences",
                text,
                "switch it on in the client, or make the package again",
            ));
        }
        let link = link(&files, &prefs, to, now, &mut seen.findings);
        seen.links.extend(link);
    }
    seen
}

/// The entries of the package; of a package in a package those of the inner one.
fn unpack(bytes: &[u8], findings: &mut Vec<Finding>, depth: usize) -> Option<Entries> {
    let files = match zip::read(bytes) {
        Ok(files) => files,
        Err(error) => {
            findings.push(Finding::fail("zip", error.to_string(), "fetch or make the package again"));
            return None;
        }
    };
    findings.push(Finding::ok("zip", format!("{} files", files.len())));
    let backslash: &[u8] = b"MANIFEST\\manifest.xml";
    if bytes.windows(backslash.len()).any(|w| w == backslash) {
        let text = "the manifest's name has a backslash, so that ATAK does not find it";
        findings.push(Finding::fail("manifest", text, AGAIN));
        return None;
    }
    findings.push(listed(&files));
    let inner = files.iter().find(|(name, _)| name.to_ascii_lowercase().ends_with(".zip"));
    match inner {
        Some((_, inner)) if depth == 0 && !files.keys().any(|name| name.ends_with(".pref")) => {
            unpack(inner, findings, depth + 1)
        }
        _ => Some(files),
    }
}

fn listed(files: &Entries) -> Finding {
    let Some(text) = files.get(manifest::ENTRY) else {
        return if files.keys().all(|name| !name.contains('/')) {
            Finding::ok("manifest", "none, and all files at the top: the form iTAK takes")
        } else {
            Finding::fail("manifest", format!("there is no {}", manifest::ENTRY), AGAIN)
        };
    };
    let manifest = match Manifest::parse(text) {
        Ok(manifest) => manifest,
        Err(error) => return Finding::fail("manifest", error.to_string(), AGAIN),
    };
    if let Some(missing) = manifest.entries.iter().find(|entry| !files.contains_key(*entry)) {
        return Finding::fail("manifest", format!("it lists {missing}, which is not in the zip"), AGAIN);
    }
    let needed = |name: &&String| [".pref", ".p12", ".zip"].iter().any(|end| name.to_ascii_lowercase().ends_with(end));
    match files.keys().filter(needed).find(|name| !manifest.entries.contains(name)) {
        Some(name) => {
            Finding::fail("manifest", format!("it does not list {name}, so that clients leave it out"), AGAIN)
        }
        None => Finding::ok("manifest", format!("{}, {} files, all there", manifest.name, manifest.entries.len())),
    }
}

fn preferences(files: &Entries, findings: &mut Vec<Finding>) -> Option<(Preferences, Vec<Connection>)> {
    let mut last = None;
    for (name, text) in files.iter().filter(|(name, _)| name.ends_with(".pref")) {
        let read = Preferences::parse(text).and_then(|prefs| Ok((prefs.connections()?, prefs)));
        match read {
            Ok((connections, prefs)) => {
                let to: Vec<_> = connections.iter().map(|c| format!("{}:{}:{}", c.host, c.port, c.protocol)).collect();
                findings.push(Finding::ok("preferences", format!("{name} connects to {}", to.join(", "))));
                return Some((prefs, connections));
            }
            Err(error) => last = Some(format!("{name}: {error}")),
        }
    }
    let text = last.unwrap_or_else(|| "there is no .pref file, so that a client learns of no server".into());
    findings.push(Finding::fail("preferences", text, AGAIN));
    None
}

fn link(files: &Entries, prefs: &Preferences, to: Connection, now: UnixTime, all: &mut Vec<Finding>) -> Option<Link> {
    let (https, enrollment) = (prefs.port("apiSecureServerPort", 8443), prefs.port("apiCertEnrollmentPort", 8446));
    if to.protocol != "ssl" {
        if to.protocol == "quic" {
            all.push(Finding::fail("preferences", "this server does not speak QUIC", "use host:port:ssl"));
            return None;
        }
        return Some(Link { to, roots: Vec::new(), own: None, https, enrollment });
    }
    let open = |rule, location: &str, password: &str, all: &mut Vec<Finding>| {
        let Some((file, bytes)) = find(files, prefs, to.index, location) else {
            let text = prefs.of(to.index, location).map_or_else(
                || format!("the preferences name no {location}"),
                |at| format!("{location} is {at}, and no file of that name is in the package"),
            );
            all.push(Finding::fail(rule, text, AGAIN));
            return None;
        };
        let opened = Bags::open(bytes, prefs.of(to.index, password).unwrap_or(PASSWORD));
        if opened.is_none() {
            let text = format!("{file} does not open with the password in the preferences ({password})");
            all.push(Finding::fail(rule, text, AGAIN));
        }
        opened.map(|bags| (file.to_owned(), bags))
    };
    let trusted = open("truststore", "caLocation", "caPassword", all);
    let roots = trusted.map(|(file, bags)| rules::truststore(&bags, &file, now, all)).unwrap_or_default();
    let own = if to.enrolls && prefs.of(to.index, "certificateLocation").is_none() {
        None
    } else {
        let (file, bags) = open("certificate", "certificateLocation", "clientPassword", all)?;
        match bags.identity() {
            Ok(own) => {
                rules::certificate(&own, &roots, &file, now, all);
                Some(own)
            }
            Err(why) => {
                all.push(Finding::fail("certificate", format!("{file}: {why}"), AGAIN));
                return None;
            }
        }
    };
    (!roots.is_empty()).then_some(Link { to, roots, own, https, enrollment })
}

/// The file a location means: clients look for its last part, wherever the package has it.
fn find<'a>(files: &'a Entries, prefs: &Preferences, index: usize, key: &str) -> Option<(&'a str, &'a [u8])> {
    let at = prefs.get(STREAMS, &format!("{key}{index}")).or_else(|| prefs.get(APP, key))?;
    let last = |path: &'a str| path.rsplit(['/', '\\']).next().unwrap_or(path);
    let wanted = at.rsplit(['/', '\\']).next().unwrap_or(at);
    files.iter().find(|(name, _)| last(name) == wanted).map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
}
