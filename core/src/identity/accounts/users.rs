//! Users: rows of the table `user`. Names are compared without regard to case and kept as written. A password, a role
//! and a switch off raise `token_epoch`: access tokens made before are worth nothing then.
use std::sync::Arc;

use serde_json::json;

use super::{AccountError, Accounts, Secret};
use crate::{
    identity::{Role, audit::Actor},
    observe::clock,
    store::{database::Value, error::StoreError, rows::Row},
};

/// One user, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct User {
    pub id: i64,
    /// FTS uid: a UUID.
    pub uid: String,
    pub name: Arc<str>,
    pub role: Role,
    pub disabled: bool,
    pub has_password: bool,
    /// SHA-256 of the one certificate it may use, lower-case hex.
    pub fingerprint: Option<String>,
    pub device_type: Option<String>,
    pub team_label: Option<String>,
    /// Access tokens of another epoch are worth nothing.
    pub token_epoch: i64,
    /// ms UTC.
    pub created_at: i64,
    pub last_login_at: Option<i64>,
    pub last_ip: Option<String>,
}

/// A user to be made.
#[derive(Clone, Debug, Default)]
pub struct NewUser {
    /// Its name.
    pub name: String,
    /// None = it has none and gets in by certificate or token only.
    pub password: Option<Secret>,
    /// Its role.
    pub role: Role,
    /// FTS uid; None = a new one.
    pub uid: Option<String>,
    /// As FTS has it (`mobile`, `wintak`).
    pub device_type: Option<String>,
    /// FTS's group text: no group (identity.md 8.1).
    pub team_label: Option<String>,
}

/// The longest password, bytes: hashing it must not cost more than the hash.
const LONGEST: usize = 1_024;

pub(super) const COLUMNS: &str = "u.id, u.uid, u.name, u.role, u.disabled, u.password_hash, u.fingerprint, u.device_type, u.team_label, u.token_epoch, u.created_at, u.last_login_at, u.last_ip";

impl User {
    pub(super) fn of(row: Row<'_>) -> Self {
        Self {
            id: row.int("id"),
            uid: row.text("uid").to_owned(),
            name: row.text("name").into(),
            role: Role::named(row.text("role")).unwrap_or_default(),
            disabled: row.flag("disabled"),
            has_password: row.opt_text("password_hash").is_some(),
            fingerprint: row.opt_text("fingerprint").map(str::to_owned),
            device_type: row.opt_text("device_type").map(str::to_owned),
            team_label: row.opt_text("team_label").map(str::to_owned),
            token_epoch: row.int("token_epoch"),
            created_at: row.int("created_at"),
            last_login_at: row.opt_int("last_login_at"),
            last_ip: row.opt_text("last_ip").map(str::to_owned),
        }
    }
}

/// May a user be called so?
pub(super) fn is_user_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
    (1..=64).contains(&name.len()) && name.chars().all(plain) && !name.starts_with(['.', '_', '@', '-'])
}

impl Accounts {
    /// A user by name.
    ///
    /// # Errors
    /// The database's.
    pub fn user(&self, name: &str) -> Result<Option<User>, StoreError> {
        self.one_user("u.name = ?", name.to_owned().into())
    }

    /// The same by its row.
    ///
    /// # Errors
    /// The database's.
    pub fn user_by_id(&self, id: i64) -> Result<Option<User>, StoreError> {
        self.one_user("u.id = ?", id.into())
    }

    /// The same by its FTS uid.
    ///
    /// # Errors
    /// The database's.
    pub fn user_by_uid(&self, uid: &str) -> Result<Option<User>, StoreError> {
        self.one_user("u.uid = ?", uid.to_owned().into())
    }

    pub(super) fn one_user(&self, condition: &'static str, value: Value) -> Result<Option<User>, StoreError> {
        let rows = self.db.query(&format!("SELECT {COLUMNS} FROM user u WHERE {condition}"), &[value])?;
        Ok(rows.first().map(User::of))
    }

    /// All of them by name.
    ///
    /// # Errors
    /// The database's.
    pub fn users(&self) -> Result<Vec<User>, StoreError> {
        let rows = self.db.query(&format!("SELECT {COLUMNS} FROM user u ORDER BY u.name"), &[])?;
        Ok(rows.iter().map(User::of).collect())
    }

    fn named(&self, name: &str) -> Result<User, AccountError> {
        self.user(name)?.ok_or_else(|| AccountError::NoUser(name.to_owned()))
    }

    /// Hashes a password that is good enough.
    pub(super) fn hashed(&self, password: &Secret) -> Result<String, AccountError> {
        let least = self.config().auth.password_min;
        let text = password.reveal();
        if text.chars().count() < least || text.len() > LONGEST {
            return Err(AccountError::Password(least));
        }
        self.hashing.hash(text).map_err(|_| AccountError::Busy)
    }

