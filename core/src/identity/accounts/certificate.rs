//! From a verified certificate to a user (identity.md 6.2). In order: revoked ones are nobody's; the certificate a user
//! is pinned to; the name `auth.username_regex` finds in the subject; FreeTAKServer's `<Name><uuid>`; else a user that is
//! nothing but its certificate, where `auth.allow_unknown_cn` lets it.
use regex::Regex;

use super::{Accounts, AuthError, User, users::COLUMNS};
use crate::{
    net::PeerCert,
    store::{database::Value, error::StoreError},
};

/// Characters of a UUID in its usual form.
const UUID: usize = 36;

impl Accounts {
    /// The user a certificate is; Err = none, and this is its name.
    ///
    /// # Errors
    /// [`AuthError`].
    pub(super) fn owner(&self, cert: &PeerCert) -> Result<Result<User, String>, AuthError> {
        if self.is_revoked(cert)? {
            return Err(AuthError::Revoked);
        }
        let name = self.name_in(&cert.common_name);
        let found = match self.pinned(&cert.sha256)? {
            Some(user) => Some(user),
            None => match self.unpinned(&name)? {
                Some(user) => Some(user),
                None => self.of_fts(&name)?,
            },
        };
        match found {
            Some(user) if user.disabled => Err(AuthError::Disabled),
            Some(user) => Ok(Ok(user)),
            None if self.config().auth.allow_unknown_cn => {
                // A certificate without a name is a user all the same, and not the anonymous one.
                Ok(Err(if name.is_empty() { format!("certificate-{}", cert.serial_hex) } else { name }))
            }
            None => Err(AuthError::Unknown),
        }
    }

    /// Was it revoked? A certificate the database does not know was not. Rows that are nothing but a serial number (from
    /// an adopted CRL) mean every certificate with it.
    fn is_revoked(&self, cert: &PeerCert) -> Result<bool, StoreError> {
        let sql = "SELECT 1 AS found FROM certificate WHERE revoked_at IS NOT NULL
             AND (sha256 = ?1 OR (sha256 = '' AND serial = ?2)) LIMIT 1";
        let values = [cert.sha256.clone().into(), cert.serial_hex.clone().into()];
        Ok(self.db.query(sql, &values)?.first().is_some())
    }

    fn pinned(&self, sha256: &str) -> Result<Option<User>, StoreError> {
        self.one_user("u.fingerprint = ?", sha256.to_owned().into())
    }

    /// By name. Who is pinned to one certificate is not reached by another one with its name.
    fn unpinned(&self, name: &str) -> Result<Option<User>, AuthError> {
        match self.user(name)? {
            Some(user) if user.fingerprint.is_some() => Err(AuthError::Unknown),
            found => Ok(found),
        }
    }

    /// `<Name><uuid>`, where exactly one user has that uid.
    fn of_fts(&self, name: &str) -> Result<Option<User>, StoreError> {
        let Some(at) = name.len().checked_sub(UUID).filter(|at| name.is_char_boundary(*at)) else { return Ok(None) };
        let uid = &name[at..];
        if uuid::Uuid::try_parse(uid).is_err() {
            return Ok(None);
        }
        let sql = format!("SELECT {COLUMNS} FROM user u WHERE u.uid = ? COLLATE NOCASE LIMIT 2");
        let rows = self.db.query(&sql, &[Value::from(uid.to_owned())])?;
        let mut users = rows.iter().map(User::of).filter(|u| u.fingerprint.is_none());
        Ok(users.next().filter(|_| users.next().is_none()))
    }

    /// The user's name in a subject, as `auth.username_regex` finds it: its first group, else the whole match. "" = it
    /// finds none.
    fn name_in(&self, common_name: &str) -> String {
        let wanted = self.config().auth.username_regex.clone();
        let mut kept = self.pattern.lock();
        if kept.as_ref().is_none_or(|(text, _)| *text != wanted) {
            match Regex::new(&wanted) {
                Ok(regex) => *kept = Some((wanted, regex)),
                // The configuration was checked; a pattern that is none finds nothing.
                Err(_) => return String::new(),
            }
        }
        let Some((_, regex)) = &*kept else { return String::new() };
        let subject = format!("CN={}", escape(common_name));
        let found = regex.captures(&subject);
        let name = found.and_then(|c| c.get(1).or_else(|| c.get(0)).map(|m| m.as_str().to_owned()));
        unescape(&name.unwrap_or_default())
    }
}

/// A value in the string form of a name (RFC 2253 2.4): a comma in a name ends nothing.
fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (n, c) in value.chars().enumerate() {
        match c {
            // As hex: a pattern that stops at the next comma must not stop at an escaped one.
            ',' => out.push_str("\\2C"),
            '+' | '"' | '\\' | '<' | '>' | ';' => out.extend(['\\', c]),
            ' ' | '#' if n == 0 => out.extend(['\\', c]),
            ' ' if n == last => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' if rest.as_str().starts_with("2C") => {
                rest.next();
                rest.next();
                out.push(',');
            }
            '\\' => out.extend(rest.next()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_comma_is_not_the_name_before_it() {
        let regex = Regex::new("CN=(.*?)(?:,|$)").unwrap();
        for name in ["alice", "admin,x", "a+b", " lead", "trail ", "#1", "back\\slash", "a,2C", ""] {
            let subject = format!("CN={}", escape(name));
            let found = regex.captures(&subject).unwrap().get(1).unwrap().as_str();
            assert_eq!(unescape(found), name, "{subject}");
        }
    }
}
