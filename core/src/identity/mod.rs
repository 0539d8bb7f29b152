//! Who is speaking: users, tokens, groups ([`Accounts`]), certificates ([`Authority`]), enrolment (identity.md).
//! Nothing here knows HTTP: the endpoints are `http/marti` and `http/admin`.
pub mod accounts;
pub mod adopt;
pub mod audit;
pub mod ca;
pub mod certificates;
pub mod csr;
pub mod enroll;
pub mod files;
pub mod inventory;
mod issue;
pub mod jwt;
pub mod keeper;
mod live;
mod p12;
pub mod packages;
pub mod qr;
mod revoke;
mod role;

pub use accounts::Accounts;
pub use ca::{Authority, CertError, Issued, Profile, SharedAuthority};
pub use certificates::{Certificates, Order};
pub use issue::{checked, issue_client, issue_named};
pub use live::Pass;
pub use revoke::Revoke;
pub use role::{Role, Scope, Scopes};
