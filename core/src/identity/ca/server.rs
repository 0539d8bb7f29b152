//! The server's own certificate: which names it carries, when it is made anew.
use std::net::IpAddr;

use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{
    CertError, Profile, key,
    load::{Chain, Link, Retired},
    parse::{self, Facts},
};
use crate::{config::Config, identity::files};

/// Chain and key the server shows, PEM, and when the leaf ends (seconds UTC).
#[derive(Clone, Default)]
pub(super) struct Identity {
    pub pem: String,
    pub key: String,
    pub ends: i64,
}

/// The server's certificate as it lies there if it is good, else a new one.
pub(super) fn own(config: &Config, chain: &Chain, retired: &[Retired]) -> Result<Identity, CertError> {
    let (tls, names) = (&config.tls, names(config));
    if tls.server_cert.exists() && tls.server_key.exists() {
        let (pem, key) = (files::read(&tls.server_cert)?, files::read(&tls.server_key)?);
        let leaf = parse::certificates(&pem).into_iter().next();
        if let Some(leaf) = leaf.filter(|leaf| still_good(leaf, &chain.links[0], &names, config)) {
            let ends = Facts::of(&leaf).map_or(0, |f| f.not_after);
            return Ok(Identity { pem, key, ends });
        }
    }
    new(config, chain, retired)
}

/// A new key and certificate for the server, on disk.
pub(super) fn new(config: &Config, chain: &Chain, retired: &[Retired]) -> Result<Identity, CertError> {
    let (tls, names) = (&config.tls, names(config));
    let cn = names.first().cloned().unwrap_or_else(|| "localhost".into());
    let key = key::make(tls.key_type)?;
    let leaf = super::sign(chain, config, &Profile::Server { cn, names }, &key)?;
    // A self-signed root before the cross certificates would end the search of clients who know only the old root.
    let crosses: String = retired.iter().filter_map(|r| r.cross.as_ref()).map(Link::pem).collect();
    let own = chain.links.iter().filter(|l| crosses.is_empty() || l.facts.issuer != l.facts.subject);
    let pem = format!("{}{}{crosses}", parse::pem(&leaf.der), own.map(Link::pem).collect::<String>());
    files::write(&tls.server_key, key.serialize_pem().as_bytes(), files::PRIVATE)?;
    files::write(&tls.server_cert, pem.as_bytes(), files::PUBLIC)?;
    tracing::info!(event = "cert.issued", kind = "server", serial = leaf.facts.serial, "server certificate made");
    Ok(Identity { pem, key: key.serialize_pem(), ends: leaf.facts.not_after })
}

/// Names of the server certificate: what was configured, and this machine.
pub(super) fn names(config: &Config) -> Vec<String> {
    let mut names = Vec::new();
    let host = if config.server.public_host.is_empty() {
        crate::net::own_address().map(|a| a.to_string())
    } else {
        Some(config.server.public_host.clone())
    };
    let fixed = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let more = super::hosts::read(&config.tls);
    for name in host.into_iter().chain(config.server.public_names.iter().cloned()).chain(fixed).chain(more) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// From this CA, for exactly these names, and not near its end. One that ends with its CA cannot be bettered, and a
/// `renew_before` longer than half its life would have it made anew for ever.
pub(super) fn still_good(leaf: &[u8], ca: &Link, names: &[String], config: &Config) -> bool {
    let (Ok((_, cert)), Ok((_, ca))) = (X509Certificate::from_der(leaf), X509Certificate::from_der(&ca.der)) else {
        return false;
    };
    let (begins, ends) = (cert.validity().not_before.timestamp(), cert.validity().not_after.timestamp());
    let left = ends - OffsetDateTime::now_utc().unix_timestamp();
    let before = i64::try_from(config.tls.renew_before.as_secs()).unwrap_or(i64::MAX).min((ends - begins) / 2);
    let lasting = left > before || left > 0 && ends >= ca.validity().not_after.timestamp();
    let has = names_in(&cert);
    lasting
        && cert.verify_signature(Some(ca.public_key())).is_ok()
        && has.len() == names.len()
        && names.iter().all(|n| has.contains(n))
}

fn names_in(cert: &X509Certificate<'_>) -> Vec<String> {
    use x509_parser::extensions::GeneralName;
    let Ok(Some(extension)) = cert.subject_alternative_name() else { return Vec::new() };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(b) => <[u8; 4]>::try_from(*b)
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(*b).map(IpAddr::from))
            .ok()
            .map(|a| a.to_string()),
        _ => None,
    };
    extension.value.general_names.iter().filter_map(text).collect()
}
