//! Users, certificates, secrets.
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::Role;

/// What is asked about users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UserAsk {
    /// All of them, by name.
    All,
    /// One, by name.
    Named(String),
    /// The groups there are; users are left out.
    Groups,
}

/// The answer to a [`UserAsk`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserAnswer {
    /// Those that were asked for.
    pub users: Vec<UserInfo>,
    /// Names of groups.
    pub groups: Vec<String>,
}

/// One account of the server. Its secrets are nobody's business.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserInfo {
    /// Its name; a certificate's common name for whoever gets in by certificate.
    pub name: String,
    /// A UUID that stays when everything else changes.
    pub uid: String,
    /// See [`Role`]; never anonymous.
    pub role: Role,
    /// It may not get in.
    pub disabled: bool,
    /// Groups it may send into.
    pub groups_in: Vec<String>,
    /// Groups it receives from.
    pub groups_out: Vec<String>,
}

/// A client certificate that is wanted, with a key the server makes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CertOrder {
    /// Common name; "" = the user's name. 1 to 64 of `A-Z a-z 0-9 . _ @ -`.
    pub cn: String,
    /// The user it belongs to. There must be one, and it is not disabled.
    pub user: String,
    /// The device it is for; "" = none in particular.
    pub client_uid: String,
}

/// A certificate that was made. The key is nowhere else.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CertIssued {
    /// The certificate.
    pub cert_pem: String,
    /// What is above it, up to the root.
    pub chain_pem: String,
    /// Its private key, PKCS#8.
    pub key_pem: String,
    /// Key, certificate and chain; the password is `packages.password`.
    pub p12: ByteBuf,
    /// Lower-case hex.
    pub serial: String,
    /// Its end, ms UTC.
    pub not_after: i64,
}

impl std::fmt::Debug for CertIssued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (serial, not_after) = (&self.serial, self.not_after);
        f.debug_struct("CertIssued").field("serial", serial).field("not_after", &not_after).finish_non_exhaustive()
    }
}

/// What is to be done with a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenAsk {
    /// A new one of so many random bytes, 16 to 64, in base64url.
    Random(u32),
    /// What may be stored of a password: argon2id, as text (PHC). Takes about 40 ms of a core.
    Hash(String),
    /// Is it the password of this hash, argon2id or bcrypt?
    Verify {
        /// As somebody gave it.
        password: String,
        /// As it is stored.
        hash: String,
    },
}

impl std::fmt::Debug for TokenAsk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Random(_) => "Random",
            Self::Hash(_) => "Hash(***)",
            Self::Verify { .. } => "Verify(***)",
        })
    }
}

/// The answer to a [`TokenAsk`].
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenAnswer {
    /// The token or the hash.
    pub text: String,
    /// The password is right.
    pub right: bool,
}
