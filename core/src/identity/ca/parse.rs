//! Reading certificates: PEM to DER, and the few facts of one that the server keeps ([`Facts`]). Serials are lower-case
//! hex without leading zero bytes, everywhere: as `openssl x509 -serial` prints them, in small letters.
use base64::{Engine, prelude::BASE64_STANDARD};
use x509_parser::prelude::{FromDer, X509Certificate};

/// What the table, lists and logs say about a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Facts {
    pub serial: String,
    pub sha256: String,
    /// As x509-parser writes it: `CN=…, O=…`.
    pub subject: String,
    pub issuer: String,
    pub common_name: String,
    /// Seconds UTC.
    pub not_before: i64,
    pub not_after: i64,
}

impl Facts {
    /// None = not a certificate.
    pub fn of(der: &[u8]) -> Option<Self> {
        let (_, cert) = X509Certificate::from_der(der).ok()?;
        let name = cert.subject().iter_common_name().next().and_then(|n| n.as_str().ok()).unwrap_or_default();
        Some(Self {
            serial: serial(cert.raw_serial()),
            sha256: sha256(der),
            subject: cert.subject().to_string(),
            issuer: cert.issuer().to_string(),
            common_name: name.to_owned(),
            not_before: cert.validity().not_before.timestamp(),
            not_after: cert.validity().not_after.timestamp(),
        })
    }
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// SHA-256 in lower-case hex.
pub fn sha256(der: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der).as_ref())
}

/// A serial as it is kept; DER puts a zero byte before numbers whose first bit is set.
pub fn serial(raw: &[u8]) -> String {
    let zeros = raw.iter().take_while(|b| **b == 0).count().min(raw.len().saturating_sub(1));
    hex(&raw[zeros..])
}

/// A serial as people write it: either case, with colons, with zeros before. None = not hex.
pub fn serial_of_text(text: &str) -> Option<String> {
    let digits: String = text.trim().trim_start_matches("0x").chars().filter(|c| *c != ':').collect();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let even = format!("{}{digits}", if digits.len() % 2 == 1 { "0" } else { "" });
    let bytes: Option<Vec<u8>> =
        (0..even.len()).step_by(2).map(|n| u8::from_str_radix(&even[n..n + 2], 16).ok()).collect();
    Some(serial(&bytes?))
}

/// All certificates of a PEM text, DER. What else is in it (a CRL, keys, text) is passed over.
pub fn certificates(pem: &str) -> Vec<Vec<u8>> {
    use rustls_pki_types::{CertificateDer, pem::PemObject};
    // One that is broken ends the text: what follows cannot be told apart.
    CertificateDer::pem_slice_iter(pem.as_bytes()).map_while(Result::ok).map(|c| c.to_vec()).collect()
}

/// One as PEM.
pub fn pem(der: &[u8]) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", base64_lines(der))
}

/// Base64 in lines of 64 characters, no newline at the end.
pub fn base64_lines(bytes: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(bytes);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|n| &text[n..(n + 64).min(text.len())]).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_have_one_form() {
        assert_eq!((serial(&[0, 0x8F, 1]), serial(&[0]), serial(&[0, 0])), ("8f01".into(), "00".into(), "00".into()));
        for text in ["8F01", "08f:01", "0x8f01", "00:8f:01", " 8f01 "] {
            assert_eq!(serial_of_text(text).as_deref(), Some("8f01"), "{text}");
        }
        assert_eq!((serial_of_text(""), serial_of_text("8g")), (None, None));
    }

    #[test]
    fn pem_there_and_back() {
        let der = vec![7; 100];
        let text = pem(&der);
        assert!(text.lines().all(|l| l.len() <= 64));
        assert_eq!(certificates(&format!("noise\n{text}{text}")), [der.clone(), der]);
    }
}
