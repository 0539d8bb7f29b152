//! From a [`TlsProfile`] to rustls: reads the files it names, in the order identity, trust, versions.
//!
//! The provider is given explicitly, never taken from the process default. Nothing is resumed: a peer whose certificate
//! is no longer trusted is out at its next connection. Errors name the file; what is in a key file is never said.
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
    client::{Resumption, WebPkiServerVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::{NoClientAuth, NoServerSessionStorage, WebPkiClientVerifier},
};

use super::{
    profile::{Identity, Own, OwnLookup, ProfileError, TlsProfile, Trust},
    verify::{Anchors, Verifier},
};
use crate::config::{ClientCert, MinVersion};

type Chain = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn bad(path: &Path, what: impl Into<String>) -> ProfileError {
    ProfileError::File { path: path.to_owned(), what: what.into() }
}

fn read(path: &Path) -> Result<Vec<u8>, ProfileError> {
    std::fs::read(path).map_err(|e| bad(path, e.to_string()))
}

/// For the dialling side, with the name to ask for.
pub(super) fn client(
    profile: &TlsProfile,
    host: &str,
    own: &OwnLookup,
) -> Result<(Arc<ClientConfig>, ServerName<'static>), ProfileError> {
    let provider = provider();
    let name = profile.server_name.as_deref().unwrap_or(host);
    let server_name =
        ServerName::try_from(name.to_owned()).map_err(|_| ProfileError::Name { name: name.to_owned() })?;
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions(profile.min_version))
        .map_err(|e| ProfileError::Tls(e.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier(profile, own, &provider)?));
    let mut config = match identity(profile, own)? {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|e| mismatch(profile, &e))?,
    };
    config.alpn_protocols = alpn(profile);
    config.resumption = Resumption::disabled();
    Ok((Arc::new(config), server_name))
}

/// For the listening side.
pub(super) fn server(profile: &TlsProfile, own: &OwnLookup) -> Result<Arc<ServerConfig>, ProfileError> {
    let provider = provider();
    let (chain, key) = identity(profile, own)?.ok_or(ProfileError::NoIdentity)?;
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions(profile.min_version))
        .map_err(|e| ProfileError::Tls(e.to_string()))?;
    let builder = match profile.client_cert {
        ClientCert::None => builder.with_client_cert_verifier(Arc::new(NoClientAuth)),
        ClientCert::Optional | ClientCert::Required => {
            builder.with_client_cert_verifier(Arc::new(verifier(profile, own, &provider)?))
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|e| mismatch(profile, &e))?;
    config.alpn_protocols = alpn(profile);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn versions(min: MinVersion) -> &'static [&'static SupportedProtocolVersion] {
    static NEWEST: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS13];
    match min {
        MinVersion::V12 => rustls::ALL_VERSIONS,
        MinVersion::V13 => &NEWEST,
    }
}

fn alpn(profile: &TlsProfile) -> Vec<Vec<u8>> {
    profile.alpn.iter().map(|p| p.as_bytes().to_vec()).collect()
}

fn mismatch(profile: &TlsProfile, error: &rustls::Error) -> ProfileError {
    let what = format!("certificate and key do not belong together or cannot be used: {error}");
    match &profile.identity {
        Identity::Files { cert, .. } => bad(cert, what),
        Identity::Server | Identity::None => ProfileError::Tls(format!("the server's own {what}")),
    }
}

fn identity(profile: &TlsProfile, own: &OwnLookup) -> Result<Option<Chain>, ProfileError> {
    let (cert, chain, key_at, key) = match &profile.identity {
        Identity::None => return Ok(None),
        Identity::Server => {
            let own = own().ok_or(ProfileError::NoOwn)?;
            (own.cert.clone(), own.chain_pem.into_bytes(), own.cert, own.key_pem.into_bytes())
        }
        Identity::Files { cert, key } => (cert.clone(), read(cert)?, key.clone(), read(key)?),
    };
    let chain = certificates(&cert, &chain)?;
    // The error of the parser may quote what it read: it is not passed on.
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|_| bad(&key_at, "no private key in PEM (PKCS#8, PKCS#1 or SEC1, not encrypted) in it"))?;
    Ok(Some((chain, key)))
}

