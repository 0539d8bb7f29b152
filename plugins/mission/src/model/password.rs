//! [`PasswordHash`]: bcrypt, cost 10 (mission.md 2.5). Its text is for the database only: never in an answer, a log, `Debug`.
use crate::refusal::Refusal;

const COST: u32 = 10;

/// See the file's head.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Of a password. Takes tens of milliseconds: never inside a transaction.
    ///
    /// # Errors
    /// It is empty or longer than bcrypt takes (72 bytes; beyond that two passwords would be the same).
    pub fn of(password: &str) -> Result<Self, Refusal> {
        if password.is_empty() || password.len() > 72 {
            return Err(Refusal::Bad("a mission's password has 1 to 72 bytes".into()));
        }
        bcrypt::hash(password, COST)
            .map(Self)
            .map_err(|_| Refusal::Bad("the password cannot be used: choose another".into()))
    }

    /// As it was stored.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// For the database and the server's own archive (4.8).
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Is this the password? In constant time.
    pub fn verify(&self, password: &str) -> bool {
        bcrypt::verify(password, &self.0).unwrap_or(false)
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_never_shown() {
        let hash = PasswordHash::of("river").unwrap();
        assert!(hash.verify("river") && !hash.verify("River") && !hash.verify(""));
        assert!(hash.reveal().starts_with("$2b$10$"));
        assert_eq!(format!("{hash:?}"), "PasswordHash(…)");
        assert!(PasswordHash::of("").is_err() && PasswordHash::of(&"x".repeat(73)).is_err());
        assert!(!PasswordHash::stored("no hash".into()).verify("no hash"));
    }
}
