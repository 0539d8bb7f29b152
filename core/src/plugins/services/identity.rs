//! Accounts, certificates and secrets for plugins (plugins.md 1.3, users / certs). Reading accounts is free, `certs.issue`
//! and `tokens` are capabilities. A certificate is issued for a user there is, is listed like any other, and the audit log
//! says which plugin had it made. What must not happen: a hash of an account, or a secret in a log.
use std::sync::Arc;

use fts_plugin_api::{
    abi::{Failure, failure},
    message::{CertIssued, CertOrder, Role, TokenAnswer, TokenAsk, UserAnswer, UserAsk, UserInfo},
    shim,
};

use super::{
    super::{Generation, Plugins},
    invalid, need, refuse,
};
use crate::{
    http::native::Native,
    identity::{
        self, CertError, Order, Profile,
        accounts::{AccountError, Direction, User},
        audit::Actor,
        checked,
    },
    store::error::StoreError,
};

fn native(plugins: &Plugins) -> Result<Arc<Native>, Failure> {
    plugins.native().ok_or_else(|| shim::failure(failure::UNSUPPORTED, "there are no accounts here"))
}

fn failed(error: &StoreError) -> Failure {
    shim::failure(failure::OTHER, error.to_string())
}

/// Accounts and groups.
pub fn users(plugins: &Plugins, ask: &UserAsk) -> Result<UserAnswer, Failure> {
    let accounts = &native(plugins)?.accounts;
    let found = match ask {
        UserAsk::Groups => {
            let groups = accounts.groups().iter().map(|g| g.name.to_string()).collect();
            return Ok(UserAnswer { groups, ..UserAnswer::default() });
        }
        UserAsk::All => accounts.users(),
        UserAsk::Named(name) => accounts.user(name).map(|user| user.into_iter().collect()),
    };
    let told = |user: User| {
        let groups = accounts.own_groups(user.id)?;
        let of = |way: Direction| groups.iter().filter(|(_, w)| *w == way).map(|(name, _)| name.to_string()).collect();
        Ok(UserInfo {
            uid: user.uid,
            role: match user.role {
                identity::Role::Admin => Role::Admin,
                identity::Role::User => Role::User,
                identity::Role::ReadOnly => Role::Readonly,
            },
            disabled: user.disabled,
            groups_in: of(Direction::In),
            groups_out: of(Direction::Out),
            name: user.name.to_string(),
        })
    };
    let users = found.and_then(|all| all.into_iter().map(told).collect::<Result<_, StoreError>>());
    Ok(UserAnswer { users: users.map_err(|e| failed(&e))?, ..UserAnswer::default() })
}

/// A certificate with its key.
pub fn issue(plugins: &Plugins, generation: &Generation, wanted: &CertOrder) -> Result<CertIssued, Failure> {
    need(generation, "certs.issue")?;
    let native = native(plugins)?;
    let user = native.accounts.user(&wanted.user).map_err(|e| failed(&e))?.filter(|user| !user.disabled);
    let Some(user) = user else {
        return refuse(failure::NOT_FOUND, format!("there is no user {:?}, or it is disabled", wanted.user));
    };
    let cn = if wanted.cn.is_empty() { user.name.to_string() } else { wanted.cn.clone() };
    let refused = |error: CertError| match error {
        CertError::Refused(why) => shim::failure(failure::INVALID, why),
        other => shim::failure(failure::OTHER, other.to_string()),
    };
    checked(&cn).map_err(refused)?;
    let profile = Profile::Client { cn, channels: false, until: None, uid: wanted.client_uid.clone() };
    let order = Order {
        profile: &profile,
        user: &user.name,
        client_uid: &wanted.client_uid,
        client_version: "",
        via: "plugin",
    };
    let by = Actor { name: format!("plugin {}", generation.name()).into(), ip: None };
    let issued = native.certificates.issue(&order, &native.config().packages.password, &by).map_err(refused)?;
    Ok(CertIssued {
        cert_pem: issued.cert_pem,
        chain_pem: issued.chain_pem,
        key_pem: issued.key_pem,
        p12: issued.p12.into(),
        serial: issued.serial_hex,
        not_after: issued.not_after_ms,
    })
}

/// Random secrets and hashes of passwords.
pub fn tokens(plugins: &Plugins, generation: &Generation, ask: &TokenAsk) -> Result<TokenAnswer, Failure> {
    need(generation, "tokens")?;
    let accounts = &native(plugins)?.accounts;
    let refused = |error: AccountError| match error {
        AccountError::Busy => shim::failure(failure::BUSY, error.to_string()),
        _ => shim::failure(failure::INVALID, "a password has at most 1024 bytes"),
    };
    let text = |text: String| TokenAnswer { text, right: false };
    match ask {
        TokenAsk::Random(bytes) if !(16..=64).contains(bytes) => invalid("a token has 16 to 64 random bytes"),
        TokenAsk::Random(bytes) => Ok(text(accounts.random_secret(*bytes as usize).reveal().to_owned())),
        TokenAsk::Hash(password) => accounts.hash_secret(password).map(text).map_err(refused),
        TokenAsk::Verify { password, hash } => {
            let right = accounts.is_secret(password, hash).map_err(refused)?;
            Ok(TokenAnswer { text: String::new(), right })
        }
    }
}
