//! [`Authority`]: the CA, the certificates it signs and the server's own (identity.md 3.2, 3.3, 3.5). One value is one moment:
//! whatever changes (a revocation, a renewal, a rotation) makes another one, which takes the place of this one.
//!
//! Order at opening: CA (loaded, or made at the first start), retired CAs, server certificate (made anew when missing, near
//! its end or for other names), CRL and truststore. Keys are 0600, everything is written whole or not at all, and what is
//! there and good stays byte for byte. A private key is never in a truststore.
mod crl;
mod error;
pub mod hosts;
pub mod key;
mod load;
pub mod name;
pub mod parse;
mod profile;
mod revoked;
mod rotate;
mod server;
mod trust;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use rcgen::{KeyPair, PublicKeyData};
use time::OffsetDateTime;

pub use self::{
    crl::{REASONS, Revocation, revocations},
    error::CertError,
    parse::Facts,
    profile::Profile,
    revoked::Revoked,
    trust::Hot,
};
use self::{
    key::Passphrase,
    load::{Chain, Link, Retired},
    server::Identity,
    trust::Trust,
};
use super::{files, p12};
use crate::config::{Config, P12Encryption, Tls};

/// A freshly issued certificate: PEM texts and a P12 with key, leaf and chain.
#[derive(Clone)]
pub struct Issued {
    /// The certificate.
    pub cert_pem: String,
    /// What is above it, up to the root.
    pub chain_pem: String,
    /// Its private key, PKCS#8.
    pub key_pem: String,
    /// Key, certificate and chain under the password that was given.
    pub p12: Vec<u8>,
    /// Lower-case hex.
    pub serial_hex: String,
    /// Its end, ms UTC.
    pub not_after_ms: i64,
}

/// A signed certificate.
pub(super) struct Signed {
    pub der: Vec<u8>,
    pub facts: Facts,
}

/// See the file's head.
pub struct Authority {
    chain: Arc<Chain>,
    retired: Arc<Vec<Retired>>,
    server: Identity,
    revoked: Arc<Revoked>,
    trust: Trust,
    /// Of truststores.
    p12: P12Encryption,
    /// Another one for each value of this process.
    generation: u64,
}

static GENERATIONS: AtomicU64 = AtomicU64::new(1);

impl Authority {
    /// Loads CA and server certificate or makes what is missing (first start).
    ///
    /// # Errors
    /// [`CertError`].
    pub fn open(config: &Config) -> Result<Self, CertError> {
        Self::open_with(config, Passphrase::of_process()?.as_ref())
    }

    pub(super) fn open_with(config: &Config, pass: Option<&Passphrase>) -> Result<Self, CertError> {
        let tls = &config.tls;
        files::private_dir(&tls.dir)?;
        match (tls.ca_cert.exists(), tls.ca_key.exists()) {
            (true, true) => {}
            (false, false) => {
                let (pem, key) = make_ca(config)?;
                files::write(&tls.ca_key, key::to_pem(&key, pass)?.as_bytes(), files::PRIVATE)?;
                files::write(&tls.ca_cert, pem.as_bytes(), files::PUBLIC)?;
            }
            _ => {
                let what = "CA certificate and key belong together; one of them is missing";
                return Err(CertError::bad(&tls.ca_cert, what));
            }
        }
        load::settle(tls, pass)?;
        let chain = load::chain(&tls.ca_cert, &tls.ca_key, pass)?;
        let retired = load::retired(tls, pass, &chain, OffsetDateTime::now_utc().unix_timestamp())?;
        let server = server::own(config, &chain, &retired)?;
        let found = crl::listed(&tls.crl);
        let authority = Self::of(chain.into(), retired.into(), server, Revoked::of(&found).into(), config)?;
        if !tls.crl.exists() {
            authority.write_crl(tls, &found)?;
        }
        authority.write_truststore(config)?;
        Ok(authority)
    }

    /// `ca-trust.p12`, where it is missing or holds something else.
    fn write_truststore(&self, config: &Config) -> Result<(), CertError> {
        let (path, password) = (config.tls.dir.join("ca-trust.p12"), &config.packages.password);
        let anchors: Vec<&[u8]> = self.anchors().map(|l| l.der.as_slice()).collect();
        if std::fs::read(&path).is_ok_and(|file| p12::holds(&file, password, &anchors)) {
            return Ok(());
        }
        files::write(&path, &self.truststore(password)?, files::PUBLIC)
    }

    fn of(
        chain: Arc<Chain>,
        retired: Arc<Vec<Retired>>,
        server: Identity,
        revoked: Arc<Revoked>,
        config: &Config,
    ) -> Result<Self, CertError> {
        let trust = Trust::new(anchors(&chain, &retired).map(|l| l.der.as_slice()), &server, &config.tls)?;
        let (p12, generation) = (config.packages.p12_encryption, GENERATIONS.fetch_add(1, Relaxed));
        Ok(Self { chain, retired, server, revoked, trust, p12, generation })
    }

