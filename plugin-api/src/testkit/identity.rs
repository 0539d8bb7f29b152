//! Accounts as a test describes them, certificates that are none, and secrets that repeat: nothing here is secret.
use super::{MockHost, sha256, state::State};
use crate::{
    abi::{Failure, failure},
    message::{CertIssued, CertOrder, TokenAnswer, TokenAsk, UserAnswer, UserAsk},
    shim,
};

/// The longest password, bytes, as in the server.
const LONGEST: usize = 1_024;

impl State {
    pub fn users(&self, ask: &UserAsk) -> UserAnswer {
        let mut users = self.users.clone();
        users.sort_by(|a, b| a.name.cmp(&b.name));
        match ask {
            UserAsk::All => UserAnswer { users, ..UserAnswer::default() },
            UserAsk::Named(name) => {
                users.retain(|u| u.name == *name);
                UserAnswer { users, ..UserAnswer::default() }
            }
            UserAsk::Groups => {
                let mut groups: Vec<String> =
                    users.into_iter().flat_map(|u| [u.groups_in, u.groups_out]).flatten().collect();
                groups.extend(self.groups.iter().cloned());
                groups.sort();
                groups.dedup();
                UserAnswer { groups, ..UserAnswer::default() }
            }
        }
    }

    pub fn issue(&mut self, order: CertOrder, now: i64) -> Result<CertIssued, Failure> {
        self.may("certs.issue")?;
        if !self.users.iter().any(|u| u.name == order.user && !u.disabled) {
            return Err(shim::failure(
                failure::NOT_FOUND,
                format!("there is no user {:?}, or it is disabled", order.user),
            ));
        }
        self.issued.push(order);
        let serial = format!("{:02x}", self.issued.len());
        let pem = |what: &str| format!("-----BEGIN {what}-----\n{serial}\n-----END {what}-----\n");
        Ok(CertIssued {
            cert_pem: pem("CERTIFICATE"),
            chain_pem: pem("CERTIFICATE"),
            key_pem: pem("PRIVATE KEY"),
            p12: serde_bytes::ByteBuf::from(serial.clone()),
            serial: serial.clone(),
            not_after: now + 365 * 86_400_000,
        })
    }

    pub fn secret(&mut self, ask: TokenAsk) -> Result<TokenAnswer, Failure> {
        self.may("tokens")?;
        let invalid = |text: &str| Err(shim::failure(failure::INVALID, text));
        let hashed = |password: &str| format!("$mock${}", sha256::hex(password.as_bytes()));
        match ask {
            TokenAsk::Random(bytes) if !(16..=64).contains(&bytes) => invalid("a token has 16 to 64 random bytes"),
            TokenAsk::Random(bytes) => {
                self.secrets += 1;
                let len = (bytes as usize * 4).div_ceil(3);
                Ok(TokenAnswer { text: format!("{:x>len$}", self.secrets), right: false })
            }
            TokenAsk::Hash(password) | TokenAsk::Verify { password, .. } if password.len() > LONGEST => {
                invalid("a password has at most 1024 bytes")
            }
            TokenAsk::Hash(password) => Ok(TokenAnswer { text: hashed(&password), right: false }),
            TokenAsk::Verify { password, hash } => {
                Ok(TokenAnswer { text: String::new(), right: hashed(&password) == hash })
            }
        }
    }
}

impl MockHost {
    /// Certificates the plugin had made, oldest first.
    pub fn issued(&self) -> Vec<CertOrder> {
        self.shared.lock().issued.clone()
    }
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
