//! [`Secret`]: a text that is shown once and never printed by accident, and how random ones are made.
use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{Rng, RngCore};

/// See the file's head.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: for the one place that shows it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A password of 20 letters and digits that are not taken for one another: 114 bits.
    pub(super) fn password() -> Self {
        const LETTERS: &[u8; 54] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ234567";
        let mut rng = rand::rng();
        Self((0..20).map(|_| char::from(LETTERS[rng.random_range(0..LETTERS.len())])).collect())
    }

    /// `prefix` and so many random bytes in base64url.
    pub(super) fn token(prefix: &str, bytes: usize) -> Self {
        let mut random = vec![0; bytes];
        rand::rng().fill_bytes(&mut random);
        Self(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random)))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What is kept of a random token: its SHA-256 in hex. The database looks the digest up, so nothing compares secrets
/// byte by byte.
pub(super) fn digest(token: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    digest.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_random_and_never_printed() {
        let (one, two) = (Secret::password(), Secret::password());
        assert!(one != two && one.reveal().len() == 20 && format!("{one:?}") == "***");
        let token = Secret::token("et_", 24);
        assert!(token.reveal().starts_with("et_") && token.reveal().len() == 3 + 32);
        assert_eq!(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