    /// The same with these revocations; the CRL is another matter.
    pub(super) fn knowing(&self, config: &Config, list: &[Revocation]) -> Result<Self, CertError> {
        let revoked = Arc::new(Revoked::of(list));
        Self::of(self.chain.clone(), self.retired.clone(), self.server.clone(), revoked, config)
    }

    /// What the CRL file says of our CAs.
    pub(super) fn listed(&self, tls: &Tls) -> Vec<Revocation> {
        let ours = |r: &Revocation| self.authorities().any(|ca| ca.subject == r.issuer);
        crl::listed(&tls.crl).into_iter().filter(ours).collect()
    }

    /// Must the CRL be written: missing, of another CA, a day old, of version 1, or another list?
    pub(super) fn crl_due(&self, tls: &Tls, list: &[Revocation]) -> bool {
        let on_disk = std::fs::read(&tls.crl).map(|text| crl::of_pem(&text)).unwrap_or_default();
        let chains = std::iter::once(&*self.chain).chain(self.retired.iter().map(|r| &r.chain));
        let names: Vec<_> = chains.map(|c| &*c.links[0].facts.subject).collect();
        !crl::fresh(&on_disk, &names, list, OffsetDateTime::now_utc().unix_timestamp())
    }

    /// The CRL of the CA that signs, DER.
    ///
    /// # Errors
    /// There is none.
    pub fn crl(&self, tls: &Tls) -> Result<Vec<u8>, CertError> {
        let text = std::fs::read(&tls.crl).map_err(|source| CertError::Io { path: tls.crl.clone(), source })?;
        let first = crl::of_pem(&text).into_iter().next();
        first.ok_or_else(|| CertError::bad(&tls.crl, "no CRL in it"))
    }

    /// Writes the CRLs with this list.
    ///
    /// # Errors
    /// [`CertError`].
    pub(super) fn write_crl(&self, tls: &Tls, list: &[Revocation]) -> Result<(), CertError> {
        let before = std::fs::read(&tls.crl).map(|text| crl::of_pem(&text)).unwrap_or_default();
        let number = before.iter().filter_map(|der| crl::number(der)).max().unwrap_or(0);
        let number = (number + 1).max(crate::observe::clock::now_ms().unsigned_abs());
        let chains = std::iter::once(&*self.chain).chain(self.retired.iter().map(|r| &r.chain));
        let lists: Vec<_> = chains.map(|chain| crl::make(chain, list, number)).collect::<Result<_, _>>()?;
        files::write(&tls.crl, lists.iter().map(|der| crl::pem(der)).collect::<String>().as_bytes(), files::PUBLIC)
    }

    /// Signs a certificate for this key.
    ///
    /// # Errors
    /// [`CertError`].
    pub(super) fn sign(
        &self,
        config: &Config,
        profile: &Profile,
        key: &impl PublicKeyData,
    ) -> Result<Signed, CertError> {
        sign(&self.chain, config, profile, key)
    }

