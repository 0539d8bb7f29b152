//! [`Request`]: a certificate request as clients send it, read and held to the rules in their order (identity.md 5.3): it
//! parses and is signed by its own key, SHA-1 included because ATAK signs so; RSA has 2048 bits or more; its one CN is the
//! user; the rest of its name is what `tls/config` told, as a set. Extensions it asks for are not looked at, and its name
//! is never copied: ours is built from what was told.
use base64::{Engine, prelude::BASE64_STANDARD};
use x509_parser::{
    certification_request::X509CertificationRequest,
    oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION},
    prelude::{FromDer, X509Version},
    public_key::PublicKey,
    x509::SubjectPublicKeyInfo,
};

use super::ca::{CertError, name};

/// A request that is well-formed and signed by the key it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its only common name.
    pub cn: String,
    /// The rest of its name: short name (`O`, or the dotted identifier of one nobody asked for) and value.
    pub rest: Vec<(String, String)>,
    /// Its public key, DER.
    pub key: Vec<u8>,
}

fn refused(what: impl Into<String>) -> CertError {
    CertError::Refused(what.into())
}

impl Request {
    /// Of a body: bare base64 with or without line breaks, or PEM with `CERTIFICATE REQUEST` or `NEW CERTIFICATE
    /// REQUEST`.
    ///
    /// # Errors
    /// [`CertError::Refused`]: which rule it breaks.
    pub fn read(body: &[u8]) -> Result<Self, CertError> {
        Self::of_der(&der(body)?)
    }

    fn of_der(der: &[u8]) -> Result<Self, CertError> {
        let (rest, request) = X509CertificationRequest::from_der(der)
            .map_err(|_| refused("the body is no certificate request (PKCS#10)"))?;
        if !rest.is_empty() {
            return Err(refused("something stands behind the certificate request"));
        }
        let info = &request.certification_request_info;
        if info.version != X509Version(0) {
            return Err(refused("the certificate request is not of version 1"));
        }
        strong(&info.subject_pki)?;
        request
            .verify_signature()
            .map_err(|_| refused("the signature of the certificate request is wrong, or of a kind not taken here"))?;
        let mut names = Vec::new();
        for attribute in info.subject.iter_rdn().flat_map(|rdn| rdn.iter()) {
            let kind = attribute.attr_type().to_id_string();
            let value = text(attribute).ok_or_else(|| refused("a part of the request's name cannot be read"))?;
            let kind = if kind == "2.5.4.3" { "CN" } else { name::short(&kind).unwrap_or(&kind) };
            names.push((kind.to_owned(), value));
        }
        let (common, rest): (Vec<_>, Vec<_>) = names.into_iter().partition(|(kind, _)| kind == "CN");
        match <[_; 1]>::try_from(common) {
            Ok([(_, cn)]) => Ok(Self { cn, rest, key: info.subject_pki.raw.to_vec() }),
            Err(_) => Err(refused("the certificate request must have exactly one common name (CN)")),
        }
    }

    /// The rest of its name is this, in any order and any case of letters.
    pub fn has_exactly(&self, wanted: &[name::Entry]) -> bool {
        let mut left: Vec<_> = self.rest.iter().collect();
        let found = |(kind, value): &name::Entry, left: &mut Vec<&(String, String)>| {
            let same = |(k, v): &&(String, String)| k == kind && v.to_lowercase() == value.to_lowercase();
            let at = left.iter().position(same);
            at.map(|at| left.swap_remove(at)).is_some()
        };
        wanted.iter().all(|entry| found(entry, &mut left)) && left.is_empty()
    }
}

/// UTF-8, printable, IA5 and numeric strings; BMP strings of old Java clients.
fn text(attribute: &x509_parser::x509::AttributeTypeAndValue<'_>) -> Option<String> {
    const BMP: u32 = 30;
    let value = attribute.attr_value();
    if value.tag().0 == BMP {
        let units: Vec<u16> =
            value.data.chunks(2).filter_map(|b| Some(u16::from_be_bytes(b.try_into().ok()?))).collect();
        return String::from_utf16(&units).ok().filter(|_| value.data.len() % 2 == 0);
    }
    attribute.as_str().ok().map(str::to_owned)
}

fn strong(key: &SubjectPublicKeyInfo<'_>) -> Result<(), CertError> {
    let kind = &key.algorithm.algorithm;
    if *kind == OID_PKCS1_RSAENCRYPTION {
        let bits = key.parsed().map(|k| if let PublicKey::RSA(rsa) = k { rsa.key_size() } else { 0 }).unwrap_or(0);
        return match bits {
            2_048.. => Ok(()),
            bits => Err(refused(format!("the RSA key has {bits} bits; at least 2048 are wanted"))),
        };
    }
    let curve = key.algorithm.parameters.as_ref().and_then(|p| p.as_oid().ok());
    let known = curve.is_some_and(|c| c == OID_EC_P256 || c == OID_NIST_EC_P384);
    if *kind == OID_KEY_TYPE_EC_PUBLIC_KEY && known {
        return Ok(());
    }
    Err(refused("keys are RSA with 2048 bits or more, or on the curves P-256 and P-384"))
}

fn der(body: &[u8]) -> Result<Vec<u8>, CertError> {
    let text = std::str::from_utf8(body).map_err(|_| refused("the body is neither PEM nor base64"))?.trim();
    let inner = match text.strip_prefix("-----BEGIN ") {
        None => text,
        Some(rest) => {
            let (label, rest) = rest.split_once("-----").unwrap_or_default();
            if !["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"].contains(&label) {
                return Err(refused("the PEM in the body is no CERTIFICATE REQUEST"));
            }
            rest.split("-----END").next().unwrap_or_default()
        }
    };
    let plain: String = inner.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    if plain.is_empty() {
        return Err(refused("the body is empty; a certificate request is wanted"));
    }
    BASE64_STANDARD.decode(plain).map_err(|_| refused("the body is neither PEM nor base64"))
}

#[cfg(test)]
#[path = "csr_tests.rs"]
mod tests;
