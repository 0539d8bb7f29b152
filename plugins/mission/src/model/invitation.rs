//! [`Invitation`]: somebody may become a member (mission.md 3.7). Its token is made from the row when it is shown.
use super::Role;

/// How the invitee is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InviteKind {
    /// A device.
    ClientUid,
    /// Whoever uses the callsign.
    Callsign,
    /// A user.
    UserName,
    /// Everybody in a group.
    Group,
    /// Everybody in a team.
    Team,
}

impl InviteKind {
    /// On the wire and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientUid => "clientUid",
            Self::Callsign => "callsign",
            Self::UserName => "userName",
            Self::Group => "group",
            Self::Team => "team",
        }
    }

    /// By name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::ClientUid, Self::Callsign, Self::UserName, Self::Group, Self::Team];
        all.into_iter().find(|k| k.name().eq_ignore_ascii_case(name.trim()))
    }
}

/// One row: (mission, invitee, kind) is unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// The mission.
    pub mission_id: i64,
    /// As written; compared without case.
    pub invitee: String,
    /// See [`InviteKind`].
    pub kind: InviteKind,
    /// Who invites.
    pub creator_uid: String,
    /// ms UTC; also the token's `iat`.
    pub create_time: i64,
    /// `jti` of its token.
    pub token_id: String,
    /// What the invitee becomes.
    pub role: Role,
}
