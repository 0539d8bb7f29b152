//! Certificates for users whose key the server makes: packages, REST users, `fts cert issue`.
use super::{
    audit::Actor,
    ca::{CertError, Issued, Profile},
    certificates::Order,
};
use crate::http::native::Native;

/// Makes a key and a client certificate with the common name `user` for the device `client_uid` ("" = none in
/// particular), and keeps its row. `via` is `cli`, `rest` or `import`. The P12 has the password `packages.password`.
///
/// # Errors
/// [`CertError`]; nothing is stored then.
pub fn issue_client(native: &Native, user: &str, client_uid: &str, via: &'static str) -> Result<Issued, CertError> {
    issue_named(native, user, user, client_uid, via)
}

/// The same with a common name of its own (FreeTAKServer names certificates `<Name><uid>`).
///
/// # Errors
/// [`CertError`]; a name that could not stand in a file name or a subject is refused.
pub fn issue_named(
    native: &Native,
    cn: &str,
    user: &str,
    client_uid: &str,
    via: &'static str,
) -> Result<Issued, CertError> {
    checked(cn)?;
    let profile = Profile::Client { cn: cn.to_owned(), channels: false, until: None, uid: client_uid.to_owned() };
    let order = Order { profile: &profile, user, client_uid, client_version: "", via };
    native.certificates.issue(&order, &native.config().packages.password, &Actor::server())
}

/// Names of users and hosts, as they stand in certificates and file names.
///
/// # Errors
/// It is no such name.
pub fn checked(name: &str) -> Result<(), CertError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) || name.starts_with(['.', '-']) {
        return Err(CertError::Refused(format!(
            "{name:?}: a name has 1 to 64 of the characters A-Z a-z 0-9 . _ @ - and begins with a letter or digit"
        )));
    }
    Ok(())
}
