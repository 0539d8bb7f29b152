//! `Hash`: the SHA-256 of a file, checked. Whatever a client calls a hash becomes one of these before it meets a path or
//! a database: 64 hexadecimal digits in any case and nothing else. So no name of a file is ever made from a client's text.
use std::fmt;

/// Lower-case hexadecimal SHA-256.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(Box<str>);

impl Hash {
    /// What a client or another server wrote; None where it is no SHA-256.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let good = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        good.then(|| Self(text.to_ascii_lowercase().into()))
    }

    /// Of these 32 bytes.
    #[must_use]
    pub fn of_digest(digest: &[u8; 32]) -> Self {
        Self(digest.iter().map(|b| format!("{b:02x}")).collect::<String>().into())
    }

    /// Of this content.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content);
        Self(digest.as_ref().iter().map(|b| format!("{b:02x}")).collect::<String>().into())
    }

    /// 64 lower-case digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// First byte, for choosing a lock.
    pub(super) fn shard(&self) -> usize {
        usize::from_str_radix(self.0.get(..2).unwrap_or("0"), 16).unwrap_or(0)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sha256_is_one() {
        let hash = Hash::of(b"x");
        assert_eq!(hash.as_str(), "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881");
        assert_eq!(Hash::parse(&format!(" {} ", hash.as_str().to_uppercase())), Some(hash.clone()));
        let long = format!("{hash}0");
        let other = format!("{}ä", &hash.as_str()[..62]);
        for bad in ["", "../../etc/passwd", &hash.as_str()[1..], &long, &other, "%2e%2e", &"g".repeat(64)] {
            assert_eq!(Hash::parse(bad), None, "{bad}");
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"x").as_ref());
        assert_eq!(Hash::of_digest(&digest), hash);
    }
}
