//! Mission tokens (mission.md 2.2): JWT, HS256, with the key in `token.key` of the plugin's folder (0600, 32 random bytes,
//! made at the first start; another key ends every token).
//!
//! A token is worth what its row says: [`crate::caller`] looks it up. It is made from the row alone (id and time), so the
//! same row gives the same token and no token is stored. What must not happen: the key or a token in a log or in `Debug`.
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use fts_plugin_api::sdk::{Error, Result};
use hmac::{Hmac, KeyInit, Mac};
use rand::TryRngCore;
use serde_json::{Value, json};
use sha2::Sha256;

const FILE: &str = "token.key";
const HEADER: &str = r#"{"alg":"HS256"}"#;
/// No token of ours is longer.
const LONGEST: usize = 16_384;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Of a member: worth the role of the row.
    Subscription,
    /// Of an invitation: only to subscribe with, and to decline.
    Invitation,
    /// Of somebody who knew the password, or needed none: worth the default role, as long as the way in is the same.
    Access,
}

impl TokenKind {
    fn name(self) -> &'static str {
        match self {
            Self::Subscription => "SUBSCRIPTION",
            Self::Invitation => "INVITATION",
            Self::Access => "ACCESS",
        }
    }
}

/// What a token that verified says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// What it is for.
    pub kind: TokenKind,
    /// The row it names.
    pub id: String,
    /// Of the mission.
    pub mission_name: String,
    /// Of the mission; None in tokens of other servers.
    pub mission_guid: Option<String>,
}

impl Claims {
    /// Is it for this mission? The guid decides where there is one.
    pub fn is_for(&self, guid: &str, name: &str) -> bool {
        match &self.mission_guid {
            Some(of) => of.eq_ignore_ascii_case(guid),
            None => self.mission_name == name,
        }
    }
}

/// The server's secret.
pub struct Key([u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// From the folder, or a new one written there.
    ///
    /// # Errors
    /// The file cannot be read or written, or holds something else.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => bytes.try_into().map(Self).map_err(|_| {
                let path = path.display();
                Error::new(format!("{path} is no key of 32 bytes: remove it, and every mission token ends"))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(&path),
            Err(error) => Err(Error::new(format!("{}: {error}", path.display()))),
        }
    }

    fn make(path: &Path) -> Result<Self> {
        let mut key = [0; 32];
        rand::rngs::OsRng.try_fill_bytes(&mut key).map_err(|e| Error::new(format!("no random numbers: {e}")))?;
        // A name of its own until it is whole: half a key would be taken for a broken one after a crash.
        let half = path.with_extension("new");
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
            file.write_all(&key)?;
            file.sync_all()?;
            fs::rename(&half, path)
        };
        write().map_err(|e| Error::new(format!("{}: {e}", path.display())))?;
        Ok(Self(key))
    }

    /// The token of a row: its id (`jti`), made at `issued` (ms UTC).
    pub fn issue(&self, kind: TokenKind, id: &str, issued: i64, guid: &str, name: &str) -> String {
        let claims = json!({
            "jti": id, "iat": issued.div_euclid(1_000), "sub": kind.name(), "iss": "",
            kind.name(): id, "MISSION_NAME": name, "MISSION_GUID": guid,
        });
        let signed = format!("{}.{}", B64.encode(HEADER), B64.encode(claims.to_string()));
        let signature = B64.encode(self.mac(&signed).finalize().into_bytes());
        format!("{signed}.{signature}")
    }

    fn mac(&self, text: &str) -> Hmac<Sha256> {
        // HMAC takes keys of every length, so a slice of 32 bytes cannot fail; an empty key would verify nothing of ours.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0)
            .unwrap_or_else(|_| Hmac::<Sha256>::new(&hmac::digest::Key::<Hmac<Sha256>>::default()));
        mac.update(text.as_bytes());
        mac
    }

    /// What a token says; None when it is none of ours.
    pub fn verify(&self, token: &str) -> Option<Claims> {
        if token.len() > LONGEST {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        self.mac(signed).verify_slice(&B64.decode(signature).ok()?).ok()?;
        let (header, claims) = signed.split_once('.')?;
        let header: Value = serde_json::from_slice(&B64.decode(header).ok()?).ok()?;
        if header["alg"] != "HS256" {
            return None;
        }
        let claims: Value = serde_json::from_slice(&B64.decode(claims).ok()?).ok()?;
        let all = [TokenKind::Subscription, TokenKind::Invitation, TokenKind::Access];
        let kind = all.into_iter().find(|k| claims["sub"] == k.name())?;
        Some(Claims {
            kind,
            id: claims[kind.name()].as_str()?.to_owned(),
            mission_name: claims["MISSION_NAME"].as_str()?.to_owned(),
            mission_guid: claims["MISSION_GUID"].as_str().map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn ac_17_a_token_has_the_claims_of_the_book_and_one_changed_byte_ends_it() {
        let key = Key([7; 32]);
        let token = key.issue(TokenKind::Subscription, "id-1", 1_772_359_200_040, "g-1", "Flood North");
        let part = |n: usize| -> Value {
            serde_json::from_slice(&B64.decode(token.split('.').nth(n).unwrap()).unwrap()).unwrap()
        };
        assert_eq!(part(0), json!({"alg": "HS256"}));
        assert_eq!(
            part(1),
            json!({"jti": "id-1", "iat": 1_772_359_200, "sub": "SUBSCRIPTION", "iss": "", "SUBSCRIPTION": "id-1",
                "MISSION_NAME": "Flood North", "MISSION_GUID": "g-1"})
        );
        let claims = key.verify(&token).unwrap();
        assert_eq!((claims.kind, claims.id.as_str()), (TokenKind::Subscription, "id-1"));
        assert!(claims.is_for("G-1", "x") && !claims.is_for("g-2", "Flood North"));
        assert_eq!(key.issue(TokenKind::Subscription, "id-1", 1_772_359_200_040, "g-1", "Flood North"), token);
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(key.verify(std::str::from_utf8(&bytes).unwrap()), None, "byte {at}");
        }
        assert_eq!(Key([8; 32]).verify(&token), None);
        for other in ["", "a.b", "a.b.c", "e30.e30."] {
            assert_eq!(key.verify(other), None);
        }
    }

    #[test]
    fn a_token_without_signature_or_with_another_algorithm_is_none() {
        let key = Key([7; 32]);
        let claims = B64.encode(r#"{"sub":"ACCESS","ACCESS":"x","MISSION_NAME":"n"}"#);
        let none = format!("{}.{claims}", B64.encode(r#"{"alg":"none"}"#));
        assert_eq!(key.verify(&format!("{none}.")), None);
        let signed = format!("{none}.{}", B64.encode(key.mac(&none).finalize().into_bytes()));
        assert_eq!(key.verify(&signed), None);
    }

    #[test]
    fn the_key_is_made_once_for_its_owner_alone_and_never_shown() {
        let dir = std::env::temp_dir().join(format!("fts-mission-key-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let first = Key::open(&dir).unwrap();
        assert_eq!(Key::open(&dir).unwrap().0, first.0);
        assert_eq!(fs::metadata(dir.join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(format!("{first:?}"), "Key(…)");
        fs::write(dir.join(FILE), "short").unwrap();
        assert!(Key::open(&dir).unwrap_err().to_string().contains("32 bytes"));
        fs::remove_dir_all(&dir).unwrap();
    }
}
