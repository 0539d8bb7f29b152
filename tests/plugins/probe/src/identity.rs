//! Accounts, certificates and secrets of the server, asked for from outside.
use fts_plugin_api::sdk::*;
use serde::Deserialize;
use serde_json::{Value, json};

/// What can be asked for.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Do {
    /// Every account.
    Users,
    /// One.
    User(String),
    /// Names of groups.
    Groups,
    /// A certificate: user, common name, device.
    Issue(String, String, String),
    /// So many random bytes.
    Random(u32),
    /// A hash, and whether this and the other password are it.
    Hash(String, String),
    /// Is it the password of this hash?
    Verify(String, String),
}

/// Does it.
pub fn answer(host: &Host, ask: Do) -> Result<Value> {
    let (users, tokens) = (host.users(), host.tokens());
    let told = |u: UserInfo| json!({"name": u.name, "uid": u.uid, "role": u.role, "in": u.groups_in, "out": u.groups_out, "disabled": u.disabled});
    Ok(match ask {
        Do::Users => users.all()?.into_iter().map(told).collect(),
        Do::User(name) => users.named(&name)?.map_or(Value::Null, told),
        Do::Groups => json!(users.groups()?),
        Do::Issue(user, cn, client_uid) => {
            let made = host.certs().issue(&CertOrder { cn, user, client_uid })?;
            json!({
                "cert": made.cert_pem, "chain": made.chain_pem, "key": made.key_pem.contains("PRIVATE KEY"),
                "p12": made.p12.len(), "serial": made.serial, "not_after": made.not_after,
                "debug": format!("{made:?}"),
            })
        }
        Do::Random(bytes) => json!(tokens.random(bytes)?),
        Do::Hash(password, other) => {
            let hash = tokens.hash(&password)?;
            json!({"hash": hash, "same": tokens.verify(&password, &hash)?, "other": tokens.verify(&other, &hash)?})
        }
        Do::Verify(password, hash) => json!(tokens.verify(&password, &hash)?),
    })
}
