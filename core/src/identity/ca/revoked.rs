//! [`Revoked`]: which certificates are no longer good, for a look-up at each handshake and request.
use std::collections::HashSet;

use super::{Facts, Revocation};
use crate::net::PeerCert;

/// See the file's head.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Revoked {
    /// Issuer and serial.
    numbers: HashSet<(String, String)>,
    hashes: HashSet<String>,
    /// Serials of those whose certificate nobody has.
    bare: HashSet<String>,
}

impl Revoked {
    /// Of a list.
    pub fn of(list: &[Revocation]) -> Self {
        let mut all = Self::default();
        for entry in list {
            all.numbers.insert((entry.issuer.clone(), entry.serial.clone()));
            if entry.sha256.is_empty() {
                all.bare.insert(entry.serial.clone());
            } else {
                all.hashes.insert(entry.sha256.clone());
            }
        }
        all
    }

    /// Is it this list?
    pub fn is(&self, list: &[Revocation]) -> bool {
        *self == Self::of(list)
    }

    /// A certificate as it comes in a handshake, DER. What cannot be read is not good.
    pub fn has(&self, der: &[u8]) -> bool {
        if self.numbers.is_empty() {
            return false;
        }
        Facts::of(der).is_none_or(|f| self.hashes.contains(&f.sha256) || self.numbers.contains(&(f.issuer, f.serial)))
    }

    /// The certificate of a connection.
    pub fn has_peer(&self, cert: &PeerCert) -> bool {
        self.hashes.contains(&cert.sha256) || self.bare.contains(&cert.serial_hex)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
}
