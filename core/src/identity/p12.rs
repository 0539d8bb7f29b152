//! PKCS#12 as phones and desktops read it: 3DES with HMAC-SHA1, 2048 iterations, AES on demand (identity.md 3.3).
use p12_keystore::{
    Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, Pkcs12ImportPolicy, PrivateKey,
    PrivateKeyChain,
};

use super::ca::CertError;
use crate::config::P12Encryption;

const ITERATIONS: u32 = 2_048;

fn failed(error: impl std::fmt::Display) -> CertError {
    CertError::Making(format!("a P12 file could not be made: {error}"))
}

fn write(store: &KeyStore, password: &str, encryption: P12Encryption) -> Result<Vec<u8>, CertError> {
    let (cipher, mac) = match encryption {
        P12Encryption::TripleDes => (EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc, MacAlgorithm::HmacSha1),
        P12Encryption::Aes256 => (EncryptionAlgorithm::PbeWithHmacSha256AndAes256, MacAlgorithm::HmacSha256),
    };
    let writer = store.writer(password).encryption_algorithm(cipher).mac_algorithm(mac);
    writer.encryption_iterations(ITERATIONS).mac_iterations(ITERATIONS).write().map_err(failed)
}

/// Key with its chain, leaf first.
pub(super) fn keystore(
    alias: &str,
    key: &[u8],
    chain: &[&[u8]],
    password: &str,
    encryption: P12Encryption,
) -> Result<Vec<u8>, CertError> {
    let certs = chain.iter().map(|der| Certificate::from_der(der)).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let key = PrivateKey::from_der(key).map_err(failed)?;
    let mut store = KeyStore::new();
    store.add_entry(alias, KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new(b"1".to_vec(), key, certs)));
    write(&store, password, encryption)
}

/// Certificates without a key, each under its name: a certificate that matches a key would not count as a CA.
pub(super) fn certificates(
    named: &[(String, Vec<u8>)],
    password: &str,
    encryption: P12Encryption,
) -> Result<Vec<u8>, CertError> {
    let mut store = KeyStore::new();
    for (name, der) in named {
        store.add_entry(name, KeyStoreEntry::Certificate(Certificate::from_der(der).map_err(failed)?));
    }
    write(&store, password, encryption)
}

/// Does a file hold exactly these certificates, and no key, under this password?
pub(super) fn holds(file: &[u8], password: &str, ders: &[&[u8]]) -> bool {
    let Ok(store) = KeyStore::from_pkcs12(file, password, Pkcs12ImportPolicy::Raw) else { return false };
    let known = |(_, entry): (&String, &KeyStoreEntry)| match entry {
        KeyStoreEntry::Certificate(cert) => ders.contains(&cert.as_der()),
        KeyStoreEntry::PrivateKeyChain(_) | KeyStoreEntry::Secret(_) => false,
    };
    store.entries_len() == ders.len() && store.entries().all(known)
}
