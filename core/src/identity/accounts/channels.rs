//! [`Membership`]: what a user is in, and what of that is switched on (identity.md 8.1, 8.3).
//!
//! In order: rows of the user; an administrator is in every group (`groups.admin_all_groups`); who has nothing is in the
//! listener's `default_groups`; readonly never sends. Then, while channels are on, what the user has switched off is
//! left out. Who has switched everything off is still in its groups: it never falls back to the defaults.
use std::{collections::HashSet, sync::Arc};

use serde_json::json;

use super::{AccountError, Accounts, Group};
use crate::{
    config::Channels,
    directory::ANON,
    identity::{Role, audit::Actor},
    store::{database::Value, error::StoreError},
};

/// TAK's words, seen from the server: `IN` = the user sends into it, `OUT` = the user receives from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Direction {
    In,
    Out,
}

impl Direction {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::In, Self::Out];

    /// `IN` or `OUT`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::In => "IN",
            Self::Out => "OUT",
        }
    }

    /// Of its name in any case.
    pub fn named(name: &str) -> Option<Self> {
        Self::BOTH.into_iter().find(|d| d.name().eq_ignore_ascii_case(name))
    }
}

/// One group in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Channel {
    pub group: Group,
    pub direction: Direction,
    /// Not switched off by its user.
    pub active: bool,
}

/// Everything a user is in, by position, `IN` before `OUT`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership(pub Vec<Channel>);

impl Membership {
    /// Names of what is switched on, in this direction.
    pub fn names(&self, direction: Direction) -> Vec<String> {
        self.on(direction).map(|c| c.group.name.to_string()).collect()
    }

    fn on(&self, direction: Direction) -> impl Iterator<Item = &Channel> {
        self.0.iter().filter(move |c| c.active && c.direction == direction)
    }
}

impl Accounts {
    /// Do clients choose channels here (marti-http.md 5.5)?
    pub fn channels_on(&self) -> bool {
        match self.config().groups.channels {
            Channels::On => true,
            Channels::Off => false,
            Channels::Auto => self.groups.load().iter().any(|g| &*g.name != ANON),
        }
    }

    /// What somebody is in. None = nothing at all: such a connection is refused.
    ///
    /// # Errors
    /// The database's.
    pub fn membership(
        &self,
        name: &str,
        user_id: Option<i64>,
        role: Role,
        defaults: &[String],
    ) -> Result<Option<Membership>, StoreError> {
        let groups = self.groups();
        let mut pairs = self.own_pairs(user_id)?;
        if role == Role::Admin && self.config().groups.admin_all_groups {
            pairs.extend(groups.iter().flat_map(|g| Direction::BOTH.map(|d| (g.id, d))));
        }
        if pairs.is_empty() {
            let defaults = groups.iter().filter(|g| defaults.iter().any(|d| **d == *g.name));
            pairs.extend(defaults.flat_map(|g| Direction::BOTH.map(|d| (g.id, d))));
        }
        if pairs.is_empty() {
            return Ok(None);
        }
        let off = if self.channels_on() { self.off(name)? } else { HashSet::new() };
        let channel = |group: &Group, direction| {
            let pair = (group.id, direction);
            let may = direction == Direction::Out || role != Role::ReadOnly;
            (may && pairs.contains(&pair)).then(|| Channel {
                group: group.clone(),
                direction,
                active: !off.contains(&pair),
            })
        };
        let all = groups.iter().flat_map(|g| Direction::BOTH.map(|d| channel(g, d)));
        Ok(Some(Membership(all.flatten().collect())))
    }

    /// Rows of a user, without what follows from its role.
    ///
    /// # Errors
    /// The database's.
    pub fn own_groups(&self, user_id: i64) -> Result<Vec<(Arc<str>, Direction)>, StoreError> {
        let pairs = self.own_pairs(Some(user_id))?;
        let groups = self.groups();
        let all = groups.iter().flat_map(|g| Direction::BOTH.map(|d| (g, d)));
        Ok(all.filter(|(g, d)| pairs.contains(&(g.id, *d))).map(|(g, d)| (g.name.clone(), d)).collect())
    }

    fn own_pairs(&self, user_id: Option<i64>) -> Result<HashSet<(i64, Direction)>, StoreError> {
        let Some(id) = user_id else { return Ok(HashSet::new()) };
        self.pairs("SELECT group_id, direction FROM user_group WHERE user_id = ?", id.into())
    }

    fn off(&self, name: &str) -> Result<HashSet<(i64, Direction)>, StoreError> {
        self.pairs("SELECT group_id, direction FROM channel_off WHERE user_name = ?", name.to_owned().into())
    }

    fn pairs(&self, sql: &'static str, of: Value) -> Result<HashSet<(i64, Direction)>, StoreError> {
        let rows = self.db.query(sql, &[of])?;
        Ok(rows.iter().filter_map(|r| Some((r.int("group_id"), Direction::named(r.text("direction"))?))).collect())
    }

    /// Keeps what a user has switched on and off: of `of`, what `wanted` names takes its state, the rest stays as it is.
    ///
    /// # Errors
    /// Nothing is left on while `groups.require_active` is on; then nothing is changed.
    pub fn choose_channels(
        &self,
        name: &str,
        of: &Membership,
        wanted: &[(String, Direction, bool)],
        actor: &Actor,
    ) -> Result<(), AccountError> {
        let mut chosen = of.clone();
        for channel in &mut chosen.0 {
            // The last one counts where the same stands twice.
            let said = wanted.iter().rev().find(|(n, d, _)| *n == *channel.group.name && *d == channel.direction);
            channel.active = said.map_or(channel.active, |(_, _, active)| *active);
        }
        if self.config().groups.require_active && !chosen.0.iter().any(|c| c.active) {
            return Err(AccountError::NothingActive);
        }
        let change = self.db.begin()?;
        for channel in &chosen.0 {
            let sql = if channel.active {
                "DELETE FROM channel_off WHERE user_name = ? AND group_id = ? AND direction = ?"
            } else {
                "INSERT OR IGNORE INTO channel_off (user_name, group_id, direction) VALUES (?, ?, ?)"
            };
            let values = [name.to_owned().into(), channel.group.id.into(), channel.direction.name().to_owned().into()];
            change.exec(sql, &values)?;
        }
        change.commit()?;
        let on: Vec<_> = chosen
            .0
            .iter()
            .filter(|c| c.active)
            .map(|c| format!("{}:{}", c.group.name, c.direction.name().to_lowercase()))
            .collect();
        self.audit.did(actor, "channels.choose", name, json!({"active": on.join(" ")}));
        Ok(())
    }
}
