//! The CA, the server certificate and issued client certificates (identity.md 3.2, 3.3).

use std::{path::PathBuf, sync::Arc};

use crate::config::Config;

/// What went wrong with a certificate or key file; names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// Reading or writing a file.
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    /// A file's content, or making something.
    #[error("{path}: {what}")]
    Bad { path: PathBuf, what: String },
}

/// Who a certificate is for.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Subject {
    Client { cn: String },
    Server { cn: String, names: Vec<String> },
}

/// A freshly issued certificate: PEM texts and a P12 with key, leaf and chain.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Issued {
    pub cert_pem: String,
    pub chain_pem: String,
    pub key_pem: String,
    pub p12: Vec<u8>,
    pub serial_hex: String,
    pub not_after_ms: i64,
}

/// The CA with its files, and the server's certificate made from it.
#[derive(Debug)]
pub struct Authority {
    _priv: (),
}

impl Authority {
    /// Loads CA and server certificate or makes what is missing (first start), renewing the server certificate when it
    /// is near its end or its names changed. Makes `crl.pem` and `ca-trust.p12` too.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn open(config: &Config) -> Result<Self, CertError> {
        let _ = config;
        Ok(Self { _priv: () })
    }
    /// rustls server configuration for a CoT TLS listener: TLS 1.2 and 1.3, client certificates per `client_cert`,
    /// verified against the CA and the CRL.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn server_config(
        &self,
        config: &Config,
        client_cert: crate::config::ClientCert,
    ) -> Result<Arc<rustls::ServerConfig>, CertError> {
        let _ = (config, client_cert);
        Err(CertError::Bad { path: PathBuf::new(), what: "not written".into() })
    }
    /// Issues a certificate.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn issue(&self, config: &Config, subject: &Subject, p12_password: &str) -> Result<Issued, CertError> {
        let _ = (config, subject, p12_password);
        Err(CertError::Bad { path: PathBuf::new(), what: "not written".into() })
    }
    /// CA certificates only, as P12 (truststore).
    ///
    /// # Errors
    /// [`CertError`].
    pub fn truststore(&self, password: &str) -> Result<Vec<u8>, CertError> {
        let _ = password;
        Ok(Vec::new())
    }
    /// Days until CA and server certificate end, for readiness and metrics.
    pub fn days_left(&self) -> (i64, i64) {
        (0, 0)
    }
}
