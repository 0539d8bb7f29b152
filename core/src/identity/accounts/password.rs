//! [`Hashing`]: passwords as argon2id PHC strings (identity.md 6.1).
//!
//! A hashing costs a core and 19 MiB for about 40 ms, so only half of the cores may do it, four at most, and only so
//! many callers wait for that; CoT has the rest. Imported bcrypt hashes are checked and then replaced. Who is not there
//! costs as much as who is. Every run is counted (`fts_password_hashings_total`): tokens must never cause one (identity.md
//! 12, line 22). What must not happen: a password in a log, an error or a `Debug`.
use std::sync::OnceLock;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use parking_lot::{Condvar, Mutex};
use rand::Rng;

/// Hashings at the same time, at most (identity.md 3, table of libraries).
const MOST: usize = 4;
/// Callers that wait for one; more are told to come back.
const WAITING: usize = 256;
/// A stored hash that would cost more than this is not computed: KiB, passes, bcrypt's cost.
const MOST_KIB: u32 = 256 * 1_024;
const MOST_PASSES: u32 = 16;
const MOST_BCRYPT: u32 = 15;
/// bcrypt looks at no more bytes; longer passwords never matched there.
const BCRYPT_BYTES: usize = 72;

/// Too many callers wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Busy;

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// Another one.
    Wrong,
    /// The right one.
    Right,
    /// The right one, and its hash should be made anew.
    Old,
}

/// See the file's head.
pub(super) struct Hashing {
    places: Mutex<Places>,
    free: Condvar,
    /// Of nobody's password, for users that are not there.
    nobody: OnceLock<String>,
}

struct Places {
    left: usize,
    waiting: usize,
}

struct Place<'a>(&'a Hashing);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.places.lock().left += 1;
        self.0.free.notify_one();
    }
}

fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

impl Hashing {
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let places = Mutex::new(Places { left: (cores / 2).clamp(1, MOST), waiting: 0 });
        Self { places, free: Condvar::new(), nobody: OnceLock::new() }
    }

    fn place(&self) -> Result<Place<'_>, Busy> {
        let mut places = self.places.lock();
        if places.left == 0 {
            if places.waiting >= WAITING {
                return Err(Busy);
            }
            places.waiting += 1;
            self.free.wait_while(&mut places, |p| p.left == 0);
            places.waiting -= 1;
        }
        places.left -= 1;
        Ok(Place(self))
    }

    /// The PHC string of a password.
    ///
    /// # Errors
    /// Too many wait.
    pub fn hash(&self, password: &str) -> Result<String, Busy> {
        let _place = self.place()?;
        Ok(hash(password))
    }

    /// Is it the password of this hash? None = there is no such user or it has none; that takes as long.
    ///
    /// # Errors
    /// Too many wait.
    pub fn check(&self, password: &str, stored: Option<&str>) -> Result<Checked, Busy> {
        let _place = self.place()?;
        let Some(stored) = stored else {
            let nobody = self.nobody.get_or_init(|| hash("nobody's password"));
            check(password, nobody);
            return Ok(Checked::Wrong);
        };
        Ok(check(password, stored))
    }
}

/// One run of argon2 or bcrypt.
fn counted() {
    metrics::counter!("fts_password_hashings_total").increment(1);
}

fn hash(password: &str) -> String {
    counted();
    let random: [u8; 16] = rand::rng().random();
    let hashed = argon2().hash_password_with_salt(password.as_bytes(), &random);
    // It fails for lengths and parameters these never have; an empty text is a hash that nothing matches.
    hashed.map(|h| h.to_string()).unwrap_or_default()
}

fn check(password: &str, stored: &str) -> Checked {
    if let Some(cost) = bcrypt_cost(stored) {
        let fits = cost <= MOST_BCRYPT && password.len() <= BCRYPT_BYTES;
        if fits {
            counted();
        }
        return if fits && bcrypt::verify(password, stored).unwrap_or(false) { Checked::Old } else { Checked::Wrong };
    }
    let Ok(parsed) = PasswordHash::new(stored) else { return Checked::Wrong };
    let Ok(params) = Params::try_from(&parsed) else { return Checked::Wrong };
    if params.m_cost() > MOST_KIB || params.t_cost() > MOST_PASSES {
        return Checked::Wrong;
    }
    counted();
    if argon2().verify_password(password.as_bytes(), &parsed).is_err() {
        return Checked::Wrong;
    }
    let now = Params::DEFAULT;
    let same = parsed.algorithm == Algorithm::Argon2id.ident()
        && (params.m_cost(), params.t_cost(), params.p_cost()) == (now.m_cost(), now.t_cost(), now.p_cost());
    if same { Checked::Right } else { Checked::Old }
}

/// `$2b$12$…` -> 12.
fn bcrypt_cost(stored: &str) -> Option<u32> {
    let (_, rest) = ["$2a$", "$2b$", "$2x$", "$2y$"].iter().find_map(|p| Some((p, stored.strip_prefix(p)?)))?;
    rest.get(..2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_match_their_own_hash_and_old_hashes_are_told() {
        let hashing = Hashing::new();
        let mine = hashing.hash("correct horse battery").unwrap();
        assert!(mine.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{mine}");
        assert_ne!(mine, hashing.hash("correct horse battery").unwrap(), "salted");
        let check = |password: &str, stored: &str| hashing.check(password, Some(stored)).unwrap();
        assert_eq!(check("correct horse battery", &mine), Checked::Right);
        assert_eq!(check("correct horse", &mine), Checked::Wrong);
        let old = bcrypt::hash("imported", 4).unwrap();
        assert_eq!((check("imported", &old), check("other", &old)), (Checked::Old, Checked::Wrong));
        assert_eq!(
            check("x", "$2b$31$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
            Checked::Wrong,
            "not computed"
        );
        let params = Params::new(1_024, 1, 1, None).unwrap();
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let weak = weak.hash_password_with_salt(b"weak", b"sixteen bytes...").unwrap().to_string();
        assert_eq!((check("weak", &weak), check("week", &weak)), (Checked::Old, Checked::Wrong));
        assert_eq!((check("", ""), check("plain", "plain")), (Checked::Wrong, Checked::Wrong));
    }

    #[test]
    fn nobody_costs_a_hashing_too() {
        let hashing = Hashing::new();
        assert_eq!(hashing.check("x", None), Ok(Checked::Wrong));
        assert!(hashing.nobody.get().is_some_and(|h| h.starts_with("$argon2id$")));
    }

    #[test]
    fn only_so_many_at_once_and_so_many_wait() {
        let hashing = Hashing::new();
        let most = hashing.places.lock().left;
        assert!((1..=MOST).contains(&most));
        let held: Vec<_> = (0..most).map(|_| hashing.place().unwrap()).collect();
        hashing.places.lock().waiting = WAITING;
        assert!(hashing.place().is_err(), "nobody else waits");
        hashing.places.lock().waiting = 0;
        drop(held);
        assert_eq!(hashing.places.lock().left, most);
    }
}
