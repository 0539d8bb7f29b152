//! [`Authority`]: the CA, the server certificate and issued certificates (identity.md 3.2, 3.3).
//!
//! Order at start: CA (loaded, adopted or made), server certificate (made anew when missing, near its end or for other
//! names), CRL and truststore. Keys are 0600, everything is written whole or not at all, and what is there and good
//! stays byte for byte. A private key of somebody else is never in a truststore.
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{files, p12};
use crate::config::{Config, KeyType};

/// What went wrong with a certificate or key file; names the file and what to do.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum CertError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{}: {what}", path.display())]
    Bad { path: PathBuf, what: String },
    #[error("{0}")]
    Making(String),
}

impl From<rcgen::Error> for CertError {
    fn from(error: rcgen::Error) -> Self {
        CertError::Making(format!("a certificate could not be made: {error}"))
    }
}

/// Who a certificate is for.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Subject {
    Client { cn: String },
    Server { cn: String, names: Vec<String> },
}

/// A freshly issued certificate: PEM texts and a P12 with key, leaf and chain.
#[derive(Clone)]
#[allow(missing_docs)]
pub struct Issued {
    pub cert_pem: String,
    pub chain_pem: String,
    pub key_pem: String,
    pub p12: Vec<u8>,
    pub serial_hex: String,
    pub not_after_ms: i64,
}

/// The CA with its key and the server's certificate made from it.
pub struct Authority {
    ca_pem: String,
    ca_der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
    server_pem: String,
    server_key: String,
    ends: (i64, i64),
}

const CA_DAYS: i64 = 3_652;
const SERVER_DAYS: i64 = 730;
const CLIENT_DAYS: i64 = 365;
/// Field devices have wrong clocks.
const EARLIER: Duration = Duration::minutes(720);

impl Authority {
    /// Loads CA and server certificate or makes what is missing (first start).
    ///
    /// # Errors
    /// [`CertError`].
    pub fn open(config: &Config) -> Result<Self, CertError> {
        let tls = &config.tls;
        files::private_dir(&tls.dir)?;
        let there = (tls.ca_cert.exists(), tls.ca_key.exists());
        let made = match there {
            (true, true) => None,
            (false, false) => Some(make_ca(config)?),
            _ => {
                return Err(CertError::Bad {
                    path: tls.ca_cert.clone(),
                    what: "CA certificate and key belong together; one of them is missing".into(),
                });
            }
        };
        if let Some((pem, key)) = made {
            files::write(&tls.ca_key, key.as_bytes(), files::PRIVATE)?;
            files::write(&tls.ca_cert, pem.as_bytes(), files::PUBLIC)?;
        }
        // FreeTAKServer appends its CRL; only the first certificate counts.
        let text = files::read(&tls.ca_cert)?;
        let ca_pem = first_certificate(&text)
            .ok_or_else(|| CertError::Bad { path: tls.ca_cert.clone(), what: "no PEM certificate in it".into() })?;
        let key = KeyPair::from_pem(&files::read(&tls.ca_key)?)
            .map_err(|e| CertError::Bad { path: tls.ca_key.clone(), what: format!("no usable private key: {e}") })?;
        let issuer = Issuer::from_ca_cert_pem(&ca_pem, key).map_err(|e| CertError::Bad {
            path: tls.ca_cert.clone(),
            what: format!("no usable CA certificate: {e}"),
        })?;
        let ca_der = der(&ca_pem)
            .ok_or_else(|| CertError::Bad { path: tls.ca_cert.clone(), what: "not a certificate".into() })?;
        let ca_end = end_of(&ca_der).unwrap_or(0);
        let mut authority =
            Self { ca_pem, ca_der, issuer, server_pem: String::new(), server_key: String::new(), ends: (ca_end, 0) };
        authority.server(config)?;
        if !tls.crl.exists() {
            authority.write_crl(&tls.crl)?;
        }
        let trust = tls.dir.join("ca-trust.p12");
        if !trust.exists() || !there.0 {
            files::write(&trust, &authority.truststore(&config.packages.password)?, files::PUBLIC)?;
        }
        Ok(authority)
    }