    /// Makes a key and a certificate for it. Nothing is kept: neither the key nor a row of the table.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn issue(&self, config: &Config, profile: &Profile, p12_password: &str) -> Result<Issued, CertError> {
        let key = key::make(config.tls.key_type)?;
        let signed = self.sign(config, profile, &key)?;
        let mut ders = vec![signed.der.as_slice()];
        ders.extend(self.chain.links.iter().map(|l| l.der.as_slice()));
        let encryption = config.packages.p12_encryption;
        let p12 = p12::keystore(profile.cn(), key.serialized_der(), &ders, p12_password, encryption)?;
        Ok(Issued {
            cert_pem: parse::pem(&signed.der),
            chain_pem: self.chain_pem(),
            key_pem: key.serialize_pem(),
            p12,
            serial_hex: signed.facts.serial,
            not_after_ms: signed.facts.not_after * 1_000,
        })
    }

    /// CA certificates only, as P12: the CA of today, what is above it, and retired ones.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn truststore(&self, password: &str) -> Result<Vec<u8>, CertError> {
        p12::certificates(&self.named_anchors("ca"), password, self.p12)
    }

    /// `ca0` is the one that signs, the last one its root, then retired ones. Alone it is `prefix` without a number.
    fn named_anchors(&self, prefix: &str) -> Vec<(String, Vec<u8>)> {
        let anchors: Vec<_> = self.anchors().map(|l| l.der.clone()).collect();
        if let [only] = &anchors[..] {
            return vec![(prefix.to_owned(), only.clone())];
        }
        anchors.into_iter().enumerate().map(|(n, der)| (format!("{prefix}{n}"), der)).collect()
    }

    fn anchors(&self) -> impl Iterator<Item = &Link> {
        anchors(&self.chain, &self.retired)
    }

    /// Is it above the CA of today, or this itself?
    fn above(&self, ca: &Link) -> bool {
        self.chain.links.iter().any(|l| l.der == ca.der)
    }

    /// CAs of before that could be trusted no more: those that do not certify the CA of today.
    pub(super) fn earlier(&self) -> impl Iterator<Item = &Facts> {
        self.retired.iter().map(|r| &r.chain.links[0]).filter(|l| !self.above(l)).map(|l| &l.facts)
    }

    /// The server's chain (leaf first) and key, PEM.
    pub fn server_identity(&self) -> (&str, &str) {
        (&self.server.pem, &self.server.key)
    }

    /// The CA certificate that signs, DER.
    pub fn ca(&self) -> &[u8] {
        &self.chain.links[0].der
    }

    /// From the CA that signs up to its root, DER.
    pub fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.chain.links.iter().map(|l| l.der.as_slice())
    }

    /// The same, PEM.
    pub fn chain_pem(&self) -> String {
        self.chain.links.iter().map(Link::pem).collect()
    }

    /// Every CA whose certificates are accepted, PEM.
    pub fn anchors_pem(&self) -> String {
        self.anchors().map(Link::pem).collect()
    }

    /// The certificates and keys of CAs this one is, or was: name, end (seconds UTC) and fingerprint; today's first.
    pub fn authorities(&self) -> impl Iterator<Item = &Facts> {
        std::iter::once(&self.chain.links[0]).chain(self.retired.iter().map(|r| &r.chain.links[0])).map(|l| &l.facts)
    }

    /// A certificate with its chain and no key, for a client that has it: `signedCert`, `ca0`, `ca1`… (the names are what
    /// ATAK looks for).
    ///
    /// # Errors
    /// [`CertError`].
    pub(super) fn enrolment(&self, signed: &[u8], password: &str) -> Result<Vec<u8>, CertError> {
        let chain = self.chain().enumerate().map(|(n, der)| (format!("ca{n}"), der.to_vec()));
        let named: Vec<_> = std::iter::once(("signedCert".to_owned(), signed.to_vec())).chain(chain).collect();
        p12::certificates(&named, password, self.p12)
    }

    /// Is it revoked?
    pub fn revoked(&self) -> &Revoked {
        &self.revoked
    }

    /// SHA-256 of the CA certificate as people compare it.
    pub fn fingerprint(&self) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.ca());
        digest.as_ref().iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(":")
    }

    /// Days until CA and server certificate end, for readiness.
    pub fn days_left(&self) -> (i64, i64) {
        let (ca, server) = self.seconds_left();
        (ca.div_euclid(86_400), server.div_euclid(86_400))
    }

    /// The same in seconds, for metrics.
    pub fn seconds_left(&self) -> (i64, i64) {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let ca = self.chain.links.iter().map(|l| l.facts.not_after).min().unwrap_or(0);
        (ca - now, self.server.ends - now)
    }
}

/// Each once: the root above an intermediate CA is in its chain, and retired.
fn anchors<'a>(chain: &'a Chain, retired: &'a [Retired]) -> impl Iterator<Item = &'a Link> {
    let mut seen = std::collections::HashSet::new();
    let all = chain.links.iter().chain(retired.iter().flat_map(|r| &r.chain.links));
    all.filter(move |link| seen.insert(link.facts.sha256.as_str()))
}

fn sign(chain: &Chain, config: &Config, profile: &Profile, key: &impl PublicKeyData) -> Result<Signed, CertError> {
    if profile.cn().eq_ignore_ascii_case(&chain.links[0].facts.common_name) {
        return Err(CertError::Refused(format!("{:?} is the name of the CA; nothing else may have it", profile.cn())));
    }
    let params = profile.params(config, chain.links[0].facts.not_after)?;
    let der = params.signed_by(key, &chain.issuer)?.der().to_vec();
    let facts = Facts::of(&der).ok_or_else(|| CertError::Making("the certificate made cannot be read".into()))?;
    Ok(Signed { der, facts })
}

fn make_ca(config: &Config) -> Result<(String, KeyPair), CertError> {
    let key = key::make(config.tls.key_type)?;
    let cn = profile::ca_name(config);
    let cert = profile::authority(&cn, config, false)?.self_signed(&key)?;
    tracing::info!(event = "cert.issued", kind = "ca", cn, "certificate authority made");
    Ok((cert.pem(), key))
}

/// CRLs of a PEM text, DER.
pub(super) fn crls(text: &str) -> Vec<Vec<u8>> {
    crl::of_pem(text.as_bytes())
}

/// For callers that share it.
pub type SharedAuthority = Arc<Authority>;

#[cfg(test)]
mod below_tests;
#[cfg(test)]
#[path = "tests.rs"]
mod tests;
