//! [`Session`]: the TLS side of one client, decrypting in place in the shared read buffer (rustls' unbuffered interface),
//! because the generator must stay cheaper per byte than the server that encrypts.
//!
//! [`Identity`] is the client certificate all clients share, issued by the server's own program.

use std::{fs, io, path::Path, process::Command, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    client::UnbufferedClientConnection,
    unbuffered::{ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};

use crate::fault::{Fault, Tried};

/// What a client shows and whom it trusts.
#[derive(Clone, Debug)]
pub struct Identity {
    config: Arc<ClientConfig>,
}

impl Identity {
    /// Lets the server's program issue a certificate into `dir` and reads it with the CA.
    ///
    /// # Errors
    /// When no certificate is issued or it cannot be read.
    pub fn issue(mut server: Command, data_dir: &Path) -> Result<Self, Fault> {
        let out = data_dir.join("load-certs");
        server.args(["cert", "issue", "load", "--out"]).arg(&out);
        let done = server.output().tried("fts cert issue")?;
        if !done.status.success() {
            return Err(Fault::Tls(format!("fts cert issue: {}", String::from_utf8_lossy(&done.stderr))));
        }
        let bad = |what: &'static str| move |e: rustls_pki_types::pem::Error| Fault::Tls(format!("{what}: {e}"));
        let read = |path: &Path| fs::read(path).tried(path.display().to_string());
        let mut roots = RootCertStore::empty();
        for ca in CertificateDer::pem_slice_iter(&read(&data_dir.join("certs/ca.pem"))?) {
            roots.add(ca.map_err(bad("ca.pem"))?).map_err(|e| Fault::Tls(e.to_string()))?;
        }
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(&out.join("load.pem"))?).collect();
        let key = PrivateKeyDer::from_pem_slice(&read(&out.join("load.key"))?).map_err(bad("load.key"))?;
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| Fault::Tls(e.to_string()))?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain.map_err(bad("load.pem"))?, key)
            .map_err(|e| Fault::Tls(e.to_string()))?;
        Ok(Self { config: Arc::new(config) })
    }
}

/// See the file's head.
pub struct Session {
    conn: UnbufferedClientConnection,
    /// A record whose end has not come yet.
    rest: Vec<u8>,
    /// Waits for the end of the handshake.
    plain: Vec<u8>,
    /// The handshake is done.
    pub established: bool,
}

impl Session {
    /// A client's side; [`Self::advance`] begins the handshake.
    ///
    /// # Errors
    /// When rustls refuses the configuration.
    pub fn new(identity: &Identity) -> io::Result<Self> {
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let conn = UnbufferedClientConnection::new(identity.config.clone(), name).map_err(io::Error::other)?;
        Ok(Self { conn, rest: Vec::new(), plain: Vec::new(), established: false })
    }

    /// Puts the unfinished record in front of `scratch`; how long it is.
    pub fn unfinished(&mut self, scratch: &mut [u8]) -> usize {
        scratch[..self.rest.len()].copy_from_slice(&self.rest);
        std::mem::take(&mut self.rest).len()
    }

    /// Encrypts.
    ///
    /// # Errors
    /// TLS errors.
    pub fn send(&mut self, plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        self.plain.extend_from_slice(plain);
        let mut rest = std::mem::take(&mut self.rest);
        self.advance(&mut rest, out, &mut |_| {}).map(|_| ())
    }

    /// Deals with received records: `sink` gets what they say, `out` what must be sent. False = the peer closed.
    ///
    /// # Errors
    /// TLS errors.
    pub fn advance(&mut self, received: &mut [u8], out: &mut Vec<u8>, sink: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        let (mut start, mut open) = (0, true);
        loop {
            let UnbufferedStatus { mut discard, state } = self.conn.process_tls_records(&mut received[start..]);
            let mut more = true;
            match state.map_err(io::Error::other)? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(io::Error::other)?;
                        discard += record.discard;
                        sink(record.payload);
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => with_room(out, |room| match data.encode(room) {
                    Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => {
                        Ok(Err(required_size))
                    }
                    done => done.map(Ok).map_err(io::Error::other),
                })?,
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::WriteTraffic(mut traffic) => {
                    self.established = true;
                    if !self.plain.is_empty() {
                        let plain = &self.plain;
                        with_room(out, |room| match traffic.encrypt(plain, room) {
                            Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size })) => {
                                Ok(Err(required_size))
                            }
                            done => done.map(Ok).map_err(io::Error::other),
                        })?;
                        self.plain.clear();
                    }
                    more = false;
                }
                ConnectionState::PeerClosed | ConnectionState::Closed => (open, more) = (false, false),
                _ => more = false,
            }
            start += discard;
            if !more {
                break;
            }
        }
        self.rest = received[start..].to_vec();
        Ok(open)
    }
}

/// Lets `write` fill the end of `out`; it says how much it wrote or how much room it needs.
fn with_room(
    out: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> io::Result<Result<usize, usize>>,
) -> io::Result<()> {
    let at = out.len();
    let mut room = 4 * 1024;
    loop {
        out.resize(at + room, 0);
        match write(&mut out[at..])? {
            Ok(n) => {
                out.truncate(at + n);
                return Ok(());
            }
            Err(needed) => room = needed,
        }
    }
}
