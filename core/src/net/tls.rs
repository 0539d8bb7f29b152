//! TLS for CoT listeners: TLS 1.2 and 1.3 with aws-lc-rs, clients verified against our CA and its CRL (identity.md 3.4).
//!
//! The provider is given explicitly, never taken from the process default. An expired CRL locks nobody out, and a
//! certificate without extended key usage (FreeTAKServer's) is as good as one with it.
use std::sync::Arc;

use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem::PemObject},
    server::{NoClientAuth, WebPkiClientVerifier},
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::PeerCert;
use crate::{
    config::{ClientCert, Config, MinVersion},
    identity::{Authority, CertError},
};

/// rustls configuration of a CoT TLS listener.
///
/// # Errors
/// [`CertError`] naming the file that is no good.
pub fn server_config(
    authority: &Authority,
    config: &Config,
    client_cert: ClientCert,
) -> Result<Arc<ServerConfig>, CertError> {
    let bad = |path: &std::path::Path, what: String| CertError::Bad { path: path.to_owned(), what };
    let (chain, key) = authority.server_identity();
    let tls = &config.tls;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|e| bad(&tls.server_cert, e.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|e| bad(&tls.server_key, e.to_string()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions: &[&rustls::SupportedProtocolVersion] = match tls.min_version {
        MinVersion::V12 => &[&rustls::version::TLS12, &rustls::version::TLS13],
        MinVersion::V13 => &[&rustls::version::TLS13],
    };
    let verifier = match client_cert {
        ClientCert::None => Arc::new(NoClientAuth),
        wanted => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from(authority.ca().to_vec())).map_err(|e| bad(&tls.ca_cert, e.to_string()))?;
            let crls: Vec<_> = match std::fs::read(&tls.crl) {
                Ok(text) => CertificateRevocationListDer::pem_slice_iter(&text)
                    .collect::<Result<_, _>>()
                    .map_err(|e| bad(&tls.crl, e.to_string()))?,
                Err(_) => Vec::new(),
            };
            let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .with_crls(crls)
                .allow_unknown_revocation_status();
            let builder = if wanted == ClientCert::Optional { builder.allow_unauthenticated() } else { builder };
            builder.build().map_err(|e| bad(&tls.crl, e.to_string()))?
        }
    };
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|e| CertError::Making(format!("TLS versions: {e}")))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|e| bad(&tls.server_cert, format!("certificate and key do not belong together: {e}")))?;
    server.ticketer =
        rustls::crypto::aws_lc_rs::Ticketer::new().map_err(|e| CertError::Making(format!("session tickets: {e}")))?;
    Ok(Arc::new(server))
}

/// What a verified certificate says.
pub(super) fn peer_cert(chain: Option<&[CertificateDer<'_>]>) -> Option<PeerCert> {
    let leaf = chain?.first()?;
    let (_, cert) = X509Certificate::from_der(leaf).ok()?;
    let common_name =
        cert.subject().iter_common_name().next().and_then(|n| n.as_str().ok()).unwrap_or_default().to_owned();
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, leaf);
    Some(PeerCert { common_name, serial_hex: hex(cert.raw_serial()), sha256: hex(digest.as_ref()) })
}

/// Why a handshake failed, for metrics and the log line.
pub(super) fn failure(error: &std::io::Error) -> &'static str {
    use rustls::{AlertDescription, Error};
    let Some(error) = error.get_ref().and_then(|e| e.downcast_ref::<Error>()) else { return "reset" };
    match error {
        Error::NoCertificatesPresented => "no_certificate",
        Error::InvalidCertificate(_) => "bad_certificate",
        Error::AlertReceived(
            AlertDescription::UnknownCA | AlertDescription::BadCertificate | AlertDescription::CertificateUnknown,
        ) => "refused_by_client",
        Error::PeerIncompatible(_) | Error::PeerMisbehaved(_) | Error::AlertReceived(_) => "protocol",
        _ => "tls",
    }
}
