//! The CA in TLS: which clients are let in and which certificate the server shows. [`Hot`] looks at the [`Authority`] of
//! the moment at each handshake, so a revocation, a renewal or a rotation is in force for the next one and no connection
//! is dropped for it (identity.md 3.4, 3.5).
//!
//! Every listener has session tickets of its own: a ticket of one that asks for no certificate must not open one that
//! does. With another authority the tickets are others, too: resuming a session skips the check of the certificate.
use std::{fmt, sync::Arc};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, aws_lc_rs as provider},
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
    server::{
        ClientHello, ProducesTickets, ResolvesServerCert, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
};

use super::{Authority, CertError, server::Identity};
use crate::config::Tls;

/// What one authority means for handshakes.
pub(super) struct Trust {
    verifier: Arc<dyn ClientCertVerifier>,
    own: Arc<CertifiedKey>,
}

impl Trust {
    pub fn new<'a>(anchors: impl Iterator<Item = &'a [u8]>, server: &Identity, tls: &Tls) -> Result<Self, CertError> {
        let crypto = Arc::new(provider::default_provider());
        let mut roots = RootCertStore::empty();
        for der in anchors {
            // Intermediates, too: ATAK sends its leaf alone.
            let added = roots.add(CertificateDer::from(der.to_vec()));
            added.map_err(|e| CertError::bad(&tls.ca_cert, e.to_string()))?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), crypto.clone()).build();
        let verifier = verifier.map_err(|e| CertError::bad(&tls.ca_cert, e.to_string()))?;
        let own = certified(&server.pem, &server.key, &crypto);
        let own = own.map_err(|what| CertError::bad(&tls.server_cert, what))?;
        Ok(Self { verifier, own: Arc::new(own) })
    }
}

/// Chain and key, which must belong together.
fn certified(pem: &str, key: &str, crypto: &CryptoProvider) -> Result<CertifiedKey, String> {
    let chain =
        CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|e| e.to_string())?;
    let key = crypto.key_provider.load_private_key(key).map_err(|e| e.to_string())?;
    let own = CertifiedKey::new(chain, key);
    match own.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(own),
        Err(error) => Err(format!("certificate and key do not belong together: {error}")),
    }
}

/// The authority of the moment, as a listener's TLS configuration uses it. See the file's head.
#[derive(Clone)]
pub struct Hot {
    authority: Arc<ArcSwapOption<Authority>>,
    mandatory: bool,
}

impl fmt::Debug for Hot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hot").field("mandatory", &self.mandatory).finish_non_exhaustive()
    }
}

impl Hot {
    /// `mandatory`: who has no certificate is refused.
    pub fn new(authority: Arc<ArcSwapOption<Authority>>, mandatory: bool) -> Self {
        Self { authority, mandatory }
    }

    /// Session tickets for one listener.
    pub fn tickets(&self) -> Arc<dyn ProducesTickets> {
        Arc::new(Tickets { authority: self.authority.clone(), own: Mutex::new((0, None)) })
    }

    fn load(&self) -> Result<Arc<Authority>, rustls::Error> {
        self.authority.load_full().ok_or_else(|| rustls::Error::General("there is no certificate authority".into()))
    }
}

impl ResolvesServerCert for Hot {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.load().ok()?.trust.own.clone())
    }
}

impl ClientCertVerifier for Hot {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    /// None: the CAs may change while a listener lives, and a client told of the wrong ones shows nothing.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let authority = self.load()?;
        let verified = authority.trust.verifier.verify_client_cert(leaf, above, now)?;
        if authority.revoked.has(leaf) {
            return Err(rustls::Error::InvalidCertificate(CertificateError::Revoked));
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.load()?.trust.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.load()?.trust.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

struct Tickets {
    authority: Arc<ArcSwapOption<Authority>>,
    own: Mutex<(u64, Option<Arc<dyn ProducesTickets>>)>,
}

impl Tickets {
    /// Of this authority; None = they cannot be made, and then every handshake is a whole one.
    fn current(&self) -> Option<Arc<dyn ProducesTickets>> {
        let generation = self.authority.load().as_ref()?.generation;
        let mut own = self.own.lock();
        if own.0 != generation {
            *own = (generation, provider::Ticketer::new().ok());
        }
        own.1.clone()
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.current().map_or(0, |t| t.lifetime())
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.current()?.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.current()?.decrypt(cipher)
    }
}
