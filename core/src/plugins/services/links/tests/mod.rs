//! Links over loopback with real certificates. The plugin's side is synchronous here as it is in the server.
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};

use super::*;
use crate::config::ClientCert;

mod ending;
mod limits;
mod paired;
mod plain;
mod secure;
mod upgrade;

pub(super) const LONG: Duration = Duration::from_secs(20);
/// For what must not come.
pub(super) const SHORT: Duration = Duration::from_millis(200);

pub(super) struct Rig {
    pub runtime: tokio::runtime::Runtime,
    pub dir: tempfile::TempDir,
}

/// One plugin's side.
pub(super) struct Side {
    pub set: LinkSet,
    pub sink: Sink,
    events: mpsc::Receiver<LinkEvent>,
}

pub(super) fn rig() -> Rig {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    Rig { runtime, dir: tempfile::tempdir().unwrap() }
}

impl Rig {
    pub fn side(&self, plugin: &str) -> Side {
        self.side_with(plugin, Arc::new(|| None))
    }

    pub fn side_with(&self, plugin: &str, own: OwnLookup) -> Side {
        let (to, events) = mpsc::channel();
        let sink: Sink = Arc::new(move |event| drop(to.send(event)));
        Side { set: Links::new(self.runtime.handle().clone(), own).of(plugin), sink, events }
    }

    pub fn ca(&self, name: &str) -> Ca {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let cert = params.self_signed(&key).unwrap();
        let file = self.dir.path().join(format!("{name}.pem"));
        std::fs::write(&file, cert.pem()).unwrap();
        Ca { dir: self.dir.path().to_owned(), file, der: cert.der().to_vec(), issuer: Issuer::new(params, key) }
    }
}

pub(super) struct Ca {
    dir: PathBuf,
    pub file: PathBuf,
    pub der: Vec<u8>,
    pub issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    /// A certificate for `localhost`, usable on both sides.
    pub fn issue(&self, cn: &str) -> Identity {
        use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
        self.issue_for(cn, "localhost", &[ServerAuth, ClientAuth])
    }

    pub fn issue_for(&self, cn: &str, host: &str, uses: &[ExtendedKeyUsagePurpose]) -> Identity {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, cn);
        params.extended_key_usages = uses.to_vec();
        params.serial_number = Some(rcgen::SerialNumber::from(7));
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let at = |end: &str| self.dir.join(format!("{cn}.{end}"));
        std::fs::write(at("crt.pem"), cert.pem()).unwrap();
        std::fs::write(at("key.pem"), key.serialize_pem()).unwrap();
        Identity::Files { cert: at("crt.pem"), key: at("key.pem") }
    }

    pub fn trust(&self) -> Trust {
        Trust::Files(vec![self.file.clone()])
    }
}

/// TLS with these; raw frames.
pub(super) fn tls(identity: Identity, trust: Trust, client_cert: ClientCert) -> Profile {
    Profile { tls: Some(TlsProfile { identity, trust, client_cert, ..TlsProfile::default() }), ..Profile::default() }
}

pub(super) fn framed(frames: Frames) -> Profile {
    Profile { frames, ..Profile::default() }
}

impl Side {
    pub fn listen(&self, profile: &Profile) -> (ListenerId, SocketAddr) {
        self.set.listen("127.0.0.1", 0, profile, &self.sink).unwrap()
    }

    pub fn dial(&self, to: SocketAddr, profile: &Profile) -> LinkId {
        self.set.dial("localhost", to.port(), profile, &self.sink).unwrap()
    }

    pub fn next(&self) -> LinkEvent {
        self.events.recv_timeout(LONG).expect("an event")
    }

    pub fn quiet(&self) {
        if let Ok(event) = self.events.recv_timeout(SHORT) {
            panic!("unexpected: {event:?}");
        }
    }

    /// The peer of a link that is up.
    pub fn up(&self) -> Peer {
        match self.next() {
            LinkEvent::Up { peer, .. } => peer,
            other => panic!("expected Up, got {other:?}"),
        }
    }

    pub fn accepted(&self) -> (LinkId, Peer) {
        match self.next() {
            LinkEvent::Accepted { link, peer, .. } => (link, peer),
            other => panic!("expected Accepted, got {other:?}"),
        }
    }

    pub fn rejected(&self) -> End {
        match self.next() {
            LinkEvent::Rejected { why, .. } => why,
            other => panic!("expected Rejected, got {other:?}"),
        }
    }

    /// The next frame, given back at once.
    pub fn frame(&self) -> Vec<u8> {
        match self.next() {
            LinkEvent::Frame { link, bytes, .. } => {
                self.set.processed(link, 1);
                bytes.to_vec()
            }
            other => panic!("expected Frame, got {other:?}"),
        }
    }

    /// Raw links cut where they like.
    pub fn bytes(&self, count: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < count {
            all.extend(self.frame());
        }
        all
    }

    pub fn closed(&self) -> End {
        match self.next() {
            LinkEvent::Closed { why, .. } => why,
            other => panic!("expected Closed, got {other:?}"),
        }
    }
}

/// A peer that is not ours.
pub(super) fn stranger(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.set_write_timeout(Some(LONG)).unwrap();
    stream
}

/// The same with TLS; it says good-bye only if asked to.
pub(super) fn tls_stranger(to: SocketAddr, ca: &Path) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, stranger(to));
    stream.write_all(b"hello").unwrap();
    stream
}

pub(super) fn read_exact(from: &mut impl Read, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    from.read_exact(&mut bytes).unwrap();
    bytes
}
