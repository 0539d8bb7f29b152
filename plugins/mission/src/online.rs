//! [`Online`]: connections at one moment, and which of them somebody is (mission.md 3.6, 3.7): a member, or an invitee.
//!
//! Taken before a transaction, because inside of it the host answers nothing but SQL. A member is a client uid together
//! with its user, and a uid belongs to the user who connected with it first of those who are there (mission.md 5.4): who
//! borrows one gets nothing. Invitees are compared without case, and always as a whole: no patterns. What must not
//! happen: a notice with a token or a role goes to a connection that is not meant.
use fts_plugin_api::sdk::{ClientInfo, Host, Result};

use crate::model::{InviteKind, Mission, Subscription};

/// See the file's head.
pub struct Online(Vec<ClientInfo>);

impl Online {
    /// As it is now.
    ///
    /// # Errors
    /// `Gone`.
    pub fn now(host: &Host) -> Result<Self> {
        Ok(Self::own(host.clients().all()?))
    }

    /// Contacts of other servers have no connection that could be told.
    fn own(mut all: Vec<ClientInfo>) -> Self {
        all.retain(|c| c.conn != 0 && c.remote_of.is_empty());
        Self(all)
    }

    /// Connections of a member.
    pub fn member(&self, row: &Subscription) -> Vec<u64> {
        let own = |c: &&ClientInfo| !c.uid.is_empty() && c.uid == row.client_uid && c.user == row.username;
        self.0.iter().filter(own).map(|c| c.conn).collect()
    }

    /// Connections of an invitee.
    pub fn invitee(&self, mission: &Mission, kind: InviteKind, invitee: &str) -> Vec<u64> {
        let holder = match kind {
            InviteKind::ClientUid => self.holder(invitee),
            _ => None,
        };
        let meant = |c: &&ClientInfo| {
            is_invitee(c, mission, kind, invitee) && holder.is_none_or(|holder| holder.user == c.user)
        };
        self.0.iter().filter(meant).map(|c| c.conn).collect()
    }

    /// Who connected with this uid first of those who are.
    fn holder(&self, uid: &str) -> Option<&ClientInfo> {
        self.0.iter().filter(|c| same(&c.uid, uid)).min_by_key(|c| c.conn)
    }

    /// Connections that are this user's own; a user without a name has none.
    pub fn devices(&self, user: &str) -> Vec<&ClientInfo> {
        let named = self.0.iter().filter(|c| !user.is_empty() && c.user == user);
        named.filter(|c| self.device(&c.uid, user).is_some()).collect()
    }

    /// The connection that uses a client uid as this user ("" = of a listener that knows no users), when it is theirs.
    pub fn device(&self, uid: &str, user: &str) -> Option<&ClientInfo> {
        let held = !uid.is_empty() && self.holder(uid).is_some_and(|holder| holder.user == user);
        self.0.iter().find(|c| held && c.uid == uid && c.user == user)
    }
}

/// The same name, in any case.
pub fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

fn is_invitee(client: &ClientInfo, mission: &Mission, kind: InviteKind, invitee: &str) -> bool {
    let is = |value: &str| !value.is_empty() && same(value, invitee);
    match kind {
        InviteKind::ClientUid => is(&client.uid),
        InviteKind::Callsign => is(&client.callsign),
        InviteKind::UserName => is(&client.user),
        InviteKind::Group => client.groups_in.iter().chain(&client.groups_out).any(|group| is(group)),
        // A colour that every group uses: nobody outside the mission's groups is meant by it.
        InviteKind::Team => is(&client.team) && in_groups(mission, &client.groups_out),
    }
}

/// Does somebody with these groups see the mission?
fn in_groups(mission: &Mission, groups: &[String]) -> bool {
    mission.all_groups || mission.groups.iter().any(|group| groups.contains(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitee_is_the_whole_name_in_any_case_and_a_team_only_within_the_missions_groups() {
        let client = |conn: u64, uid: &str, callsign: &str, user: &str, team: &str, group: &str| ClientInfo {
            conn,
            uid: uid.into(),
            callsign: callsign.into(),
            user: user.into(),
            team: team.into(),
            groups_in: vec![group.into()],
            groups_out: vec![group.into()],
            ..ClientInfo::default()
        };
        let online = Online(vec![
            client(1, "A-1", "Alpha", "alice", "Cyan", "Blue"),
            client(2, "A-2", "Alpha 2", "bob", "Cyan", "Red"),
            client(3, "", "", "", "", "Blue"),
            client(4, "A-1", "Alpha 3", "mallory", "", "Red"),
        ]);
        let mission = Mission { groups: vec!["Blue".into()], ..Mission::new("g".into(), "m".into(), 0) };
        for (kind, invitee, wanted) in [
            (InviteKind::ClientUid, "a-1", vec![1]),
            (InviteKind::ClientUid, "A-.", vec![]),
            (InviteKind::ClientUid, "", vec![]),
            (InviteKind::Callsign, "ALPHA", vec![1]),
            (InviteKind::UserName, "Bob", vec![2]),
            (InviteKind::UserName, "%", vec![]),
            (InviteKind::Group, "blue", vec![1, 3]),
            (InviteKind::Callsign, "alpha 3", vec![4]),
            (InviteKind::Team, "cyan", vec![1]),
        ] {
            assert_eq!(online.invitee(&mission, kind, invitee), wanted, "{kind:?} {invitee:?}");
        }
        // The uid is alice's as long as she is there.
        assert_eq!(online.device("A-1", "alice").map(|c| c.conn), Some(1));
        assert!(online.device("A-1", "mallory").is_none() && online.device("", "").is_none());
        let devices = |user| online.devices(user).iter().map(|c| c.conn).collect::<Vec<_>>();
        assert_eq!([devices("alice"), devices("mallory"), devices("")], [vec![1], vec![], vec![]]);
    }
}
