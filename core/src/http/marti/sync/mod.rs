//! Enterprise Sync and the file manager (marti-http.md 6): uploads, packages, search, content, metadata, deletion.
//!
//! Whoever the listener lets in may use them, anonymous included; what is seen and changed is decided by groups and by who
//! stored a file (`files`). Users of the role readonly only read. Query keys are taken in any case, unknown ones ignored;
//! repeated keys and lists with commas are the same.
mod content;
mod delete;
mod manager;
mod metadata;
mod package;
mod search;
mod upload;

#[cfg(test)]
mod tests;

use crate::{
    files::Sight,
    http::{
        answer::HandlerError,
        auth::{Identity, Role, Via},
        call::Call,
        native::Book,
    },
};

/// Its routes.
pub fn routes(book: &mut Book) {
    content::routes(book);
    delete::routes(book);
    manager::routes(book);
    metadata::routes(book);
    package::routes(book);
    search::routes(book);
    upload::routes(book);
}

/// The first of these query parameters that says something.
fn said<'a>(call: &'a Call, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| values(call, name).find(|v| !v.trim().is_empty()))
}

/// The same, "" = nothing.
fn text(call: &Call, names: &[&str]) -> String {
    said(call, names).unwrap_or_default().trim().to_owned()
}

fn values<'a>(call: &'a Call, name: &str) -> impl Iterator<Item = &'a str> {
    call.query.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
}

/// All members of a list, however it is written.
fn list(call: &Call, name: &str) -> Vec<String> {
    let split = values(call, name).flat_map(|v| v.split(','));
    split.map(str::trim).filter(|v| !v.is_empty()).map(str::to_owned).collect()
}

/// A number, None where nothing is said.
fn number<T: std::str::FromStr>(call: &Call, names: &[&str]) -> Result<Option<T>, HandlerError> {
    let parse = |v: &str| v.trim().parse().map_err(|_| HandlerError::bad_request(format!("{} is no number", names[0])));
    said(call, names).map(parse).transpose()
}

/// Readers do not write (identity.md 7).
fn writer(call: &Call) -> Result<(), HandlerError> {
    if call.identity.role == Role::ReadOnly {
        return Err(HandlerError::forbidden("your account may only read"));
    }
    Ok(())
}

/// Groups an upload is seen in: those asked for, each of which the caller must have, else all it may send into.
fn groups(call: &Call) -> Result<Vec<String>, HandlerError> {
    let (asked, who) = (list(call, "groups"), &call.identity);
    if asked.is_empty() {
        return Ok(who.groups_in.clone());
    }
    match asked.iter().find(|g| !has(who, g)) {
        Some(foreign) => Err(HandlerError::forbidden(format!("you are not in the group {foreign:?}"))),
        None => Ok(asked),
    }
}

fn has(who: &Identity, group: &str) -> bool {
    (who.via == Via::Local && who.role == Role::Admin) || who.groups_in.iter().any(|g| g == group)
}

/// Where the parameters say so, the row of a hash or uid: `hash` wins; of a uid it is the newest.
fn named(call: &Call) -> Option<&str> {
    said(call, &["hash"]).or_else(|| said(call, &["uid"])).map(str::trim)
}

fn sight(call: &Call) -> Sight {
    Sight::of(&call.identity)
}
