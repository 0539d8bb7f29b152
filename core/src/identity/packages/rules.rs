//! The rules a client package is held to before any connection is made: the client's own (what ATAK's OpenSSL makes of the
//! P12 files) and the server's (who gets in). Each says what it looked at, and what to do where it fails.
use std::net::IpAddr;

use rustls::pki_types::UnixTime;
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

use super::keystore::{Bags, KeyAndChain};

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Good.
    Ok,
    /// Good today; somebody should know.
    Note,
    /// A client would not connect.
    Fail,
}

/// One rule that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its name: fixed, for scripts.
    pub rule: &'static str,
    /// See there.
    pub verdict: Verdict,
    /// What was seen.
    pub seen: String,
    /// What to do; "" where nothing.
    pub advice: String,
}

impl Finding {
    /// A rule that holds.
    pub fn ok(rule: &'static str, seen: impl Into<String>) -> Self {
        Self { rule, verdict: Verdict::Ok, seen: seen.into(), advice: String::new() }
    }

    /// A rule that holds for now.
    pub fn note(rule: &'static str, seen: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { rule, verdict: Verdict::Note, seen: seen.into(), advice: advice.into() }
    }

    /// A rule that does not hold.
    pub fn fail(rule: &'static str, seen: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { rule, verdict: Verdict::Fail, seen: seen.into(), advice: advice.into() }
    }
}

const AGAIN: &str = "make the package again: fts package create NAME";
/// Seconds before the end of a certificate when it is told.
const SOON: i64 = 14 * 86_400;

/// The truststore: CA certificates only, at least one of them a root, none at its end.
pub fn truststore(bags: &Bags, file: &str, now: UnixTime, findings: &mut Vec<Finding>) -> Vec<Vec<u8>> {
    if bags.keys() > 0 {
        let seen = format!("{file} holds a private key; a certificate that belongs to a key is no CA for a client");
        let advice =
            "never hand it out, make the package again, and if the key is the server's issue a new one: fts cert renew";
        findings.push(Finding::fail("truststore", seen, advice));
        return Vec::new();
    }
    let parsed: Vec<_> =
        bags.certs.iter().filter_map(|der| Some((der, X509Certificate::from_der(der).ok()?.1))).collect();
    let ca = |cert: &X509Certificate<'_>| matches!(cert.basic_constraints(), Ok(Some(found)) if found.value.ca);
    if let Some((_, cert)) = parsed.iter().find(|(_, cert)| !ca(cert)) {
        let seen = format!("{} in {file} is no CA certificate", cert.subject());
        findings.push(Finding::fail("truststore", seen, AGAIN));
        return Vec::new();
    }
    let roots = parsed.iter().filter(|(_, c)| c.subject() == c.issuer()).count();
    if roots == 0 {
        let seen = format!("{file} holds no root: a client cannot follow any chain to its end");
        findings.push(Finding::fail("truststore", seen, AGAIN));
        return Vec::new();
    }
    let names: Vec<_> = parsed.iter().map(|(_, c)| common_name(c)).collect();
    findings.push(Finding::ok("truststore", format!("{file}: {} and no key", names.join(", "))));
    parsed.iter().for_each(|(_, cert)| dates(cert, "the CA", now, findings));
    bags.certs.clone()
}

/// The client's own certificate: made by a CA of the truststore, in time, good for a client.
pub fn certificate(own: &KeyAndChain, roots: &[Vec<u8>], file: &str, now: UnixTime, findings: &mut Vec<Finding>) {
    let Some(Ok((_, leaf))) = own.chain.first().map(|der| X509Certificate::from_der(der)) else {
        findings.push(Finding::fail("certificate", format!("{file}: its certificate cannot be read"), AGAIN));
        return;
    };
    let (name, serial) = (common_name(&leaf), hex(leaf.raw_serial()));
    findings.push(Finding::ok("certificate", format!("{file}: key and certificate of {name}, serial {serial}")));
    let pool: Vec<_> = own.chain[1..].iter().chain(roots).map(Vec::as_slice).collect();
    findings.push(match chain(&leaf, &pool, roots) {
        true => Finding::ok("chain", format!("{name} was issued by a CA of the truststore")),
        false => Finding::fail(
            "chain",
            format!("{name} was issued by {}, and no CA of the truststore is that one", leaf.issuer()),
            "key and truststore come from different servers, or the CA was made anew: make the package again",
        ),
    });
    dates(&leaf, &name, now, findings);
    let purpose = match leaf.extended_key_usage() {
        Ok(None) => Finding::ok("eku", "no extended key usage, which is good for everything"),
        Ok(Some(usage)) if usage.value.client_auth || usage.value.any => Finding::ok("eku", "clientAuth"),
        _ => Finding::fail("eku", format!("the certificate of {name} is not for clients"), AGAIN),
    };
    findings.push(purpose);
}

