//! Distinguished names: what is behind the CN of everything we issue ([`entries`]), and how such a name is built.
//! Only attribute names OpenSSL knows are taken, each at most once: ATAK gives up on others (identity.md 5.2).
use rcgen::{DistinguishedName, DnType, DnValue};

use super::CertError;
use crate::config::Config;

/// Short name and object identifier. The same names OpenSSL has.
const KNOWN: &[(&str, &[u64])] = &[
    ("C", &[2, 5, 4, 6]),
    ("ST", &[2, 5, 4, 8]),
    ("L", &[2, 5, 4, 7]),
    ("O", &[2, 5, 4, 10]),
    ("OU", &[2, 5, 4, 11]),
    ("street", &[2, 5, 4, 9]),
    ("serialNumber", &[2, 5, 4, 5]),
    ("title", &[2, 5, 4, 12]),
    ("GN", &[2, 5, 4, 42]),
    ("SN", &[2, 5, 4, 4]),
    ("DC", &[0, 9, 2342, 19200300, 100, 1, 25]),
    ("emailAddress", &[1, 2, 840, 113549, 1, 9, 1]),
];

/// An entry behind the CN.
pub type Entry = (&'static str, String);

/// What every leaf has behind its CN and clients are told to ask for: `enrollment.name_entries`, else `tls.subject`. At
/// least two: a single one crashes CloudTAK (identity.md 5.2).
///
/// # Errors
/// A name OpenSSL does not know, or one that stands twice.
pub fn entries(config: &Config) -> Result<Vec<Entry>, CertError> {
    let own = &config.enrollment.name_entries;
    let (key, list) = if own.is_empty() { (SUBJECT, &config.tls.subject) } else { (ENTRIES, own) };
    let mut entries = checked(list).map_err(|what| CertError::Making(format!("{key}: {what}")))?;
    for (name, value) in [("O", "TAK"), ("OU", "TAK")] {
        if entries.len() < 2 && !entries.iter().any(|(n, _)| *n == name) {
            entries.push((name, value.to_owned()));
        }
    }
    Ok(entries)
}

const SUBJECT: &str = "tls.subject";
const ENTRIES: &str = "enrollment.name_entries";

/// What is wrong with the names of the configuration: key and reason.
pub fn wrong(config: &Config) -> Option<(&'static str, String)> {
    let one = |key, list: &[(String, String)]| checked(list).err().map(|what| (key, what));
    one(SUBJECT, &config.tls.subject).or_else(|| one(ENTRIES, &config.enrollment.name_entries))
}

fn checked(list: &[(String, String)]) -> Result<Vec<Entry>, String> {
    let mut entries: Vec<Entry> = Vec::new();
    for (name, value) in list {
        let known = KNOWN.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(n, _)| *n);
        let wrong = |what: &str| format!("{name:?} {what}");
        let known = known.ok_or_else(|| {
            let names: Vec<_> = KNOWN.iter().map(|(n, _)| *n).collect();
            wrong(&format!("is not a name clients know; take one of {}", names.join(", ")))
        })?;
        if entries.iter().any(|(n, _)| *n == known) {
            return Err(wrong("stands there twice"));
        }
        if value.is_empty() || known == "C" && value.len() != 2 {
            return Err(wrong("needs a value (C: two letters)"));
        }
        entries.push((known, value.clone()));
    }
    Ok(entries)
}

/// CN and the entries of leaves.
///
/// # Errors
/// As [`entries`].
pub fn leaf(cn: &str, config: &Config) -> Result<DistinguishedName, CertError> {
    Ok(build(cn, &entries(config)?))
}

/// CN and `tls.subject`.
///
/// # Errors
/// As [`entries`].
pub fn authority(cn: &str, config: &Config) -> Result<DistinguishedName, CertError> {
    let entries = checked(&config.tls.subject).map_err(|what| CertError::Making(format!("{SUBJECT}: {what}")))?;
    Ok(build(cn, &entries))
}

fn build(cn: &str, entries: &[Entry]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, cn);
    for (kind, value) in entries {
        let oid = KNOWN.iter().find(|(n, _)| n == kind).map_or(&[][..], |(_, oid)| oid);
        name.push(DnType::from_oid(oid), text(kind, value));
    }
    name
}

/// The string type X.520 and RFC 5280 want, where the value fits into it.
fn text(kind: &str, value: &str) -> DnValue {
    let narrow = match kind {
        "C" | "serialNumber" => value.try_into().ok().map(DnValue::PrintableString),
        "DC" | "emailAddress" => value.try_into().ok().map(DnValue::Ia5String),
        _ => None,
    };
    narrow.unwrap_or_else(|| DnValue::Utf8String(value.to_owned()))
}

/// The short name of an attribute by its dotted identifier, if it is one we use.
pub fn short(oid: &str) -> Option<&'static str> {
    let dotted = |oid: &[u64]| oid.iter().map(u64::to_string).collect::<Vec<_>>().join(".");
    KNOWN.iter().find(|(_, known)| dotted(known) == oid).map(|(n, _)| *n)
}
