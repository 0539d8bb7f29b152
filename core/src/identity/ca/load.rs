//! What lies on disk: the CA's chain in `ca.pem` (the certificate of `ca.key` first, then up to its root), and under
//! `retired/` the CAs that were rotated out: `<fingerprint>.pem`, its key, and `<fingerprint>.cross.pem`, which is the CA of
//! today certified by that one, so that clients who know only the old root still accept our server.
use std::path::{Path, PathBuf};

use rcgen::{Issuer, KeyPair};

use super::{
    CertError,
    key::{self, Passphrase},
    parse::{self, Facts},
};
use crate::{config::Tls, identity::files};

/// One certificate of an authority.
#[derive(Clone)]
pub(super) struct Link {
    pub der: Vec<u8>,
    pub facts: Facts,
}

impl Link {
    pub fn of(der: Vec<u8>) -> Option<Self> {
        let facts = Facts::of(&der)?;
        Some(Self { der, facts })
    }

    pub fn pem(&self) -> String {
        parse::pem(&self.der)
    }
}

/// A chain, the issuing certificate first, with its key.
pub(super) struct Chain {
    pub links: Vec<Link>,
    pub issuer: Issuer<'static, KeyPair>,
}

/// A CA that signs no more but whose leaves are still good.
pub(super) struct Retired {
    pub chain: Chain,
    /// The CA of today, certified by this one.
    pub cross: Option<Link>,
    pub paths: Vec<PathBuf>,
}

/// Reads a chain and its key.
pub(super) fn chain(cert: &Path, key: &Path, pass: Option<&Passphrase>) -> Result<Chain, CertError> {
    let key = key::read(key, pass)?;
    of_text(&files::read(cert)?, key).map_err(|what| CertError::bad(cert, what))
}

/// The same of a text.
pub(super) fn of_text(pem: &str, key: KeyPair) -> Result<Chain, String> {
    let mut links: Vec<Link> = Vec::new();
    for der in parse::certificates(pem) {
        let link = Link::of(der).ok_or("a certificate in it cannot be read")?;
        // FreeTAKServer appends its CRL, people append what they like: only what certifies the last one belongs here.
        if links.last().is_none_or(|below| below.facts.issuer == link.facts.subject && below.der != link.der) {
            links.push(link);
        }
    }
    let first = links.first().ok_or("no PEM certificate in it")?;
    let issuer = issuer(first, key)?;
    Ok(Chain { links, issuer })
}

/// Certificate and key as an issuer, if they belong together and names come out as they went in.
fn issuer(ca: &Link, key: KeyPair) -> Result<Issuer<'static, KeyPair>, String> {
    use rcgen::PublicKeyData;
    use x509_parser::prelude::{FromDer, X509Certificate};
    let (_, cert) = X509Certificate::from_der(&ca.der).map_err(|_| "no usable CA certificate")?;
    if cert.public_key().raw != key.subject_public_key_info() {
        return Err("the CA certificate and the CA key do not belong together".into());
    }
    if !cert.is_ca() {
        return Err("the certificate is not one of a CA (basicConstraints)".into());
    }
    let subject = cert.subject().as_raw().to_vec();
    let issuer = Issuer::from_ca_cert_der(&ca.der.as_slice().into(), key)
        .map_err(|e| format!("no usable CA certificate: {e}"))?;
    // A name whose parts repeat would be written differently, and no leaf would verify.
    let probe = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)
        .and_then(|k| rcgen::CertificateParams::default().signed_by(&k, &issuer));
    let probe = probe.map_err(|e| format!("the CA cannot sign: {e}"))?;
    let same = X509Certificate::from_der(probe.der()).is_ok_and(|(_, leaf)| leaf.issuer().as_raw() == subject);
    if !same {
        return Err("the name of this CA has repeated or compound parts, which cannot be signed for".into());
    }
    Ok(issuer)
}

/// A key whose certificate is about to be `ca.pem`.
pub(super) fn next_key(tls: &Tls) -> PathBuf {
    tls.ca_key.with_extension("next")
}

/// After a change of the CA, or a crash in one: the waiting key belongs to `ca.pem`, or to nothing.
pub(super) fn settle(tls: &Tls, pass: Option<&Passphrase>) -> Result<(), CertError> {
    let next = next_key(tls);
    if !next.exists() {
        return Ok(());
    }
    let io = |source| CertError::Io { path: next.clone(), source };
    match chain(&tls.ca_cert, &next, pass) {
        Ok(_) => std::fs::rename(&next, &tls.ca_key).map_err(io),
        Err(_) => std::fs::remove_file(&next).map_err(io),
    }
}

/// Where a retired CA lies.
pub(super) fn retired_dir(tls: &Tls) -> PathBuf {
    tls.dir.join("retired")
}

/// Is it an intermediate CA whose certificates are no CAs (pathlen 0)?
pub(super) fn signs_leaves_only(ca: &Link) -> bool {
    use x509_parser::prelude::{FromDer, X509Certificate};
    let Ok((_, cert)) = X509Certificate::from_der(&ca.der) else { return false };
    matches!(cert.basic_constraints(), Ok(Some(c)) if c.value.path_len_constraint == Some(0))
}

/// All retired ones that have not ended, the one retired last first. The key of one that is above the CA of today may be
/// away, in a safe: it is trusted with the chain, and its CRL is written no more.
pub(super) fn retired(
    tls: &Tls,
    pass: Option<&Passphrase>,
    today: &Chain,
    now: i64,
) -> Result<Vec<Retired>, CertError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(retired_dir(tls)).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".pem").filter(|s| !s.contains('.')) else { continue };
        let (key, cross) =
            (path.with_file_name(format!("{stem}.key")), path.with_file_name(format!("{stem}.cross.pem")));
        let away = || parse::certificates(&files::read(&path).unwrap_or_default()).into_iter().next();
        if !key.exists() && away().is_some_and(|der| today.links.iter().any(|l| l.der == der)) {
            continue;
        }
        let chain = chain(&path, &key, pass)?;
        if chain.links[0].facts.not_after <= now {
            continue;
        }
        let since = entry.metadata().and_then(|m| m.modified()).ok();
        let certified = if cross.exists() { parse::certificates(&files::read(&cross)?) } else { Vec::new() };
        let certified = certified.into_iter().next().and_then(Link::of);
        found.push((since, Retired { chain, cross: certified, paths: vec![path, key, cross] }));
    }
    found.sort_by_key(|(since, _)| std::cmp::Reverse(*since));
    Ok(found.into_iter().map(|(_, retired)| retired).collect())
}
