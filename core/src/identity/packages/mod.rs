//! Client packages (identity.md 4): what a phone or desktop imports to connect, made in memory, kept in `packages.dir`
//! readable by the server's user only, and looked at with the client's rules before they are handed out.
//!
//! Order: names are checked, a certificate is issued, [`Flavour::package`] makes the bytes, [`inspect`] looks at them,
//! [`keep`] writes them. No truststore ever holds a key, and no name from outside reaches a path unchecked.
mod flavours;
pub mod inspect;
pub mod keystore;
pub mod make;
pub mod manifest;
pub mod preferences;
pub mod rules;
pub mod zip;

use std::path::PathBuf;

pub use flavours::{Contents, Flavour, Ports, TRUSTSTORE};

use super::{CertError, files};
use crate::config::Config;

/// What is wrong with a package, or why there is none.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum PackageError {
    #[error("{0:?}: a name has 1 to 64 of the characters A-Z a-z 0-9 . _ @ - and begins with a letter or digit")]
    Name(String),
    #[error(
        "host {0:?}: clients write host:port:ssl, so it must be an IPv4 address or a host name (letters, digits, - and .)"
    )]
    Host(String),
    #[error("the zip cannot be used: {0}")]
    Zip(String),
    #[error("MANIFEST/manifest.xml cannot be used: {0}")]
    Manifest(String),
    #[error("the preferences cannot be used: {0}")]
    Preferences(String),
    #[error("{0}")]
    NoListener(&'static str),
    #[error("a package for {flavour} would not connect: {why}")]
    Unusable { flavour: &'static str, why: String },
    #[error("{0}")]
    Cert(#[from] CertError),
}

/// A name that may stand in a path, a manifest and a certificate.
///
/// # Errors
/// [`PackageError::Name`].
pub fn check_name(name: &str) -> Result<(), PackageError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
    let good = (1..=64).contains(&name.len())
        && name.chars().all(plain)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if good { Ok(()) } else { Err(PackageError::Name(name.to_owned())) }
}

/// A host a client can be told.
///
/// # Errors
/// [`PackageError::Host`]: the colons of an IPv6 address have no place in `host:port:ssl`.
pub fn check_host(host: &str) -> Result<(), PackageError> {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    let good = host.len() <= 253 && host.trim_end_matches('.').split('.').all(label);
    if good { Ok(()) } else { Err(PackageError::Host(host.to_owned())) }
}

/// UUIDv5 of what makes a package the same one: importing it again replaces it.
pub fn uid(server_id: &str, cn: &str, part: &str) -> String {
    let name = format!("{server_id}\n{cn}\n{part}");
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(uuid::Uuid::NAMESPACE_OID.as_bytes());
    context.update(name.as_bytes());
    let mut first = [0; 16];
    first.copy_from_slice(&context.finish().as_ref()[..16]);
    uuid::Builder::from_sha1_bytes(first).into_uuid().to_string()
}

/// Where the package of this name is kept. Of several flavours made at once the first has the plain name, the others
/// have theirs behind a `+`, which no name has.
pub fn path(config: &Config, cn: &str, beside: Option<Flavour>) -> PathBuf {
    let name = beside.map_or_else(|| format!("{cn}.zip"), |flavour| format!("{cn}+{}.zip", flavour.name()));
    config.packages.dir.join(name)
}

/// Writes it there, whole or not at all, for the server's user only.
///
/// # Errors
/// [`PackageError::Cert`] with the file.
pub fn keep(config: &Config, cn: &str, beside: Option<Flavour>, package: &[u8]) -> Result<PathBuf, PackageError> {
    check_name(cn)?;
    files::private_dir(&config.packages.dir)?;
    let path = path(config, cn, beside);
    files::write(&path, package, files::PRIVATE)?;
    Ok(path)
}

/// Removes everything that is kept of this name. How many files.
pub fn forget(config: &Config, cn: &str) -> usize {
    if check_name(cn).is_err() {
        return 0;
    }
    let all = Flavour::ALL.into_iter().map(Some).chain([None]);
    all.filter(|beside| std::fs::remove_file(path(config, cn, *beside)).is_ok()).count()
}

#[cfg(test)]
mod tests;
