//! [`Group`]: the table of groups (identity.md 8.1). A position is given out once: a group that is removed keeps its row,
//! and gets its position back when it is made again. `__ANON__` is 2; 1 is the canary's, whose group is no row and that
//! nobody can be put in.
//!
//! The whole table is kept in memory and exchanged after a change, so that finding out what somebody is in asks the
//! database for nothing but that. Positions are told to the directory, which asks here for names it has never seen.
use std::sync::Arc;

use serde_json::json;

use super::{AccountError, Accounts, channels::Direction};
use crate::{
    config::Config,
    directory::{ANON, CANARY, Directory},
    identity::audit::Actor,
    observe::clock,
    store::{database::Value, error::StoreError},
};

/// One group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Group {
    pub id: i64,
    pub name: Arc<str>,
    pub bit: u32,
    /// `SYSTEM` or `LDAP`.
    pub kind: String,
    pub description: String,
    /// ms UTC.
    pub created_at: i64,
}

/// Groups there can be, removed ones included. Positions from [`crate::directory`]'s spare range on are never theirs.
pub(super) const MOST: usize = 4_000;

/// May a group be called so? Names stand in paths, headers and XML.
fn is_group_name(name: &str) -> bool {
    (1..=64).contains(&name.chars().count())
        && name.trim() == name
        && !name.chars().any(|c| c.is_control() || matches!(c, ',' | '/' | '"' | '\''))
}

impl Accounts {
    /// Reads the table, gives every group of the configuration a row, and tells the directory.
    ///
    /// # Errors
    /// The database's.
    pub fn open_groups(self: &Arc<Self>, directory: &Arc<Directory>, config: &Config) -> Result<(), StoreError> {
        let _one = self.grouping.lock();
        self.directory.get_or_init(|| directory.clone());
        self.read_groups()?;
        if self.group(ANON).is_none() {
            let sql = r#"INSERT OR IGNORE INTO "group" (name, bitpos, created_at) VALUES (?, 2, ?)"#;
            self.db.exec(sql, &[ANON.to_owned().into(), clock::now_ms().into()])?;
            self.read_groups()?;
        }
        let cot = config.listeners.cot().flat_map(|l| &l.default_groups);
        for name in cot.chain(config.listeners.http().flat_map(|l| &l.default_groups)) {
            if name != CANARY && self.group(name).is_none() {
                self.insert_group(name)?;
                self.read_groups()?;
            }
        }
        let accounts = Arc::downgrade(self);
        directory.groups.keep(Box::new(move |name| accounts.upgrade()?.position(name)));
        Ok(())
    }

    /// The position of a name the directory has never seen; the group gets a row.
    fn position(&self, name: &str) -> Option<u32> {
        let _one = self.grouping.lock();
        if self.group(name).is_none() {
            let made = self.insert_group(name).and_then(|()| self.read_groups());
            if let Err(error) = made {
                tracing::error!(event = "db.error", group = name, %error, "a group could not be stored; it has a position of this run only");
                return None;
            }
        }
        self.group(name).map(|g| g.bit)
    }

    /// All groups by position.
    pub fn groups(&self) -> Arc<Vec<Group>> {
        self.groups.load_full()
    }

    /// A group by its exact name.
    pub fn group(&self, name: &str) -> Option<Group> {
        self.groups.load().iter().find(|g| &*g.name == name).cloned()
    }

    pub(super) fn group_named(&self, name: &str) -> Result<Group, AccountError> {
        self.group(name).ok_or_else(|| AccountError::NoGroup(name.to_owned()))
    }

    fn read_groups(&self) -> Result<(), StoreError> {
        let sql = r#"SELECT id, name, bitpos, type, description, created_at FROM "group" WHERE removed_at IS NULL ORDER BY bitpos"#;
        let rows = self.db.query(sql, &[])?;
        let groups: Vec<_> = rows
            .iter()
            .map(|row| Group {
                id: row.int("id"),
                name: row.text("name").into(),
                bit: u32::try_from(row.int("bitpos")).unwrap_or(0),
                kind: row.text("type").to_owned(),
                description: row.text("description").to_owned(),
                created_at: row.int("created_at"),
            })
            .collect();
        if let Some(directory) = self.directory.get() {
            groups.iter().for_each(|g| directory.groups.place(&g.name, g.bit));
        }
        self.groups.store(Arc::new(groups));
        Ok(())
    }

    /// A row for a new name, or the old one of a removed group again.
    fn insert_group(&self, name: &str) -> Result<(), StoreError> {
        let now = Value::from(clock::now_ms());
        let change = self.db.begin()?;
        let again = r#"UPDATE "group" SET removed_at = NULL, created_at = ? WHERE name = ? AND removed_at IS NOT NULL"#;
        if change.exec(again, &[now.clone(), name.to_owned().into()])? == 0 {
            let sql = r#"INSERT INTO "group" (name, bitpos, created_at)
                 SELECT ?, max(2, coalesce(max(bitpos), 2)) + 1, ? FROM "group" HAVING count(*) < ?"#;
            change.exec(sql, &[name.to_owned().into(), now, (MOST as i64).into()])?;
        }
        change.commit()
    }

