//! [`Bags`]: what is in a P12 file, as a client sees it that opens it with the password in the preferences.
use p12_keystore::Pkcs12Archive;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Private keys and certificates of a file. Never shown: it holds keys.
pub struct Bags {
    keys: Vec<Vec<u8>>,
    /// DER, in the order of the file.
    pub certs: Vec<Vec<u8>>,
}

/// Somebody's key with its certificate and what else was in the file.
pub struct KeyAndChain {
    /// PKCS#8 DER.
    pub key: Vec<u8>,
    /// DER, the certificate of the key first.
    pub chain: Vec<Vec<u8>>,
}

impl Bags {
    /// Opens it; None = not a P12, or another password. Which of the two is not told by the file.
    pub fn open(bytes: &[u8], password: &str) -> Option<Self> {
        let archive = Pkcs12Archive::from_pkcs12(bytes, password).ok()?;
        Some(Self {
            keys: archive.keys.iter().map(|k| k.key.as_der().to_vec()).collect(),
            certs: archive.certs.iter().map(|c| c.cert.as_der().to_vec()).collect(),
        })
    }

    /// How many private keys.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// The key with its certificate: clients look for the one that belongs to the key, wherever it stands.
    ///
    /// # Errors
    /// What is missing.
    pub fn identity(&self) -> Result<KeyAndChain, &'static str> {
        let [key] = self.keys.as_slice() else {
            return Err(if self.keys.is_empty() {
                "there is no private key in it"
            } else {
                "it holds several private keys"
            });
        };
        let belongs = |der: &Vec<u8>| belongs(key, der);
        let at = self.certs.iter().position(belongs).ok_or("no certificate in it belongs to its private key")?;
        let mut chain = self.certs.clone();
        let leaf = chain.remove(at);
        chain.insert(0, leaf);
        Ok(KeyAndChain { key: key.clone(), chain })
    }
}

/// Is this the certificate of this key?
fn belongs(key: &[u8], cert: &[u8]) -> bool {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.to_vec()));
    let Ok(key) = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key) else { return false };
    let Ok((_, parsed)) = X509Certificate::from_der(cert) else { return false };
    key.public_key().is_some_and(|public| public.as_ref() == parsed.public_key().raw)
}

impl KeyAndChain {
    /// For a TLS client.
    pub fn for_tls(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let chain = self.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
        (chain, PrivatePkcs8KeyDer::from(self.key.clone()).into())
    }
}
