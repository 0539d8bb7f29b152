//! Video (marti-http.md 8): the XML version ATAK, WinTAK and iTAK use (`/Marti/vcm`) and the JSON version of WebTAK and
//! CloudTAK (`/Marti/api/video`), over one store (`store::devices::video`): a feed of the one is a connection with one
//! feed in the other.
//!
//! Who may: whoever the listener lets in, anonymous included; what is seen is decided by the groups of a connection, and
//! what is not seen is 404. A connection is changed by who made it and by administrators; readers only read. Credentials
//! in addresses are taken out before anything is stored (`video.strip_credentials`).
mod url;
mod v1;
mod v2;

use super::super::native::Book;
use crate::{
    directory::ANON,
    http::{
        answer::HandlerError,
        auth::{Identity, Role},
        call::Call,
    },
    store::devices::video::Connection,
};

/// Its routes.
pub fn routes(book: &mut Book) {
    v1::routes(book);
    v2::routes(book);
}

/// The name connections of this caller carry.
fn owner(who: &Identity) -> String {
    who.user.as_deref().unwrap_or("anonymous").to_owned()
}

/// Readers do not write (identity.md 7).
fn writer(call: &Call) -> Result<(), HandlerError> {
    match call.identity.role {
        Role::ReadOnly => Err(HandlerError::forbidden("your account may only read")),
        _ => Ok(()),
    }
}

/// May the caller change this one? It is seen already.
fn changes(who: &Identity, connection: &Connection) -> bool {
    who.role == Role::Admin || connection.owner == owner(who)
}

/// Groups a new connection is seen in: those asked for, each of which the caller must have, else all it may send into.
fn groups(call: &Call) -> Result<Vec<String>, HandlerError> {
    let who = &call.identity;
    let named = call.query.iter().filter(|(n, _)| n.eq_ignore_ascii_case("group"));
    let named = named.flat_map(|(_, v)| v.split(',')).map(str::trim).filter(|g| !g.is_empty());
    let mut asked: Vec<String> = named.map(str::to_owned).collect();
    if let Some(foreign) = asked.iter().find(|g| !who.groups_in.contains(g)) {
        return Err(HandlerError::forbidden(format!("you are not in the group {foreign:?}")));
    }
    if asked.is_empty() {
        asked.clone_from(&who.groups_in);
    }
    match asked.is_empty() {
        false => Ok(asked),
        // Nobody could ever see it.
        true if who.role == Role::Admin => Ok(vec![ANON.to_owned()]),
        true => Err(HandlerError::forbidden("you may not send into any group")),
    }
}
