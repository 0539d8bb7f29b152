//! CRLs, version 2: one per CA we hold the key of, all in `tls.crl` as PEM, the CA of today first. Their number only grows
//! and survives restarts, because it is the time in milliseconds, or one more than the number in the file.
use std::collections::HashSet;

use rcgen::{
    CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, RevocationReason, RevokedCertParams, SerialNumber,
};
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use super::{
    CertError,
    load::{Chain, Link},
    parse,
    profile::EARLIER,
};

/// A revoked certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Revocation {
    pub serial: String,
    /// The name of its CA as [`super::Facts`] writes it.
    pub issuer: String,
    /// "" = only its serial is known (it came in an adopted CRL).
    pub sha256: String,
    /// Seconds UTC.
    pub at: i64,
    pub reason: Option<String>,
}

const LIFE: Duration = Duration::days(30);

/// The CRL of one CA, DER.
pub(super) fn make(chain: &Chain, revoked: &[Revocation], number: u64) -> Result<Vec<u8>, CertError> {
    let now = OffsetDateTime::now_utc();
    let ca = &chain.links[0];
    let listed = revoked.iter().filter(|r| r.issuer == ca.facts.subject);
    let params = CertificateRevocationListParams {
        this_update: now - EARLIER,
        next_update: now + LIFE,
        crl_number: SerialNumber::from(number),
        issuing_distribution_point: None,
        revoked_certs: listed.map(entry).collect(),
        key_identifier_method: key_id(ca),
    };
    let issuer: &Issuer<'_, KeyPair> = &chain.issuer;
    Ok(params.signed_by(issuer)?.der().to_vec())
}

/// The key identifier a CA has in its own certificate is the one its CRL must name.
fn key_id(ca: &Link) -> KeyIdMethod {
    use x509_parser::extensions::ParsedExtension;
    let Ok((_, cert)) = X509Certificate::from_der(&ca.der) else { return KeyIdMethod::Sha256 };
    let own = cert.iter_extensions().find_map(|e| match e.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    });
    own.map_or(KeyIdMethod::Sha256, KeyIdMethod::PreSpecified)
}

fn entry(revoked: &Revocation) -> RevokedCertParams {
    let bytes =
        (0..revoked.serial.len()).step_by(2).filter_map(|n| u8::from_str_radix(revoked.serial.get(n..n + 2)?, 16).ok());
    RevokedCertParams {
        serial_number: SerialNumber::from_slice(&bytes.collect::<Vec<u8>>()),
        revocation_time: OffsetDateTime::from_unix_timestamp(revoked.at).unwrap_or(OffsetDateTime::UNIX_EPOCH),
        reason_code: revoked.reason.as_deref().and_then(reason),
        invalidity_date: None,
    }
}

/// Reasons people may give, as RFC 5280 names them; `unspecified` has no entry in a CRL.
pub const REASONS: &[&str] = &[
    "unspecified",
    "keyCompromise",
    "caCompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "privilegeWithdrawn",
];

fn reason(text: &str) -> Option<RevocationReason> {
    Some(match text {
        "keyCompromise" => RevocationReason::KeyCompromise,
        "caCompromise" => RevocationReason::CaCompromise,
        "affiliationChanged" => RevocationReason::AffiliationChanged,
        "superseded" => RevocationReason::Superseded,
        "cessationOfOperation" => RevocationReason::CessationOfOperation,
        "privilegeWithdrawn" => RevocationReason::PrivilegeWithdrawn,
        _ => return None,
    })
}

/// CRLs of a text, DER.
pub fn of_pem(text: &[u8]) -> Vec<Vec<u8>> {
    use rustls_pki_types::{CertificateRevocationListDer, pem::PemObject};
    CertificateRevocationListDer::pem_slice_iter(text).map_while(Result::ok).map(|c| c.to_vec()).collect()
}

/// As PEM.
pub(super) fn pem(der: &[u8]) -> String {
    format!("-----BEGIN X509 CRL-----\n{}\n-----END X509 CRL-----\n", parse::base64_lines(der))
}

/// Everything the CRL file revokes; lists that cannot be read are passed over.
pub(super) fn listed(path: &std::path::Path) -> Vec<Revocation> {
    let lists = std::fs::read(path).map(|text| of_pem(&text)).unwrap_or_default();
    lists.iter().filter_map(|der| revocations(der).ok()).flatten().collect()
}

/// Are these the CRLs of these CAs, of version 2, less than a day old and with exactly these entries?
pub(super) fn fresh(lists: &[Vec<u8>], issuers: &[&str], wanted: &[Revocation], now: i64) -> bool {
    let one = |(der, issuer): (&Vec<u8>, &&str)| {
        let Ok((_, crl)) = CertificateRevocationList::from_der(der) else { return false };
        let made = crl.last_update().timestamp() + EARLIER.whole_seconds();
        let Ok(has) = revocations(der) else { return false };
        let has: HashSet<&str> = has.iter().map(|r| &*r.serial).collect();
        let wants: HashSet<&str> = wanted.iter().filter(|r| r.issuer == **issuer).map(|r| &*r.serial).collect();
        let two = crl.version().is_some_and(|v| v.0 == 1);
        two && crl.issuer().to_string() == **issuer && now - made < DAY && has == wants
    };
    lists.len() == issuers.len() && lists.iter().zip(issuers).all(one)
}

const DAY: i64 = 86_400;

/// Number of a CRL; a version 1 list has none.
pub(super) fn number(der: &[u8]) -> Option<u64> {
    let (_, crl) = CertificateRevocationList::from_der(der).ok()?;
    crl.crl_number()?.to_u64_digits().first().copied()
}

/// What a CRL of any version revokes, for taking over from another server: FreeTAKServer's is version 1, which the TLS
/// library does not read (identity.md 3.5).
///
/// # Errors
/// It cannot be read.
pub fn revocations(der: &[u8]) -> Result<Vec<Revocation>, String> {
    let (_, crl) = CertificateRevocationList::from_der(der).map_err(|e| format!("no usable CRL: {e}"))?;
    let issuer = crl.issuer().to_string();
    let one = |r: &x509_parser::prelude::RevokedCertificate<'_>| Revocation {
        serial: parse::serial(r.raw_serial()),
        issuer: issuer.clone(),
        sha256: String::new(),
        at: r.revocation_date.timestamp(),
        reason: r.reason_code().map(|(_, code)| code.to_string()).and_then(|said| {
            let same = |name: &&str| name.eq_ignore_ascii_case(&said);
            REASONS.iter().copied().find(same).map(str::to_owned)
        }),
    };
    Ok(crl.iter_revoked_certificates().map(one).collect())
}