    /// Makes a group.
    ///
    /// # Errors
    /// Its name is none, the server's own or taken; there are too many.
    pub fn add_group(&self, name: &str, description: &str, actor: &Actor) -> Result<Group, AccountError> {
        if name == CANARY {
            return Err(AccountError::Reserved(name.to_owned()));
        }
        if !is_group_name(name) {
            return Err(AccountError::GroupName(name.to_owned()));
        }
        let made = {
            let _one = self.grouping.lock();
            if self.group(name).is_some() {
                return Err(AccountError::GroupExists(name.to_owned()));
            }
            self.insert_group(name)?;
            let sql = r#"UPDATE "group" SET description = ? WHERE name = ?"#;
            self.db.exec(sql, &[description.to_owned().into(), name.to_owned().into()])?;
            self.read_groups()?;
            self.group(name).ok_or(AccountError::TooMany(MOST))?
        };
        self.audit.did(actor, "group.add", name, json!({"bitpos": made.bit}));
        Ok(made)
    }

    /// Removes a group with all its members; objects that were only in it are seen by nobody.
    ///
    /// # Errors
    /// There is none, or it is `__ANON__`.
    pub fn remove_group(&self, name: &str, actor: &Actor) -> Result<(), AccountError> {
        if name == ANON {
            return Err(AccountError::Reserved(name.to_owned()));
        }
        let config = self.config();
        let (cot, http) = (config.listeners.cot(), config.listeners.http());
        let of = cot.map(|l| (&l.name, &l.default_groups)).chain(http.map(|l| (&l.name, &l.default_groups)));
        if let Some((listener, _)) = of.into_iter().find(|(_, groups)| groups.iter().any(|g| g == name)) {
            return Err(AccountError::Default { group: name.to_owned(), listener: listener.clone() });
        }
        {
            let _one = self.grouping.lock();
            let group = self.group_named(name)?;
            let id = Value::from(group.id);
            let change = self.db.begin()?;
            change.exec("DELETE FROM user_group WHERE group_id = ?", std::slice::from_ref(&id))?;
            change.exec("DELETE FROM channel_off WHERE group_id = ?", std::slice::from_ref(&id))?;
            change.exec(r#"UPDATE "group" SET removed_at = ? WHERE id = ?"#, &[clock::now_ms().into(), id])?;
            change.commit()?;
            self.read_groups()?;
        }
        self.audit.did(actor, "group.remove", name, json!({}));
        Ok(())
    }

    /// Puts a user into a group. True = something changed.
    ///
    /// # Errors
    /// No such user or group.
    pub fn grant(
        &self,
        user: &str,
        group: &str,
        directions: &[Direction],
        actor: &Actor,
    ) -> Result<bool, AccountError> {
        self.regroup(
            user,
            group,
            directions,
            "INSERT OR IGNORE INTO user_group (user_id, group_id, direction) VALUES (?, ?, ?)",
            actor,
            "group.grant",
        )
    }

    /// Takes a user out of a group. True = something changed.
    ///
    /// # Errors
    /// No such user or group.
    pub fn revoke(
        &self,
        user: &str,
        group: &str,
        directions: &[Direction],
        actor: &Actor,
    ) -> Result<bool, AccountError> {
        self.regroup(
            user,
            group,
            directions,
            "DELETE FROM user_group WHERE user_id = ? AND group_id = ? AND direction = ?",
            actor,
            "group.revoke",
        )
    }

    fn regroup(
        &self,
        user: &str,
        group: &str,
        directions: &[Direction],
        sql: &'static str,
        actor: &Actor,
        action: &'static str,
    ) -> Result<bool, AccountError> {
        let found = self.user(user)?.ok_or_else(|| AccountError::NoUser(user.to_owned()))?;
        let group = self.group_named(group)?;
        let change = self.db.begin()?;
        let mut changed = 0;
        for direction in directions {
            changed += change.exec(sql, &[found.id.into(), group.id.into(), direction.name().to_owned().into()])?;
        }
        change.commit()?;
        if changed > 0 {
            let said: Vec<_> = directions.iter().map(|d| d.name()).collect();
            self.audit.did(actor, action, &found.name, json!({"group": &*group.name, "direction": said.join(" ")}));
        }
        Ok(changed > 0)
    }

    /// Replaces everything a user is in.
    ///
    /// # Errors
    /// No such user or group; nothing was changed.
    pub fn set_groups(&self, user: &str, groups: &[(String, Direction)], actor: &Actor) -> Result<(), AccountError> {
        let found = self.user(user)?.ok_or_else(|| AccountError::NoUser(user.to_owned()))?;
        let mut rows = Vec::with_capacity(groups.len());
        for (name, direction) in groups {
            rows.push((self.group_named(name)?.id, *direction));
        }
        let change = self.db.begin()?;
        change.exec("DELETE FROM user_group WHERE user_id = ?", &[found.id.into()])?;
        for (group, direction) in rows {
            let sql = "INSERT OR IGNORE INTO user_group (user_id, group_id, direction) VALUES (?, ?, ?)";
            change.exec(sql, &[found.id.into(), group.into(), direction.name().to_owned().into()])?;
        }
        change.commit()?;
        let said: Vec<_> = groups.iter().map(|(name, d)| format!("{name}:{}", d.name().to_lowercase())).collect();
        self.audit.did(actor, "user.groups", &found.name, json!({"groups": said.join(" ")}));
        Ok(())
    }

    /// Names of the users that have a row for this group, with the direction, by name.
    ///
    /// # Errors
    /// No such group.
    pub fn members(&self, group: &str) -> Result<Vec<(String, Direction)>, AccountError> {
        let group = self.group_named(group)?;
        let sql = "SELECT u.name, ug.direction FROM user_group ug JOIN user u ON u.id = ug.user_id WHERE ug.group_id = ? ORDER BY u.name, ug.direction";
        let rows = self.db.query(sql, &[group.id.into()])?;
        Ok(rows
            .iter()
            .filter_map(|r| Some((r.text("name").to_owned(), Direction::named(r.text("direction"))?)))
            .collect())
    }
}
