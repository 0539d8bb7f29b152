//! Another CA in the place of this one: rotated (`fts cert ca-rotate`), put below this one (`fts cert ca-intermediate`) or
//! brought from elsewhere (`fts cert adopt`).
//!
//! Order of a rotation: the new CA is made; every CA so far certifies it, so that clients who know only an old root still
//! accept our server; the old one moves to `retired/`; then `ca.key`, `ca.pem` and the server certificate are replaced.
//! A crash in between leaves the old CA or the new one, never half of each: the new key waits beside the old one until
//! `ca.pem` is there.
use std::path::PathBuf;

use rcgen::KeyPair;
use time::OffsetDateTime;

use super::{
    Authority, CertError,
    key::{self, Passphrase},
    load::{self, Link, Retired},
    profile, server,
};
use crate::{config::Config, identity::files};

impl Authority {
    /// Makes a new CA. The certificates of this one stay good until they end, or until [`Authority::finish_rotation`].
    ///
    /// # Errors
    /// [`CertError`].
    pub(in crate::identity) fn rotate(&self, config: &Config, pass: Option<&Passphrase>) -> Result<Self, CertError> {
        let key = key::make(config.tls.key_type)?;
        let cn = self.fresh_name(config);
        let params = profile::authority(&cn, config, false)?;
        let pem = params.self_signed(&key)?.pem();
        let dir = load::retired_dir(&config.tls);
        files::private_dir(&dir)?;
        self.retire(config, pass)?;
        let before = std::iter::once(&*self.chain).chain(self.retired.iter().map(|r| &r.chain));
        // What an intermediate CA certifies is no CA; its root does it, where its key is here.
        for old in before.filter(|old| !load::signs_leaves_only(&old.links[0])) {
            let mut cross = profile::authority(&cn, config, false)?;
            let ends = OffsetDateTime::from_unix_timestamp(old.links[0].facts.not_after);
            cross.not_after = ends.unwrap_or(cross.not_after).min(cross.not_after);
            let cross = cross.signed_by(&key, &old.issuer)?.pem();
            files::write(&dir.join(format!("{}.cross.pem", stem(&old.links[0]))), cross.as_bytes(), files::PUBLIC)?;
        }
        self.replace(config, pass, &pem, &key)
    }

    /// Makes an intermediate CA, which signs from now on; the one above it goes to `retired/` with its key, signs CRLs only,
    /// and stays trusted: clients who know nothing else accept our server, and its certificates stay good. Where an
    /// intermediate one signs already, its root makes another in its place. Also: where the key of the root lies now.
    ///
    /// # Errors
    /// The root's key is not here; [`CertError`].
    pub(in crate::identity) fn intermediate(
        &self,
        config: &Config,
        pass: Option<&Passphrase>,
    ) -> Result<(Self, PathBuf), CertError> {
        let own = &*self.chain;
        let root = match load::signs_leaves_only(&own.links[0]) {
            false => own,
            true => {
                let above = own.links.get(1).map(|l| &l.der);
                let found = self.retired.iter().map(|r| &r.chain).find(|c| Some(&c.links[0].der) == above);
                found.ok_or_else(|| {
                    CertError::Refused(format!(
                        "the CA that signs is an intermediate one, and the key of the CA above it is not in {}: put it back \
                         there, or begin anew with fts cert ca-rotate",
                        load::retired_dir(&config.tls).display()
                    ))
                })?
            }
        };
        let key = key::make(config.tls.key_type)?;
        let mut params = profile::authority(&self.name_below(&root.links[0]), config, true)?;
        let ends = OffsetDateTime::from_unix_timestamp(root.links[0].facts.not_after);
        params.not_after = ends.unwrap_or(params.not_after).min(params.not_after);
        let made = params.signed_by(&key, &root.issuer)?.pem();
        let dir = load::retired_dir(&config.tls);
        files::private_dir(&dir)?;
        self.retire(config, pass)?;
        let above: String = root.links.iter().map(Link::pem).collect();
        let next = self.replace(config, pass, &format!("{made}{above}"), &key)?;
        Ok((next, dir.join(format!("{}.key", stem(&root.links[0])))))
    }

    /// A name below this one that no CA has had; a common name has 64 characters at most.
    fn name_below(&self, root: &Link) -> String {
        let base: String = root.facts.common_name.chars().take(44).collect();
        let taken = |name: &str| self.anchors().any(|l| l.facts.common_name == name);
        let numbered = (2..).map(|n| format!("{base} Intermediate {n}"));
        let mut names = std::iter::once(format!("{base} Intermediate")).chain(numbered);
        names.find(|name| !taken(name)).unwrap_or(base)
    }