    fn server(&mut self, config: &Config) -> Result<(), CertError> {
        let tls = &config.tls;
        let names = server_names(config);
        if tls.server_cert.exists() && tls.server_key.exists() {
            let (pem, key) = (files::read(&tls.server_cert)?, files::read(&tls.server_key)?);
            let good = der(&pem).is_some_and(|leaf| self.still_good(&leaf, &names, config));
            if good {
                self.ends.1 = der(&pem).and_then(|d| end_of(&d)).unwrap_or(0);
                (self.server_pem, self.server_key) = (pem, key);
                return Ok(());
            }
        }
        let cn = names.first().cloned().unwrap_or_else(|| "localhost".into());
        let (leaf, key, _) = self.sign(config, &Subject::Server { cn, names })?;
        let chain = format!("{}{}", leaf.pem(), self.ca_pem);
        files::write(&tls.server_key, key.serialize_pem().as_bytes(), files::PRIVATE)?;
        files::write(&tls.server_cert, chain.as_bytes(), files::PUBLIC)?;
        self.ends.1 = end_of(leaf.der()).unwrap_or(0);
        (self.server_pem, self.server_key) = (chain, key.serialize_pem());
        tracing::info!(event = "cert.issued", kind = "server", "server certificate made");
        Ok(())
    }

    /// From this CA, for these names, and not near its end.
    fn still_good(&self, leaf: &[u8], names: &[String], config: &Config) -> bool {
        let (Ok((_, cert)), Ok((_, ca))) = (X509Certificate::from_der(leaf), X509Certificate::from_der(&self.ca_der))
        else {
            return false;
        };
        let left = cert.validity().not_after.timestamp() - OffsetDateTime::now_utc().unix_timestamp();
        let has = names_in(&cert);
        left > config.tls.renew_before.as_secs() as i64
            && cert.verify_signature(Some(ca.public_key())).is_ok()
            && names.iter().all(|n| has.contains(n))
    }

    fn sign(&self, config: &Config, subject: &Subject) -> Result<(Certificate, KeyPair, String), CertError> {
        let (cn, days, purposes) = match subject {
            Subject::Client { cn } => (cn, CLIENT_DAYS, vec![ExtendedKeyUsagePurpose::ClientAuth]),
            Subject::Server { cn, .. } => {
                (cn, SERVER_DAYS, vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth])
            }
        };
        let key = new_key(config.tls.key_type)?;
        let mut params = CertificateParams::default();
        let serial = serial();
        params.distinguished_name = name(cn, config);
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.not_before = OffsetDateTime::now_utc() - EARLIER;
        params.not_after = OffsetDateTime::now_utc() + Duration::days(days);
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = purposes;
        if let Subject::Server { names, .. } = subject {
            params.subject_alt_names = names.iter().map(|n| alt_name(n)).collect::<Result<_, _>>()?;
        }
        let cert = params.signed_by(&key, &self.issuer)?;
        Ok((cert, key, hex(&serial)))
    }

    /// Issues a certificate and keeps a copy of it (never of its key) under `clients/`.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn issue(&self, config: &Config, subject: &Subject, p12_password: &str) -> Result<Issued, CertError> {
        let (cert, key, serial_hex) = self.sign(config, subject)?;
        let cn = match subject {
            Subject::Client { cn } | Subject::Server { cn, .. } => cn,
        };
        let p12 = p12::keystore(
            cn,
            key.serialized_der(),
            &[cert.der(), &self.ca_der],
            p12_password,
            config.packages.p12_encryption,
        )?;
        let copy = config.tls.dir.join("clients");
        files::private_dir(&copy)?;
        files::write(&copy.join(format!("{serial_hex}.pem")), cert.pem().as_bytes(), files::PUBLIC)?;
        Ok(Issued {
            not_after_ms: end_of(cert.der()).unwrap_or(0) * 1_000,
            cert_pem: cert.pem(),
            chain_pem: self.ca_pem.clone(),
            key_pem: key.serialize_pem(),
            p12,
            serial_hex,
        })
    }

    /// CA certificates only, as P12.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn truststore(&self, password: &str) -> Result<Vec<u8>, CertError> {
        p12::truststore(&self.ca_der, password, crate::config::P12Encryption::TripleDes)
    }

    fn write_crl(&self, path: &Path) -> Result<(), CertError> {
        let now = OffsetDateTime::now_utc();
        let params = CertificateRevocationListParams {
            this_update: now - EARLIER,
            next_update: now + Duration::days(30),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        files::write(path, params.signed_by(&self.issuer)?.pem()?.as_bytes(), files::PUBLIC)
    }

    /// The server's chain (leaf first) and key, PEM.
    pub fn server_identity(&self) -> (&str, &str) {
        (&self.server_pem, &self.server_key)
    }

    /// The CA certificate, DER.
    pub fn ca(&self) -> &[u8] {
        &self.ca_der
    }

    /// SHA-256 of the CA certificate as people compare it.
    pub fn fingerprint(&self) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.ca_der);
        digest.as_ref().iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(":")
    }

    /// Days until CA and server certificate end, for readiness.
    pub fn days_left(&self) -> (i64, i64) {
        let (ca, server) = self.seconds_left();
        (ca / 86_400, server / 86_400)
    }

    /// The same in seconds, for metrics.
    pub fn seconds_left(&self) -> (i64, i64) {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        (self.ends.0 - now, self.ends.1 - now)
    }
}

