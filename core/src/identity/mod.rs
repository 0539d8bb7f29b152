//! Who is speaking: users, tokens, groups ([`Accounts`]), certificates ([`Authority`]), enrolment (identity.md).
//! Nothing here knows HTTP: the endpoints are `http/marti` and `http/admin`.
pub mod accounts;
pub mod audit;
pub mod ca;
pub mod files;
mod p12;
pub mod packages;
mod role;

pub use accounts::Accounts;
pub use ca::{Authority, CertError, Issued, Profile, SharedAuthority};
pub use role::{Role, Scope, Scopes};
