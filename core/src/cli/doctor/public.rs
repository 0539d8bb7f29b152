//! The CAs this machine trusts for web pages: what devices that come with the same public CAs make of `tls.web_cert`.
//! `SSL_CERT_FILE` names them, as for OpenSSL; else they are where distributions put them. None is no error: then nothing
//! is of a public CA.
use std::path::PathBuf;

use crate::identity::ca::parse;

/// Where distributions keep them all in one file.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Their certificates, DER.
pub fn roots() -> Vec<Vec<u8>> {
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let bundle = named.or_else(|| BUNDLES.iter().map(PathBuf::from).find(|path| path.is_file()));
    let text = bundle.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    parse::certificates(&text)
}
