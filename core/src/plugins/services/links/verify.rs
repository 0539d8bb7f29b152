//! [`Verifier`]: whose certificate is believed, for both directions of a link (federation.md 2.1).
//!
//! With a name to check it is the usual check of a server. Without one the chain must be good for a client or, failing
//! that, for a server: federation peers show either. The peer must always prove that it has the key.
use std::{fmt, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        ParsedCertificate,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

/// What a certificate is measured by.
#[derive(Debug)]
pub(super) enum Anchors {
    /// Nothing.
    Any,
    /// Its own SHA-256.
    Pinned([u8; 32]),
    /// A chain to one of our roots, for either use.
    Chain { server: Arc<WebPkiServerVerifier>, client: Arc<dyn ClientCertVerifier> },
}

/// Both verifiers of rustls in one.
#[derive(Debug)]
pub(super) struct Verifier {
    pub anchors: Anchors,
    pub check_name: bool,
    /// Listening: no certificate, no link.
    pub mandatory: bool,
    pub algorithms: WebPkiSupportedAlgorithms,
}

/// SHA-256 of a certificate.
pub(super) fn sha256(der: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der).as_ref());
    out
}

/// Shown with what came instead, so that it can be compared.
struct NotPinned([u8; 32]);

impl fmt::Display for NotPinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the pinned certificate, but one with the fingerprint ")?;
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for NotPinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for NotPinned {}

fn wrong_name(error: &Error) -> bool {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    matches!(error, Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
}

fn wrong_purpose(error: &Error) -> bool {
    use CertificateError::{InvalidPurpose, InvalidPurposeContext};
    matches!(error, Error::InvalidCertificate(InvalidPurpose | InvalidPurposeContext { .. }))
}

impl Verifier {
    /// `name` = the name that must be in it.
    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: Option<&ServerName<'_>>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let named = |()| name.map_or(Ok(()), |n| verify_server_name(&ParsedCertificate::try_from(leaf)?, n));
        match &self.anchors {
            Anchors::Any => named(()),
            Anchors::Pinned(pin) if sha256(leaf) == *pin => named(()),
            Anchors::Pinned(_) => Err(CertificateError::Other(OtherError(Arc::new(NotPinned(sha256(leaf))))).into()),
            Anchors::Chain { server, client } => match name {
                Some(name) => server.verify_server_cert(leaf, others, name, &[], now).map(drop),
                None => match client.verify_client_cert(leaf, others, now) {
                    Err(error) if wrong_purpose(&error) => as_server(server, leaf, others, now),
                    other => other.map(drop),
                },
            },
        }
    }
}

/// The chain for server use. rustls looks at the name last, so a wrong name means that all else was good (there is a
/// test for it).
fn as_server(
    server: &WebPkiServerVerifier,
    leaf: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<(), Error> {
    let any = ServerName::from(std::net::IpAddr::from([0, 0, 0, 0]));
    match server.verify_server_cert(leaf, others, &any, &[], now) {
        Err(error) if !wrong_name(&error) => Err(error),
        _ => Ok(()),
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(end_entity, intermediates, self.check_name.then_some(server_name), now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        match &self.anchors {
            Anchors::Chain { client, .. } => client.root_hint_subjects(),
            Anchors::Any | Anchors::Pinned(_) => &[],
        }
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(end_entity, intermediates, None, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
