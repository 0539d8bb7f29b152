//! Users, certificates and secrets of the server.
use super::{Host, Result};
use crate::message::{CertIssued, CertOrder, TokenAnswer, TokenAsk, UserAnswer, UserAsk, UserInfo, op};

/// Made by [`Host::users`].
#[derive(Clone, Copy)]
pub struct Users<'a>(pub(super) &'a Host);

impl Users<'_> {
    /// Every account, by name.
    ///
    /// # Errors
    /// The database; `Unsupported` from a server without accounts.
    pub fn all(&self) -> Result<Vec<UserInfo>> {
        Ok(self.0.ask::<UserAnswer>(op::USERS, &UserAsk::All)?.users)
    }

    /// One account.
    ///
    /// # Errors
    /// As [`Users::all`].
    pub fn named(&self, name: &str) -> Result<Option<UserInfo>> {
        Ok(self.0.ask::<UserAnswer>(op::USERS, &UserAsk::Named(name.to_owned()))?.users.into_iter().next())
    }

    /// Names of the groups there are.
    ///
    /// # Errors
    /// As [`Users::all`].
    pub fn groups(&self) -> Result<Vec<String>> {
        Ok(self.0.ask::<UserAnswer>(op::USERS, &UserAsk::Groups)?.groups)
    }
}

/// Made by [`Host::certs`].
#[derive(Clone, Copy)]
pub struct Certs<'a>(pub(super) &'a Host);

impl Certs<'_> {
    /// Makes a key and a client certificate for a user (capability `certs.issue`). It is listed, can be revoked, and stands
    /// in the audit log with the plugin's name.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound` without such a user; `Invalid` for a name that cannot be one; what the authority says.
    pub fn issue(&self, order: &CertOrder) -> Result<CertIssued> {
        self.0.ask(op::CERT_ISSUE, order)
    }
}

/// Made by [`Host::tokens`]. Everything here needs the capability `tokens`, but for [`Tokens::same`].
#[derive(Clone, Copy)]
pub struct Tokens<'a>(pub(super) &'a Host);

impl Tokens<'_> {
    /// A new secret of so many random bytes (16 to 64), as base64url.
    ///
    /// # Errors
    /// `Forbidden`, `Invalid`.
    pub fn random(&self, bytes: u32) -> Result<String> {
        Ok(self.ask(&TokenAsk::Random(bytes))?.text)
    }

    /// Are they the same? Takes as long whatever they have in common; only that their lengths differ can be seen.
    pub fn same(&self, one: impl AsRef<[u8]>, other: impl AsRef<[u8]>) -> bool {
        let (one, other) = (one.as_ref(), other.as_ref());
        let different = one.iter().zip(other).fold(0, |all, (a, b)| std::hint::black_box(all | (a ^ b)));
        one.len() == other.len() && different == 0
    }

    /// What to store of a password: argon2id, as text. About 40 ms of a core, so never in an intercept.
    ///
    /// # Errors
    /// `Forbidden`; `Busy` when too many are being made; `Invalid` over 1 024 bytes.
    pub fn hash(&self, password: &str) -> Result<String> {
        Ok(self.ask(&TokenAsk::Hash(password.to_owned()))?.text)
    }

    /// Is it the password of this hash (argon2id or bcrypt)? Takes as long as [`Tokens::hash`].
    ///
    /// # Errors
    /// As [`Tokens::hash`].
    pub fn verify(&self, password: &str, hash: &str) -> Result<bool> {
        let ask = TokenAsk::Verify { password: password.to_owned(), hash: hash.to_owned() };
        Ok(self.ask(&ask)?.right)
    }

    fn ask(&self, ask: &TokenAsk) -> Result<TokenAnswer> {
        self.0.ask(op::TOKENS, ask)
    }
}
