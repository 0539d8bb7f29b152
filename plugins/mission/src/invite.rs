//! Invitations are written and delivered (mission.md 3.7): the one place for M-37, M-44 and M-45.
//!
//! First [`Guest::new`], before the transaction: the id of the token comes from the host. Then [`put`] inside: the row (a
//! second invitation refreshes the first, whose token ends), and `t-x-m-i` to the connections that are the invitee. Who is
//! not online finds it with M-47. What must not happen: the token in a log, or told to anybody else.
use fts_plugin_api::tracing;

use crate::{
    desk::Desk,
    model::{Invitation, InviteKind, Mission, Role},
    notice::{Notice, To},
    online::Online,
    refusal::Refusal,
    store::invitations,
    token::TokenKind,
    visit::Visit,
    write::Write,
};

/// Somebody who is to be invited.
pub struct Guest {
    kind: InviteKind,
    invitee: String,
    /// What they become.
    pub role: Role,
    token_id: String,
}

impl Guest {
    /// How they are named, and what they become.
    pub fn new(desk: &Desk, (kind, invitee): (InviteKind, &str), role: Role) -> Self {
        Self { kind, invitee: invitee.to_owned(), role, token_id: desk.host.uuid() }
    }

    /// One line: who was invited by whom.
    pub fn log(&self, visit: &Visit<'_>) {
        let (mission, by, kind, invitee) = (&visit.mission.guid, &visit.caller.user, self.kind.name(), &self.invitee);
        let uid = visit.caller.uid.as_deref().unwrap_or("");
        tracing::info!(event = "mission.invited", %mission, user = %by, %uid, kind, %invitee, role = self.role.name(), "invited");
    }
}

/// The token of an invitation.
pub fn token(desk: &Desk, mission: &Mission, row: &Invitation) -> String {
    desk.key.issue(TokenKind::Invitation, &row.token_id, row.create_time, &mission.guid, &mission.name)
}

/// See the file's head.
///
/// # Errors
/// What SQLite says.
pub fn put(
    w: &mut Write<'_, '_>,
    desk: &Desk,
    mission: &Mission,
    guest: &Guest,
    creator: &str,
    online: &Online,
) -> Result<(), Refusal> {
    let row = Invitation {
        mission_id: mission.id,
        invitee: guest.invitee.clone(),
        kind: guest.kind,
        creator_uid: creator.to_owned(),
        create_time: w.now,
        token_id: guest.token_id.clone(),
        role: guest.role,
    };
    invitations::put(w.tx, &row)?;
    let conns = online.invitee(mission, row.kind, &row.invitee);
    if !conns.is_empty() {
        w.notice(Notice::invited(mission, creator, row.role, &token(desk, mission, &row), To::Conns(conns)));
    }
    Ok(())
}
