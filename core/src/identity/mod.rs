//! Who is speaking. For now: the certificates (identity.md 3) the TLS listener and `fts cert issue` need; users,
//! groups' sources and enrolment arrive with the identity issue.
mod certs;
pub mod files;
mod p12;

pub use certs::{Authority, CertError, Issued, SharedAuthority, Subject};

#[cfg(test)]
mod tests;