/// All certificates of a file, at least one.
fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, ProfileError> {
    // DER of a certificate begins with a SEQUENCE, text never does.
    if text.first() == Some(&0x30) {
        return Ok(vec![CertificateDer::from(text.to_vec())]);
    }
    let found: Vec<_> = CertificateDer::pem_slice_iter(text)
        .collect::<Result<_, _>>()
        .map_err(|e| bad(path, format!("not PEM: {e}")))?;
    if found.is_empty() { Err(bad(path, "no certificate in it: a PEM file is needed")) } else { Ok(found) }
}

fn verifier(profile: &TlsProfile, own: &OwnLookup, provider: &Arc<CryptoProvider>) -> Result<Verifier, ProfileError> {
    let mut crls = Vec::new();
    let roots = match &profile.trust {
        Trust::DangerousAny | Trust::Pinned(_) => None,
        Trust::Ca => {
            let own = own().ok_or(ProfileError::NoOwn)?;
            crls = revoked(&own)?;
            Some(store([(own.cert.clone(), own.ca_der)])?)
        }
        Trust::Files(files) => Some(trusted(files)?),
        Trust::Dir(dir) => Some(trusted(&listed(dir)?)?),
    };
    let anchors = match (&profile.trust, roots) {
        (Trust::Pinned(pin), _) => Anchors::Pinned(*pin),
        (_, None) => Anchors::Any,
        (_, Some(roots)) => {
            let roots = Arc::new(roots);
            let why = |e: rustls::server::VerifierBuilderError| ProfileError::Tls(format!("trusted certificates: {e}"));
            let server = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone())
                .with_crls(crls.clone())
                .allow_unknown_revocation_status();
            let client = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
                .with_crls(crls)
                .allow_unknown_revocation_status();
            Anchors::Chain { server: server.build().map_err(why)?, client: client.build().map_err(why)? }
        }
    };
    Ok(Verifier {
        anchors,
        check_name: profile.check_name,
        mandatory: profile.client_cert == ClientCert::Required,
        algorithms: provider.signature_verification_algorithms,
    })
}

/// The server's own revocation list; none is none.
fn revoked(own: &Own) -> Result<Vec<CertificateRevocationListDer<'static>>, ProfileError> {
    let text = match std::fs::read(&own.crl) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(bad(&own.crl, error.to_string())),
    };
    CertificateRevocationListDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|e| bad(&own.crl, format!("not a revocation list in PEM: {e}")))
}

fn listed(dir: &Path) -> Result<Vec<PathBuf>, ProfileError> {
    let entries = std::fs::read_dir(dir).map_err(|e| bad(dir, e.to_string()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| bad(dir, e.to_string()))?.path();
        if path.extension().and_then(|e| e.to_str()).is_some_and(|e| ["pem", "crt", "cer"].contains(&e)) {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(bad(dir, "no certificate (*.pem, *.crt, *.cer) in it: put the CA certificate of the peers there"));
    }
    Ok(files)
}

fn trusted(files: &[PathBuf]) -> Result<RootCertStore, ProfileError> {
    let mut all = Vec::new();
    for file in files {
        all.extend(certificates(file, &read(file)?)?.into_iter().map(|c| (file.clone(), c.to_vec())));
    }
    if all.is_empty() {
        return Err(ProfileError::Tls("trust names no file: nobody could be believed".into()));
    }
    store(all)
}

fn store(certs: impl IntoIterator<Item = (PathBuf, Vec<u8>)>) -> Result<RootCertStore, ProfileError> {
    let mut roots = RootCertStore::empty();
    for (path, der) in certs {
        roots
            .add(CertificateDer::from(der))
            .map_err(|e| bad(&path, format!("a certificate in it cannot be trusted: {e}")))?;
    }
    Ok(roots)
}
