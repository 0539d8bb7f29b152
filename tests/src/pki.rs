//! [`Pki`]: certificates for TLS clients, issued by the server's own command as an operator would.
use std::{fs, path::PathBuf, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::Server;

/// The files of one issued certificate.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Pki {
    pub name: String,
    pub dir: PathBuf,
}

impl Pki {
    /// Runs `fts cert issue NAME`.
    pub fn issue(server: &Server, name: &str) -> Self {
        let dir = server.dir().join("issued");
        let out = server.cli(&["cert", "issue", name, "--out", dir.to_str().expect("utf-8 path")]);
        assert!(out.status.success(), "fts cert issue: {}", String::from_utf8_lossy(&out.stderr));
        Self { name: name.to_owned(), dir }
    }

    /// A file of it: `pem`, `key` or `p12`.
    pub fn file(&self, ending: &str) -> PathBuf {
        self.dir.join(format!("{}.{ending}", self.name))
    }

    /// A rustls client with this certificate that trusts the server's CA; the protocol versions as given.
    pub fn client(
        &self,
        ca: &std::path::Path,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let chain: Vec<_> = CertificateDer::pem_file_iter(self.file("pem")).unwrap().collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(&fs::read(self.file("key")).unwrap()).unwrap();
        let config = builder(ca, versions).with_client_auth_cert(chain, key).unwrap();
        Arc::new(config)
    }
}

/// A rustls client without a certificate.
pub fn stranger(ca: &std::path::Path) -> Arc<ClientConfig> {
    Arc::new(builder(ca, rustls::ALL_VERSIONS).with_no_client_auth())
}

fn builder(
    ca: &std::path::Path,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let mut roots = RootCertStore::empty();
    for cert in CertificateDer::pem_file_iter(ca).unwrap() {
        roots.add(cert.unwrap()).unwrap();
    }
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
}
