//! A small model of who may do and hear what, written from mission.md 2, 3 and 5 alone: the oracle of `model_check.rs`.
//!
//! It knows clients (uid, user, groups; some borrow a uid, some have no user), missions (groups, roles, members, invitations,
//! items) and four questions: who sees, what role, who is live, who is in a group. What must not happen: it asks the plugin. `step` what may happen, `world`
//! plugin and model side by side, `acts` each step, `reads` what is read.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]
use std::collections::{BTreeMap, BTreeSet};

mod acts;
mod reads;
mod step;
mod world;

pub use step::{Step, step};
pub use world::World;

pub const GROUPS: [&str; 3] = ["Blue", "Green", "Red"];
pub const KINDS: [&str; 4] = ["clientUid", "callsign", "userName", "group"];
/// uid, callsign, user, administrator. The third borrows the uid of the first; two have no user; two share a callsign.
pub const CLIENTS: [(&str, &str, &str, bool); 7] = [
    ("U0", "Alpha", "ann", false),
    ("U1", "Bravo", "ann", false),
    ("U0", "Alpha", "mallory", false),
    ("U3", "Delta", "", false),
    ("U4", "Echo", "", false),
    ("U5", "Foxtrot", "eve", false),
    ("U6", "Golf", "root", true),
];

/// Ordered as the roles of the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Readonly,
    Subscriber,
    Owner,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Readonly, Self::Subscriber, Self::Owner];

    pub fn name(self) -> &'static str {
        match self {
            Self::Readonly => "MISSION_READONLY_SUBSCRIBER",
            Self::Subscriber => "MISSION_SUBSCRIBER",
            Self::Owner => "MISSION_OWNER",
        }
    }
}

/// Somebody with a device. `conn` is there while it is connected.
#[derive(Clone, Debug)]
pub struct Client {
    pub conn: Option<u64>,
    pub uid: &'static str,
    pub callsign: &'static str,
    pub user: &'static str,
    pub admin: bool,
    pub groups: BTreeSet<&'static str>,
}

/// (uid, user)
pub type Pair = (String, String);

#[derive(Clone, Debug)]
pub struct Mission {
    pub guid: String,
    pub name: String,
    pub groups: BTreeSet<&'static str>,
    pub default: Role,
    pub invite_only: bool,
    pub password: bool,
    pub rows: BTreeMap<Pair, (Role, bool)>,
    /// (kind, invitee) and role.
    pub invited: BTreeMap<(&'static str, String), Role>,
    pub items: BTreeSet<String>,
    pub dead: bool,
}

impl Client {
    pub fn pair(&self) -> Pair {
        (self.uid.to_owned(), self.user.to_owned())
    }

    pub fn sees(&self, mission: &Mission) -> bool {
        self.admin || mission.groups.iter().any(|g| self.groups.contains(g))
    }

    /// Invitations of this kind name it so, while it is connected.
    pub fn name_of(&self, kind: &str) -> Vec<String> {
        match kind {
            "clientUid" => vec![self.uid.to_owned()],
            "callsign" => vec![self.callsign.to_owned()],
            "userName" if self.user.is_empty() => vec![],
            "userName" => vec![self.user.to_owned()],
            _ => self.groups.iter().map(|g| (*g).to_owned()).collect(),
        }
    }
}

impl Mission {
    /// What a request of this client about itself may do.
    pub fn role(&self, client: &Client) -> Option<Role> {
        let row = self.rows.get(&client.pair()).filter(|_| !client.user.is_empty());
        self.role_or(client, row.map(|(role, _)| *role))
    }

    /// The same where the request names somebody else's device: any device of the user counts.
    pub fn role_of_user(&self, client: &Client) -> Option<Role> {
        let own = self.rows.iter().filter(|((_, user), _)| !user.is_empty() && user == client.user);
        self.role_or(client, own.map(|(_, (role, _))| *role).max())
    }

    fn role_or(&self, client: &Client, member: Option<Role>) -> Option<Role> {
        if client.admin {
            return Some(Role::Owner);
        }
        member.or_else(|| (!self.invite_only && !self.password).then_some(self.default))
    }

    pub fn is_live(&self, client: &Client) -> bool {
        !self.dead && self.rows.get(&client.pair()).is_some_and(|(_, active)| *active)
    }

    pub fn writes(&self, client: &Client) -> bool {
        !self.dead && self.rows.get(&client.pair()).is_some_and(|(role, _)| *role >= Role::Subscriber)
    }

    pub fn owners(&self) -> usize {
        self.rows.values().filter(|(role, _)| *role == Role::Owner).count()
    }

    /// Invitations that are this client's, with their roles; `holds` = its uid is its own now.
    pub fn invitations_of(&self, client: &Client, holds: bool) -> Vec<(&'static str, String, Role)> {
        let own = |kind: &str, invitee: &String| {
            // A device is known by its connection; user and groups by the request.
            let device = holds || !matches!(kind, "clientUid" | "callsign");
            device && client.name_of(kind).contains(invitee)
        };
        let all = self.invited.iter().filter(|((kind, invitee), _)| !self.dead && own(kind, invitee));
        all.map(|((kind, invitee), role)| (*kind, invitee.clone(), *role)).collect()
    }
}

/// What each connection should have got.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard(pub BTreeMap<u64, Vec<String>>);

impl Heard {
    pub fn add(&mut self, client: &Client, what: String) {
        if let Some(conn) = client.conn {
            self.0.entry(conn).or_default().push(what);
        }
    }

    /// Order is another test's matter.
    pub fn sorted(mut self) -> Self {
        self.0.retain(|_, all| !all.is_empty());
        self.0.values_mut().for_each(|all| all.sort());
        self
    }
}