/// From a certificate over others to a root; each has signed the one before.
fn chain(leaf: &X509Certificate<'_>, pool: &[&[u8]], roots: &[Vec<u8>]) -> bool {
    let mut below = leaf.clone();
    for _ in 0..8 {
        let signed = |der: &&&[u8]| {
            X509Certificate::from_der(der).is_ok_and(|(_, above)| {
                above.subject() == below.issuer() && below.verify_signature(Some(above.public_key())).is_ok()
            })
        };
        let Some(found) = pool.iter().find(signed) else { return false };
        let Ok((_, above)) = X509Certificate::from_der(found) else { return false };
        if above.subject() == above.issuer() {
            return roots.iter().any(|root| root.as_slice() == *found);
        }
        below = above;
    }
    false
}

fn dates(cert: &X509Certificate<'_>, whose: &str, now: UnixTime, findings: &mut Vec<Finding>) {
    let now = now.as_secs() as i64;
    let (from, to) = (cert.validity().not_before.timestamp(), cert.validity().not_after.timestamp());
    let day = |s: i64| fts_plugin_api::cot::format_time(s * 1_000).get(..10).unwrap_or_default().to_owned();
    findings.push(if now > to {
        Finding::fail("dates", format!("the certificate of {whose} has ended on {}", day(to)), AGAIN)
    } else if now < from {
        let advice = "set the clock of this machine, or wait";
        Finding::fail("dates", format!("the certificate of {whose} begins only on {}", day(from)), advice)
    } else if to - now < SOON {
        Finding::note("dates", format!("the certificate of {whose} ends on {}", day(to)), AGAIN)
    } else {
        Finding::ok("dates", format!("the certificate of {whose} is good until {}", day(to)))
    });
}

/// Is the host in the names of the server's certificate? ATAK does not look; browsers, iTAK and scripts do.
pub fn san(server: &[u8], host: &str) -> Finding {
    let names = X509Certificate::from_der(server).map(|(_, cert)| names(&cert)).unwrap_or_default();
    if names.iter().any(|name| covers(name, host)) {
        return Finding::ok("san", format!("{host} stands in the server's certificate"));
    }
    let seen = format!("the server's certificate is for {}, and not for {host}", names.join(", "));
    let advice = format!(
        "fts package create NAME --host {host} puts it in; so does adding it to server.public_names and fts reload"
    );
    Finding::fail("san", seen, advice)
}

fn names(cert: &X509Certificate<'_>) -> Vec<String> {
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|b| IpAddr::from(b).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|b| IpAddr::from(b).to_string()),
        },
        _ => None,
    };
    let found = cert.subject_alternative_name().ok().flatten();
    found.map(|names| names.value.general_names.iter().filter_map(text).collect()).unwrap_or_default()
}

/// The name itself, or `*.` for one label.
fn covers(name: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.');
    let below = |domain: &str| host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain));
    name.eq_ignore_ascii_case(host) || name.strip_prefix("*.").is_some_and(below)
}

fn common_name(cert: &X509Certificate<'_>) -> String {
    let name = cert.subject().iter_common_name().next().and_then(|n| n.as_str().ok());
    name.map_or_else(|| cert.subject().to_string(), str::to_owned)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_covers_itself_and_a_star_one_label() {
        assert!(covers("Tak.example.org", "tak.example.org.") && covers("10.0.0.1", "10.0.0.1"));
        assert!(covers("*.example.org", "tak.example.org"));
        assert!(!covers("*.example.org", "a.tak.example.org") && !covers("*.example.org", "example.org"));
    }
}
