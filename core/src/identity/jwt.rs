//! [`Signer`]: access tokens of `/oauth/token` (identity.md 6.5). Their form is dictated by node-tak, which decodes the
//! whole token at once and splits it at braces: a header of 27 bytes without `kid`, and claims without anything nested.
//! The key is one of its own, `jwt.key` beside the certificates, whatever key the server's certificate has: renewing that
//! one ends nobody's session.
use std::{path::Path, sync::Arc};

use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as URL};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use x509_parser::{prelude::FromDer, public_key::RSAPublicKey};

use super::{CertError, ca::key, files};
use crate::config::KeyType;

/// 27 bytes: a multiple of three, so that its base64 has no rest.
const HEADER: &str = r#"{"alg":"RS256","typ":"JWT"}"#;
/// A longer one is none of ours.
const LONGEST: usize = 4_096;
/// Clocks of one machine agree; a second of rounding does not matter.
const LEEWAY: i64 = 1;

/// What a token says. Times are seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Claims {
    /// The user's name.
    pub sub: String,
    pub aud: String,
    pub iss: String,
    pub iat: i64,
    pub nbf: i64,
    pub exp: i64,
    /// Scopes with spaces between.
    pub scope: String,
    pub jti: String,
    /// Row of the user: a name can be given again.
    pub uid: i64,
    /// `token_epoch` of the user when it was made.
    pub epoch: i64,
}

/// See the file's head.
pub struct Signer {
    key: RsaKeyPair,
    /// PKCS#1.
    public: Vec<u8>,
}

impl Signer {
    /// The key in this directory; `make` makes it where there is none.
    ///
    /// # Errors
    /// The file cannot be read, written, or is no RSA key.
    pub fn open(dir: &Path, make: bool) -> Result<Option<Arc<Self>>, CertError> {
        let path = dir.join("jwt.key");
        if !path.exists() {
            if !make {
                return Ok(None);
            }
            files::private_dir(dir)?;
            files::write(&path, key::make(KeyType::Rsa2048)?.serialize_pem().as_bytes(), files::PRIVATE)?;
        }
        let bad = |what: String| CertError::Bad { path: path.clone(), what };
        let pair = key::of_pem(&files::read(&path)?, None).map_err(bad)?;
        let key = RsaKeyPair::from_pkcs8(&pair.serialize_der());
        let key = key.map_err(|e| CertError::Bad { path: path.clone(), what: format!("no RSA key: {e}") })?;
        let public = key.public_key().as_ref().to_vec();
        Ok(Some(Arc::new(Self { key, public })))
    }

    /// Signs.
    ///
    /// # Errors
    /// The library could not.
    pub fn sign(&self, claims: &Claims) -> Result<String, CertError> {
        let failed = |what: &str| CertError::Making(format!("an access token could not be made: {what}"));
        let claims = serde_json::to_string(claims).map_err(|e| failed(&e.to_string()))?;
        let message = format!("{}.{}", URL.encode(HEADER), URL.encode(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = aws_lc_rs::rand::SystemRandom::new();
        let signed = self.key.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature);
        signed.map_err(|e| failed(&e.to_string()))?;
        Ok(format!("{message}.{}", URL.encode(signature)))
    }

    /// What a token says, if we made it for this server and it is good at this time (seconds). Only RS256: a token that
    /// names another algorithm, or none, is not looked at.
    pub fn check(&self, token: &str, server: &str, now: i64) -> Option<Claims> {
        if token.len() > LONGEST {
            return None;
        }
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let header: Value = serde_json::from_slice(&URL.decode(header).ok()?).ok()?;
        if header["alg"] != "RS256" {
            return None;
        }
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public);
        public.verify(message.as_bytes(), &URL.decode(signature).ok()?).ok()?;
        let claims: Claims = serde_json::from_slice(&URL.decode(claims).ok()?).ok()?;
        let ours = claims.iss == server && claims.aud == server;
        (ours && claims.exp > now - LEEWAY && claims.nbf <= now + LEEWAY).then_some(claims)
    }

