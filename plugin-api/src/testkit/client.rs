//! [`Client`]: somebody who connects to the mock, and what the directory knows of connections and remote contacts.
use super::state::State;
use crate::message::{ClientInfo, Find, Position, Role};

/// A client as a test describes it. Without groups it gets those of the builder.
#[derive(Clone, Debug, Default)]
pub struct Client {
    pub(super) info: ClientInfo,
    pub(super) groups: bool,
    role: Option<Role>,
}

impl Client {
    /// A client that tells who it is when it connects.
    pub fn new(uid: impl Into<String>, callsign: impl Into<String>) -> Self {
        let info = ClientInfo {
            uid: uid.into(),
            callsign: callsign.into(),
            listener: "cot_tcp".into(),
            peer: "192.0.2.1:50000".into(),
            ..ClientInfo::default()
        };
        Self { info, groups: false, role: None }
    }

    /// A connection that has not said who it is; its first position report does.
    pub fn silent() -> Self {
        Self::new("", "")
    }

    /// The user, where the listener knows users.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.info.user = user.into();
        self
    }

    /// The user's role ([`crate::message::SourceInfo::role`]); without it a user's is [`Role::User`].
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.role = Some(role);
        self
    }

    /// As the source of events says it.
    pub(super) fn told_role(&self) -> Role {
        self.role.unwrap_or(if self.info.user.is_empty() { Role::Anonymous } else { Role::User })
    }

    /// Groups it sends into and receives from.
    #[must_use]
    pub fn groups<S: Into<String>>(self, groups: impl IntoIterator<Item = S>) -> Self {
        let groups: Vec<String> = groups.into_iter().map(Into::into).collect();
        self.groups_in_out(groups.clone(), groups)
    }

    /// Groups it sends into, and groups it receives from.
    #[must_use]
    pub fn groups_in_out<S: Into<String>>(
        mut self,
        groups_in: impl IntoIterator<Item = S>,
        groups_out: impl IntoIterator<Item = S>,
    ) -> Self {
        self.info.groups_in = groups_in.into_iter().map(Into::into).collect();
        self.info.groups_out = groups_out.into_iter().map(Into::into).collect();
        self.groups = true;
        self
    }

    /// Its last position, degrees.
    #[must_use]
    pub fn at(mut self, lat: f64, lon: f64) -> Self {
        self.info.position = Some(Position { lat, lon, hae: 0.0, time: 0 });
        self
    }

    /// Team colour and role.
    #[must_use]
    pub fn team(mut self, team: impl Into<String>, role: impl Into<String>) -> Self {
        (self.info.team, self.info.role) = (team.into(), role.into());
        self
    }

    /// Device and software.
    #[must_use]
    pub fn platform(mut self, platform: impl Into<String>) -> Self {
        self.info.platform = platform.into();
        self
    }

    /// Name of the listener it uses (default `cot_tcp`).
    #[must_use]
    pub fn listener(mut self, listener: impl Into<String>) -> Self {
        self.info.listener = listener.into();
        self
    }
}

impl State {
    /// Connections first, then remote contacts.
    pub fn find(&self, find: &Find, plugin: &str) -> Vec<ClientInfo> {
        let contacts = self.contacts.values().map(|c| ClientInfo {
            uid: c.value.uid.clone(),
            callsign: c.value.callsign.clone(),
            groups_in: c.value.groups.clone(),
            groups_out: c.value.groups.clone(),
            remote_of: plugin.to_owned(),
            ..ClientInfo::default()
        });
        let all = self.clients.values().cloned().chain(contacts);
        all.filter(|c| match find {
            Find::All => true,
            Find::Conn(conn) => c.conn == *conn && *conn != 0,
            Find::Uid(uid) => c.uid == *uid,
            Find::Callsign(callsign) => c.callsign == *callsign,
            Find::User(user) => c.user == *user && c.remote_of.is_empty(),
        })
        .collect()
    }
}