fn make_ca(config: &Config) -> Result<(String, String), CertError> {
    let key = new_key(config.tls.key_type)?;
    let mut params = CertificateParams::default();
    let cn = if config.tls.ca_name.is_empty() {
        format!("FTS-CA-{}", hex(&rand::random::<[u8; 4]>()))
    } else {
        config.tls.ca_name.clone()
    };
    params.distinguished_name = name(&cn, config);
    params.serial_number = Some(SerialNumber::from_slice(&serial()));
    params.not_before = OffsetDateTime::now_utc() - EARLIER;
    params.not_after = OffsetDateTime::now_utc() + Duration::days(CA_DAYS);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let cert = params.self_signed(&key)?;
    tracing::info!(event = "cert.issued", kind = "ca", cn, "certificate authority made");
    Ok((cert.pem(), key.serialize_pem()))
}

fn new_key(kind: KeyType) -> Result<KeyPair, CertError> {
    use rcgen::RsaKeySize;
    let rsa = |size| KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size);
    Ok(match kind {
        KeyType::Rsa2048 => rsa(RsaKeySize::_2048)?,
        KeyType::Rsa3072 => rsa(RsaKeySize::_3072)?,
        KeyType::Rsa4096 => rsa(RsaKeySize::_4096)?,
        KeyType::P256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?,
    })
}

/// 128 random bits, positive, not zero.
fn serial() -> [u8; 16] {
    let mut serial: [u8; 16] = rand::random();
    serial[0] = (serial[0] & 0x7F) | 0x40;
    serial
}

fn name(cn: &str, config: &Config) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, cn);
    for (kind, value) in &config.tls.subject {
        let kind = match kind.as_str() {
            "O" => DnType::OrganizationName,
            "OU" => DnType::OrganizationalUnitName,
            "C" => DnType::CountryName,
            "ST" => DnType::StateOrProvinceName,
            "L" => DnType::LocalityName,
            _ => continue,
        };
        name.push(kind, value.as_str());
    }
    name
}

/// Names of the server certificate: what was configured, and this machine.
fn server_names(config: &Config) -> Vec<String> {
    let mut names = Vec::new();
    let host = if config.server.public_host.is_empty() {
        crate::net::own_address().map(|a| a.to_string())
    } else {
        Some(config.server.public_host.clone())
    };
    let fixed = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    for name in host.into_iter().chain(config.server.public_names.iter().cloned()).chain(fixed) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn alt_name(name: &str) -> Result<SanType, CertError> {
    match name.parse::<IpAddr>() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) => {
            Ok(SanType::DnsName(name.try_into().map_err(|_| {
                CertError::Making(format!("server name {name:?} is neither an address nor a host name"))
            })?))
        }
    }
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

fn first_certificate(pem: &str) -> Option<String> {
    const END: &str = "-----END CERTIFICATE-----";
    let start = pem.find("-----BEGIN CERTIFICATE-----")?;
    let end = start + pem[start..].find(END)? + END.len();
    Some(format!("{}\n", &pem[start..end]))
}

fn der(pem: &str) -> Option<Vec<u8>> {
    use rustls_pki_types::{CertificateDer, pem::PemObject};
    Some(CertificateDer::from_pem_slice(pem.as_bytes()).ok()?.to_vec())
}

fn end_of(der: &[u8]) -> Option<i64> {
    Some(X509Certificate::from_der(der).ok()?.1.validity().not_after.timestamp())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// For callers that share it.
pub type SharedAuthority = Arc<Authority>;
