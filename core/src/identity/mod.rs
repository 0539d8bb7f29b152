//! Who is speaking: users, tokens, groups ([`Accounts`]), certificates ([`Authority`]), enrolment (identity.md).
//! Nothing here knows HTTP: the endpoints are `http/marti` and `http/admin`.
pub mod accounts;
mod certs;
pub mod files;
mod p12;
pub mod packages;
mod role;

pub use accounts::Accounts;
pub use certs::{Authority, CertError, Issued, SharedAuthority, Subject};
pub use role::{Role, Scope, Scopes};

#[cfg(test)]
mod tests;
