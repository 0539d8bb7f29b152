//! [`Notice`]: an event that tells clients what happened in a mission (mission.md 4). Made inside the transaction as plain
//! data, sent behind it.
//!
//! Each has a fresh uid, lives 20 s and never carries `<marti>`. What must not happen: a notice with a token reaches anybody
//! but the one who is invited; a notice to a group reaches its author.
use fts_plugin_api::{
    cot::Cot,
    sdk::{Error, Result, Send},
};

use crate::{
    desk::Desk,
    model::{Change, ChangeKind, Mission, Role, Subject},
    notice_xml as xml, roll,
};

/// Life of a notice, ms.
const STALE: i64 = 20_000;
/// Unknown error, metres.
const UNKNOWN: f64 = 9_999_999.0;

/// Whom it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// Live members of the mission with this guid, the author included.
    Live(String),
    /// Clients of these groups (None = all) but the author.
    Groups(Option<Vec<String>>, String),
    /// These connections.
    Conns(Vec<u64>),
}

/// See the file's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    kind: &'static str,
    to: To,
    /// The element `<mission>`.
    mission: String,
}

impl Notice {
    /// Of a type, with what goes into `<mission>` beside its attributes.
    pub fn new(kind: &'static str, mission: &Mission, author: &str, to: To, inner: &str) -> Self {
        let what = match kind {
            "t-x-m-n" => "CREATE",
            "t-x-m-d" => "DELETE",
            "t-x-m-i" | "t-x-m-r" => "INVITE",
            _ => "CHANGE",
        };
        Self { kind, to, mission: xml::mission(what, mission, author, None, inner) }
    }

    /// To live members: `t-x-m-c-l`, `-k-u`, `-k-c`, `-h` …
    pub fn live(kind: &'static str, mission: &Mission, author: &str, inner: &str) -> Self {
        Self::new(kind, mission, author, To::Live(mission.guid.clone()), inner)
    }

    /// To everybody in the mission's groups but the author: `t-x-m-n`, `-d`, `-c-k`, `-c-m`.
    pub fn broadcast(kind: &'static str, mission: &Mission, author: &str) -> Self {
        let groups = (!mission.all_groups).then(|| mission.groups.clone());
        Self::new(kind, mission, author, To::Groups(groups, author.to_owned()), "")
    }

    /// Of a change, as its kind wants it.
    pub fn changed(mission: &Mission, change: &Change, content_hash: bool) -> Self {
        match (change.kind, &change.subject) {
            (ChangeKind::CreateMission, _) => Self::broadcast("t-x-m-n", mission, &change.creator_uid),
            (ChangeKind::DeleteMission, _) => Self::broadcast("t-x-m-d", mission, &change.creator_uid),
            (_, subject) => {
                let kind = if matches!(subject, Subject::External(..)) { "t-x-m-c-e" } else { "t-x-m-c" };
                Self::live(kind, mission, &change.creator_uid, &xml::changes(change, content_hash))
            }
        }
    }

    /// An invitation: the token is only for `to`.
    pub fn invited(mission: &Mission, author: &str, role: Role, token: &str, to: To) -> Self {
        let mission = xml::mission("INVITE", mission, author, Some(token), &xml::role(role));
        Self { kind: "t-x-m-i", to, mission }
    }

    /// Somebody's role was changed; None = it is no member any more.
    pub fn role(mission: &Mission, role: Option<Role>, to: To) -> Self {
        Self::new("t-x-m-r", mission, "", to, &role.map(xml::role).unwrap_or_default())
    }

    /// The same to somebody else.
    pub fn to(&self, to: To) -> Self {
        Self { to, ..self.clone() }
    }

    /// Its event type.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The event.
    ///
    /// # Errors
    /// None in practice: everything in it is escaped.
    pub fn event(&self, desk: &Desk) -> Result<Cot> {
        let event = desk.host.cot().build(self.kind).stale_after(STALE).point(0.0, 0.0, 0.0, UNKNOWN, UNKNOWN);
        event.detail_xml(&self.mission).build().map_err(|e| Error::new(format!("a notice {}: {e}", self.kind)))
    }

    /// Where it goes.
    ///
    /// # Errors
    /// `Gone`.
    pub fn how(&self, desk: &Desk) -> Result<Send> {
        Ok(match &self.to {
            To::Live(guid) => Send::to(roll::live(guid)),
            To::Conns(conns) => Send::to(fts_plugin_api::sdk::Target::Conns(conns.clone())),
            To::Groups(groups, author) => {
                let all = groups.as_ref().map_or_else(Send::all, |groups| Send::groups(groups.iter().cloned()));
                if author.is_empty() {
                    return Ok(all);
                }
                // The host compares uids exactly, the book without case.
                let other_case = |c: &fts_plugin_api::sdk::ClientInfo| c.uid.eq_ignore_ascii_case(author);
                let same = desk.host.clients().all()?.into_iter().filter(other_case);
                same.fold(all.but_uid(author.as_str()), |how, client| how.but_conn(client.conn))
            }
        })
    }

    /// Sends it.
    ///
    /// # Errors
    /// `Busy`, `Gone`; the mission was deleted meanwhile.
    pub fn send(&self, desk: &Desk) -> Result<()> {
        let how = self.how(desk)?;
        desk.host.cot().send(&self.event(desk)?, how)
    }
}
