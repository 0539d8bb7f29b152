//! Private keys: making them, and the CA's on disk. It may lie there encrypted (PKCS#8, PBES2); the passphrase comes from
//! `FTS_CA_KEY_PASSWORD` or the file `FTS_CA_KEY_PASSWORD_FILE` names, never from the configuration. A key that is there
//! stays as it is; only new ones are written encrypted, when there is a passphrase.
use std::path::Path;

use pkcs8::{EncryptedPrivateKeyInfoOwned, LineEnding, PrivateKeyInfoRef, der::Decode};
use rcgen::{KeyPair, RsaKeySize};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};

use super::CertError;
use crate::{config::KeyType, identity::files};

/// A passphrase; shows nothing of itself.
#[derive(Clone)]
pub struct Passphrase(String);

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Passphrase {
    /// This one.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The one of the environment, of the file it names, or of the systemd credential `FTS_CA_KEY_PASSWORD`.
    ///
    /// # Errors
    /// A file is named and cannot be read.
    pub fn of_process() -> Result<Option<Self>, CertError> {
        const NAME: &str = "FTS_CA_KEY_PASSWORD";
        if let Ok(text) = std::env::var(NAME) {
            return Ok(Some(Self(text)));
        }
        let named = std::env::var_os(format!("{NAME}_FILE")).map(std::path::PathBuf::from);
        let credential = std::env::var_os("CREDENTIALS_DIRECTORY").map(|dir| Path::new(&dir).join(NAME));
        let path = named.or(credential.filter(|path| path.exists()));
        path.map(|path| Ok(Self(files::read(&path)?.trim_end_matches(['\r', '\n']).to_owned()))).transpose()
    }
}

/// A new key.
///
/// # Errors
/// The library could not make one.
pub fn make(kind: KeyType) -> Result<KeyPair, CertError> {
    let rsa = |size| KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size);
    Ok(match kind {
        KeyType::Rsa2048 => rsa(RsaKeySize::_2048)?,
        KeyType::Rsa3072 => rsa(RsaKeySize::_3072)?,
        KeyType::Rsa4096 => rsa(RsaKeySize::_4096)?,
        KeyType::P256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?,
    })
}

/// Reads a key, plain (PKCS#8, PKCS#1, SEC 1) or encrypted.
///
/// # Errors
/// It is no key, or encrypted and the passphrase is missing or wrong.
pub fn read(path: &Path, pass: Option<&Passphrase>) -> Result<KeyPair, CertError> {
    of_pem(&files::read(path)?, pass).map_err(|what| CertError::bad(path, what))
}

/// The same of a text.
///
/// # Errors
/// Why it is no good.
pub fn of_pem(pem: &str, pass: Option<&Passphrase>) -> Result<KeyPair, String> {
    if !pem.contains("BEGIN ENCRYPTED PRIVATE KEY") {
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| "no PEM private key in it".to_owned())?;
        return KeyPair::try_from(key.secret_der()).map_err(|e| format!("no usable private key: {e}"));
    }
    let pass =
        pass.ok_or("the key is encrypted; give its passphrase in FTS_CA_KEY_PASSWORD or FTS_CA_KEY_PASSWORD_FILE")?;
    let (_, document) = pkcs8::SecretDocument::from_pem(pem).map_err(|e| format!("no usable private key: {e}"))?;
    let sealed = EncryptedPrivateKeyInfoOwned::from_der(document.as_bytes())
        .map_err(|e| format!("no usable encrypted private key: {e}"))?;
    let plain = sealed.decrypt(&pass.0).map_err(|_| {
        "the passphrase in FTS_CA_KEY_PASSWORD does not open the key (or its encryption is not PBES2 with AES)"
            .to_owned()
    })?;
    KeyPair::try_from(plain.as_bytes()).map_err(|e| format!("no usable private key: {e}"))
}

/// As it is written to disk.
///
/// # Errors
/// Encryption failed.
pub fn to_pem(key: &KeyPair, pass: Option<&Passphrase>) -> Result<String, CertError> {
    let Some(pass) = pass else { return Ok(key.serialize_pem()) };
    let failed = |what: String| CertError::Making(format!("the CA key could not be encrypted: {what}"));
    let (salt, iv): ([u8; 16], [u8; 16]) = (rand::random(), rand::random());
    let scheme = pkcs8::pkcs5::pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(ROUNDS, &salt, iv)
        .map_err(|e| failed(e.to_string()))?;
    let plain = PrivateKeyInfoRef::from_der(key.serialized_der()).map_err(|e| failed(e.to_string()))?;
    let sealed = plain.encrypt_with_params(scheme, &pass.0).map_err(|e| failed(e.to_string()))?;
    let pem = sealed.to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF).map_err(|e| failed(e.to_string()))?;
    Ok(pem.as_str().to_owned())
}

/// PBKDF2 with HMAC-SHA256.
const ROUNDS: u32 = 600_000;