    /// Takes over a CA from elsewhere, with its chain. The CA so far is retired if it has issued anything (`keep`), else
    /// it is forgotten.
    ///
    /// # Errors
    /// They do not belong together, or are no CA; then nothing has changed.
    pub(in crate::identity) fn adopt(
        &self,
        config: &Config,
        pass: Option<&Passphrase>,
        pem: &str,
        key_pem: &str,
        keep: bool,
    ) -> Result<Self, CertError> {
        let given = |what: String| CertError::Refused(format!("the CA that was given: {what}"));
        let key = key::of_pem(key_pem, pass).map_err(given)?;
        let again = key::of_pem(key_pem, pass).map_err(given)?;
        let chain = load::of_text(pem, again).map_err(given)?;
        if chain.links[0].facts.not_after <= OffsetDateTime::now_utc().unix_timestamp() {
            return Err(given("it has ended; start it with a new CA (fts cert ca-rotate)".into()));
        }
        let same = chain.links[0].der == self.ca();
        if keep && !same {
            files::private_dir(&load::retired_dir(&config.tls))?;
            self.retire(config, pass)?;
        }
        let pem: String = chain.links.iter().map(Link::pem).collect();
        self.replace(config, pass, &pem, &key)
    }

    /// Retired CAs are trusted no more; how many there were.
    ///
    /// # Errors
    /// [`CertError`].
    pub(in crate::identity) fn finish_rotation(
        &self,
        config: &Config,
        pass: Option<&Passphrase>,
    ) -> Result<(Self, usize), CertError> {
        let ended: Vec<&Retired> = self.retired.iter().filter(|r| !self.above(&r.chain.links[0])).collect();
        let gone = ended.len();
        for path in ended.iter().flat_map(|r| &r.paths).filter(|p| p.exists()) {
            std::fs::remove_file(path).map_err(|source| CertError::Io { path: path.clone(), source })?;
        }
        // Its chain carries certificates of theirs.
        remove(&config.tls.server_cert)?;
        Ok((Self::open_with(config, pass)?, gone))
    }

    /// Makes the server's certificate anew.
    ///
    /// # Errors
    /// [`CertError`].
    pub(in crate::identity) fn renewed(&self, config: &Config) -> Result<Self, CertError> {
        let server = server::new(config, &self.chain, &self.retired)?;
        Self::of(self.chain.clone(), self.retired.clone(), server, self.revoked.clone(), config)
    }

    /// Is it time for that: near its end, or other names?
    pub(in crate::identity) fn renewal_due(&self, config: &Config) -> bool {
        let leaf = super::parse::certificates(&self.server.pem).into_iter().next();
        let names = server::names(config);
        !leaf.is_some_and(|leaf| server::still_good(&leaf, &self.chain.links[0], &names, config))
    }

    /// This CA as a file of `retired/`, with its key.
    fn retire(&self, config: &Config, pass: Option<&Passphrase>) -> Result<(), CertError> {
        let dir = load::retired_dir(&config.tls);
        let stem = stem(&self.chain.links[0]);
        let key = key::to_pem(self.chain.issuer.key(), pass)?;
        files::write(&dir.join(format!("{stem}.key")), key.as_bytes(), files::PRIVATE)?;
        files::write(&dir.join(format!("{stem}.pem")), self.chain_pem().as_bytes(), files::PUBLIC)
    }

    /// The files of another CA in the place of this one's, and everything that follows from it.
    fn replace(&self, config: &Config, pass: Option<&Passphrase>, pem: &str, key: &KeyPair) -> Result<Self, CertError> {
        let tls = &config.tls;
        let next = load::next_key(tls);
        files::write(&next, key::to_pem(key, pass)?.as_bytes(), files::PRIVATE)?;
        files::write(&tls.ca_cert, pem.as_bytes(), files::PUBLIC)?;
        // `open_with` puts the key in its place, also after a crash here.
        Self::open_with(config, pass)
    }

    /// `tls.ca_name` if no CA had it yet: two of one name confuse every client.
    fn fresh_name(&self, config: &Config) -> String {
        let wanted = profile::ca_name(config);
        let taken = |name: &str| self.authorities().any(|f| f.common_name == name);
        let mut numbered = (2..).map(|n| format!("{wanted} {n}")).filter(|n| !taken(n));
        if taken(&wanted) { numbered.next().unwrap_or(wanted) } else { wanted }
    }
}

fn remove(path: &std::path::Path) -> Result<(), CertError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(CertError::Io { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// File name of a retired CA.
fn stem(ca: &Link) -> String {
    ca.facts.sha256.chars().take(16).collect()
}