    /// A password nobody has to think of.
    pub fn new_password(&self) -> Secret {
        let mut made = Secret::password();
        while made.reveal().len() < self.config().auth.password_min {
            made = Secret::new(format!("{}{}", made.reveal(), Secret::password().reveal()));
        }
        made
    }

    /// Makes a user.
    ///
    /// # Errors
    /// Its name is none or taken, its password too short.
    pub fn add_user(&self, new: NewUser, actor: &Actor) -> Result<User, AccountError> {
        if !is_user_name(&new.name) {
            return Err(AccountError::UserName(new.name));
        }
        let hash = new.password.as_ref().map(|p| self.hashed(p)).transpose()?;
        let uid = new.uid.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let values = [
            uid.into(),
            Value::from(new.name.clone()),
            hash.into(),
            Value::from(new.role.name().to_owned()),
            new.device_type.into(),
            new.team_label.into(),
            clock::now_ms().into(),
        ];
        let sql = "INSERT INTO user (uid, name, password_hash, role, device_type, team_label, created_at)
             VALUES (?, ?, ?, ?, ?, ?, ?)";
        match self.db.exec(sql, &values) {
            Err(StoreError::Constraint(_)) => return Err(AccountError::UserExists(new.name)),
            done => done?,
        };
        self.audit.did(actor, "user.add", &new.name, json!({"role": new.role.name()}));
        self.named(&new.name)
    }

    /// Another password; access tokens made before end.
    ///
    /// # Errors
    /// No such user, or it is too short.
    pub fn set_password(&self, name: &str, password: &Secret, actor: &Actor) -> Result<(), AccountError> {
        self.named(name)?;
        let hash = self.hashed(password)?;
        let sql = "UPDATE user SET password_hash = ?, token_epoch = token_epoch + 1 WHERE name = ?";
        self.changed(name, sql, &[hash.into(), name.to_owned().into()])?;
        self.audit.did(actor, "user.password", name, json!({}));
        Ok(())
    }

    /// Switches a user off or on. Its tokens stay, and get it nowhere meanwhile; access tokens end.
    ///
    /// # Errors
    /// No such user.
    pub fn set_disabled(&self, name: &str, disabled: bool, actor: &Actor) -> Result<(), AccountError> {
        let sql = "UPDATE user SET disabled = ?, token_epoch = token_epoch + 1 WHERE name = ?";
        self.changed(name, sql, &[i64::from(disabled).into(), name.to_owned().into()])?;
        self.audit.did(actor, if disabled { "user.disable" } else { "user.enable" }, name, json!({}));
        Ok(())
    }

    /// Another role; access tokens made before end.
    ///
    /// # Errors
    /// No such user.
    pub fn set_role(&self, name: &str, role: Role, actor: &Actor) -> Result<(), AccountError> {
        let sql = "UPDATE user SET role = ?, token_epoch = token_epoch + 1 WHERE name = ?";
        self.changed(name, sql, &[role.name().to_owned().into(), name.to_owned().into()])?;
        self.audit.did(actor, "user.role", name, json!({"role": role.name()}));
        Ok(())
    }

    /// The one certificate that is this user, whatever name stands in it (identity.md 6.2); None = by name again.
    ///
    /// # Errors
    /// No such user, or it is no SHA-256.
    pub fn set_fingerprint(&self, name: &str, sha256: Option<&str>, actor: &Actor) -> Result<(), AccountError> {
        let plain = sha256.map(|s| s.replace(':', "").to_ascii_lowercase());
        if let Some(text) = &plain
            && (text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()))
        {
            return Err(AccountError::Fingerprint(text.clone()));
        }
        let values = [plain.clone().into(), name.to_owned().into()];
        self.changed(name, "UPDATE user SET fingerprint = ? WHERE name = ?", &values)?;
        self.audit.did(actor, "user.fingerprint", name, json!({"sha256": plain}));
        Ok(())
    }

    /// Removes a user with its tokens, groups and channels. Its certificates stay: who deletes a user for good revokes
    /// them (certificates), else they are a user of their own while `auth.allow_unknown_cn` is on.
    ///
    /// # Errors
    /// No such user.
    pub fn delete_user(&self, name: &str, actor: &Actor) -> Result<(), AccountError> {
        let user = self.named(name)?;
        let change = self.db.begin()?;
        change.exec("DELETE FROM channel_off WHERE user_name = ?", &[name.to_owned().into()])?;
        change.exec("DELETE FROM user WHERE id = ?", &[user.id.into()])?;
        change.commit()?;
        self.audit.did(actor, "user.delete", &user.name, json!({}));
        Ok(())
    }

    fn changed(&self, name: &str, sql: &'static str, values: &[Value]) -> Result<(), AccountError> {
        match self.db.exec(sql, values)? {
            0 => Err(AccountError::NoUser(name.to_owned())),
            _ => Ok(()),
        }
    }
}
