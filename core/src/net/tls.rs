//! TLS of a [`Port`]: TLS 1.2 and 1.3 with aws-lc-rs, clients verified against our CA (identity.md 3.4).
//!
//! The provider is given explicitly, never taken from the process default. The server's certificate, CAs and revocations
//! are those of the moment of each handshake ([`Hot`]), so only the certificate for browsers needs a new configuration.
//! A client certificate without extended key usage (FreeTAKServer's) is as good as one with it.
use std::{path::Path, sync::Arc};

use arc_swap::ArcSwapOption;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{NoClientAuth, NoServerSessionStorage},
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{PeerCert, Port, Speaks};
use crate::{
    config::{ClientCert, Config, MinVersion},
    identity::{
        Authority, CertError,
        ca::{Hot, parse},
        files::read,
    },
};

/// rustls configuration of a TLS listener.
///
/// # Errors
/// [`CertError`] naming the file that is no good.
pub fn server_config(
    authority: &Arc<ArcSwapOption<Authority>>,
    config: &Config,
    port: &Port,
) -> Result<Arc<ServerConfig>, CertError> {
    let bad = |path: &Path, what: String| CertError::Bad { path: path.to_owned(), what };
    let tls = &config.tls;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions: &[&rustls::SupportedProtocolVersion] = match tls.min_version {
        MinVersion::V12 => &[&rustls::version::TLS12, &rustls::version::TLS13],
        MinVersion::V13 => &[&rustls::version::TLS13],
    };
    let hot = Arc::new(Hot::new(authority.clone(), port.client_cert == ClientCert::Required));
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|e| CertError::Making(format!("TLS versions: {e}")))?;
    let builder = match port.client_cert {
        ClientCert::None => builder.with_client_cert_verifier(Arc::new(NoClientAuth)),
        ClientCert::Optional | ClientCert::Required => builder.with_client_cert_verifier(hot.clone()),
    };
    let mut server = match &tls.web {
        Some((cert, key)) if port.web_cert => {
            let chain = CertificateDer::pem_slice_iter(read(cert)?.as_bytes())
                .collect::<Result<Vec<_>, _>>()
                .map_err(|e| bad(cert, e.to_string()))?;
            let key = PrivateKeyDer::from_pem_slice(read(key)?.as_bytes()).map_err(|e| bad(key, e.to_string()))?;
            builder
                .with_single_cert(chain, key)
                .map_err(|e| bad(cert, format!("certificate and key do not belong together: {e}")))?
        }
        _ => builder.with_cert_resolver(hot.clone()),
    };
    // Tickets alone: a session kept here would outlive a revocation.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.ticketer = hot.tickets();
    if port.speaks == Speaks::Http {
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
    }
    Ok(Arc::new(server))
}

/// What a verified certificate says.
pub(super) fn peer_cert(chain: Option<&[CertificateDer<'_>]>) -> Option<PeerCert> {
    let leaf = chain?.first()?;
    let (_, cert) = X509Certificate::from_der(leaf).ok()?;
    let common_name =
        cert.subject().iter_common_name().next().and_then(|n| n.as_str().ok()).unwrap_or_default().to_owned();
    Some(PeerCert { common_name, serial_hex: parse::serial(cert.raw_serial()), sha256: parse::sha256(leaf) })
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
