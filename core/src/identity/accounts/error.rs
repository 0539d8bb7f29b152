//! [`AuthError`]: why somebody was not let in, [`AccountError`]: why an account was not changed. Texts are for whoever
//! asked; none says whether a user is there to somebody who did not get in, and none holds a secret.
use crate::store::error::StoreError;

/// Why somebody was not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Nobody of that name, or another secret: never said which.
    #[error("wrong user or password")]
    Wrong,
    /// Too many wrong ones, or too many at the same time.
    #[error("too many attempts; try again in {0} s")]
    Throttled(u32),
    /// The account, or the certificate's user, is switched off.
    #[error("the account is disabled")]
    Disabled,
    /// The certificate was revoked.
    #[error("the certificate is revoked")]
    Revoked,
    /// A certificate whose name is no user's, while `auth.allow_unknown_cn` is off.
    #[error("nobody has the name in this certificate")]
    Unknown,
    /// The user is in no group, and the listener has no groups for such users.
    #[error("the user is in no group and this listener has no default_groups")]
    NoGroups,
    /// The database did not answer.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Why an account, token or group was not changed. Nothing was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum AccountError {
    #[error("{0:?}: a user name has 1 to 64 of the characters A-Z a-z 0-9 . _ @ - and begins with a letter or digit")]
    UserName(String),
    #[error(
        "{0:?}: a group name has 1 to 64 characters, none of them a control character, a comma, a slash or a quote, and no space at an end"
    )]
    GroupName(String),
    #[error("{0} is a group of the server itself")]
    Reserved(String),
    #[error("{group} is in default_groups of the listener {listener}; take it out there first")]
    Default { group: String, listener: String },
    #[error("a password has at least {0} characters (auth.password_min) and at most 1024 bytes")]
    Password(usize),
    #[error("there is a user {0} already")]
    UserExists(String),
    #[error("there is a group {0} already")]
    GroupExists(String),
    #[error("there is no user {0}")]
    NoUser(String),
    #[error("there is no group {0}; make it with: fts group add {0}")]
    NoGroup(String),
    #[error("there is no token {0}")]
    NoToken(i64),
    #[error("{0:?}: a fingerprint is the SHA-256 of a certificate, 64 hexadecimal digits")]
    Fingerprint(String),
    #[error("there are {0} groups already, as many as there can be")]
    TooMany(usize),
    #[error("max_uses is at least 1, and a token must end after it begins")]
    TokenTimes,
    #[error("at least one channel must stay active (groups.require_active)")]
    NothingActive,
    #[error("too many passwords are being checked; try again")]
    Busy,
    #[error("{0}")]
    Store(#[from] StoreError),
}