    /// The public key as a JWK set.
    pub fn jwks(&self) -> Value {
        let Ok((_, public)) = RSAPublicKey::from_der(&self.public) else { return json!({"keys": []}) };
        let number = |bytes: &[u8]| {
            let start = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
            URL.encode(&bytes[start..])
        };
        json!({"keys": [{
            "kty": "RSA", "alg": "RS256", "use": "sig", "n": number(public.modulus), "e": number(public.exponent),
        }]})
    }
}

/// Can it be one of ours, by its form? API tokens have no dots.
pub fn looks_like_one(token: &str) -> bool {
    token.bytes().filter(|b| *b == b'.').count() == 2
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn claims() -> Claims {
        Claims {
            sub: "alice".into(),
            aud: "node".into(),
            iss: "node".into(),
            iat: 100,
            nbf: 100,
            exp: 200,
            scope: "read write".into(),
            jti: "j".into(),
            uid: 1,
            epoch: 0,
        }
    }

    #[test]
    fn id12_18_a_token_has_the_form_node_tak_can_read() {
        let dir = tempfile::tempdir().unwrap();
        let signer = Signer::open(dir.path(), true).unwrap().unwrap();
        let token = signer.sign(&claims()).unwrap();
        let parts: Vec<_> = token.split('.').collect();
        let header = URL.decode(parts[0]).unwrap();
        assert!(header.len() % 3 == 0 && !parts[0].contains('='), "{}", header.len());
        assert_eq!(header, br#"{"alg":"RS256","typ":"JWT"}"#);
        let said: Value = serde_json::from_slice(&URL.decode(parts[1]).unwrap()).unwrap();
        assert!(said.as_object().unwrap().values().all(|v| !v.is_object() && !v.is_array()), "{said}");
        assert!(token.len() < 1_024, "{}", token.len());
        // Another library agrees about the signature.
        let jwks = signer.jwks();
        let (n, e) = (jwks["keys"][0]["n"].as_str().unwrap(), jwks["keys"][0]["e"].as_str().unwrap());
        assert_eq!(e, "AQAB");
        let key = jsonwebtoken::DecodingKey::from_rsa_components(n, e).unwrap();
        let mut how = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
        how.set_audience(&["node"]);
        how.validate_exp = false;
        assert_eq!(jsonwebtoken::decode::<Claims>(&token, &key, &how).unwrap().claims, claims());
    }

    #[test]
    fn only_what_we_signed_for_us_and_now_is_believed() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert!(Signer::open(one.path(), false).unwrap().is_none(), "looking makes no key");
        let signer = Signer::open(one.path(), true).unwrap().unwrap();
        let other = Signer::open(two.path(), true).unwrap().unwrap();
        let token = signer.sign(&claims()).unwrap();
        assert_eq!(signer.check(&token, "node", 150), Some(claims()));
        assert_eq!(Signer::open(one.path(), false).unwrap().unwrap().check(&token, "node", 150), Some(claims()));
        for (server, now) in [("other", 150), ("node", 201), ("node", 98)] {
            assert_eq!(signer.check(&token, server, now), None, "{server} {now}");
        }
        assert_eq!(other.check(&token, "node", 150), None);
        let parts: Vec<_> = token.split('.').collect();
        let more = URL.encode(serde_json::to_string(&Claims { sub: "admin".into(), ..claims() }).unwrap());
        let none = URL.encode(r#"{"alg":"none","typ":"JWT"}"#);
        let hmac = URL.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        for forged in [
            format!("{}.{more}.{}", parts[0], parts[2]),
            format!("{none}.{}.", parts[1]),
            format!("{hmac}.{}.{}", parts[1], parts[2]),
            format!("{}.{}", parts[0], parts[1]),
            "..".into(),
            String::new(),
            "x".repeat(LONGEST + 1),
        ] {
            assert_eq!(signer.check(&forged, "node", 150), None, "{forged:.40}");
        }
        let mode = std::fs::metadata(one.path().join("jwt.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(looks_like_one(&token) && !looks_like_one("fts_abc") && !looks_like_one("a.b"));
    }
}
