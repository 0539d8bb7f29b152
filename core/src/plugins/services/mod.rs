//! What a plugin may call. [`call`] is the table of contents: one arm per operation of `fts_plugin_api::message::op`,
//! each family in its file. Capabilities are checked here or in the family; they catch mistakes, they are no boundary.
mod clients;
pub mod cot;
mod files;
mod history;
mod identity;
mod link;
pub mod links;
mod metric;
mod peers;
mod read;
mod sql;

use std::sync::Arc;

use fts_plugin_api::{
    abi::{Failure, failure},
    message::{self, CallerKind, Manifest, Panic, ServerInfo, Status, op},
    shim,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{Generation, Plugins};

pub use files::info as file_info;
pub use peers::{Seats, is_followed, publish};
pub use read::left as end_read_left;
pub use sql::rollback_left;

type Answer = Result<Vec<u8>, Failure>;

/// A refusal.
fn refuse<T>(code: u32, text: impl Into<String>) -> Result<T, Failure> {
    Err(shim::failure(code, text))
}

fn invalid<T>(text: impl Into<String>) -> Result<T, Failure> {
    refuse(failure::INVALID, text)
}

/// The arguments of an operation.
fn args<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    message::unpack(bytes).map_err(|e| shim::failure(failure::INVALID, e.to_string()))
}

fn answer<T: Serialize>(done: Result<T, Failure>) -> Answer {
    done.map(|value| message::pack(&value))
}

/// Has the generation this capability? Asked for in its manifest and granted, both checked before it started.
///
/// # Errors
/// `Forbidden`.
pub fn need(generation: &Generation, capability: &str) -> Result<(), Failure> {
    need_for(generation, capability, "this call")
}

/// The same, naming what for.
///
/// # Errors
/// `Forbidden`.
pub fn need_for(generation: &Generation, capability: &str, what: &str) -> Result<(), Failure> {
    let asked = generation.manifest.get().is_some_and(|m| m.capabilities.iter().any(|c| c == capability));
    if asked {
        return Ok(());
    }
    refuse(failure::FORBIDDEN, format!("{what} needs the capability {capability:?}: name it in Plugin::CAPABILITIES"))
}

/// May this be registered?
///
/// # Errors
/// `Forbidden`; a service that somebody provides.
pub fn may_call(plugins: &Plugins, generation: &Generation, kind: &CallerKind) -> Result<(), Failure> {
    if let CallerKind::Provide(name) = kind {
        need(generation, "provide")?;
        if let Some(other) = plugins.seats.provider(name).filter(|other| **other != **generation.name()) {
            return invalid(format!("the service {name:?} is provided by {other} already"));
        }
    }
    Ok(())
}

/// A caller's name for people.
pub fn caller_name(kind: &CallerKind) -> String {
    match kind {
        CallerKind::Every(ms) => format!("every {ms} ms"),
        CallerKind::At(_) => "timer".into(),
        CallerKind::Clients => "clients".into(),
        CallerKind::Action { context, action, .. } => format!("action {context}/{action}"),
        CallerKind::SocketEvent(name) => format!("socket event {name}"),
        CallerKind::Service => "service".into(),
        CallerKind::Subscribe(topic) => format!("topic {topic}"),
        CallerKind::HistorySource => "history source".into(),
        CallerKind::BeforeDelete => "before delete".into(),
        CallerKind::Deletion => "deletion".into(),
        CallerKind::MayRead => "file reader".into(),
        CallerKind::Import => "import".into(),
        CallerKind::Health => "health".into(),
        CallerKind::Links => "links".into(),
        CallerKind::Arrived => "arrived".into(),
        CallerKind::Provide(name) => format!("service {name}"),
    }
}

/// One operation.
///
/// # Errors
/// What went wrong, for the plugin.
pub fn call(plugins: &Arc<Plugins>, generation: &Arc<Generation>, operation: &str, bytes: &[u8]) -> Answer {
    match operation {
        op::HELLO => Ok(message::pack(&generation.hello)),
        op::DECLARE => declare(generation, args(bytes)?),
        op::PANICKED => {
            plugins.panicked(&generation.plugin, &args::<Panic>(bytes)?);
            answer(Ok(()))
        }
        op::STATUS => {
            generation.plugin.set_status(args::<Status>(bytes)?);
            answer(Ok(()))
        }
        op::METRIC => answer(metric::note(generation, &args(bytes)?)),
        op::SERVER => answer(Ok(plugins.server())),
        op::CLIENTS => answer(Ok(clients::find(plugins, &args(bytes)?))),
        op::KICK => answer(clients::kick(plugins, generation, args(bytes)?)),
        op::AUDIENCE_CREATE => answer(clients::create(plugins, generation, args(bytes)?)),
        op::AUDIENCE_ADD => answer(clients::add(plugins, generation, args(bytes)?)),
        op::AUDIENCE_REMOVE => answer(clients::remove(plugins, generation, args(bytes)?)),
        op::AUDIENCE_DELETE => answer(clients::delete(generation, args(bytes)?)),
        op::AUDIENCE_MEMBERS => answer(clients::members(generation, args(bytes)?)),
        op::DEST_BIND => answer(clients::bind(plugins, generation, args(bytes)?)),
        op::DEST_UNBIND => answer(clients::unbind(generation, &args(bytes)?)),
        op::CONTACT_SET => answer(clients::set_contact(plugins, generation, args(bytes)?)),
        op::CONTACT_REMOVE => answer(clients::remove_contact(plugins, generation, args(bytes)?)),
        op::LISTEN => answer(super::hooks::listen(plugins, generation, args(bytes)?)),
        op::RELEASE => answer(cot::release(plugins, generation, &args(bytes)?)),
        op::RELEASE_ALL => answer(Ok(cot::release_all(plugins, generation, &args::<Vec<_>>(bytes)?))),
        op::DISCARD => answer(cot::discard(plugins, generation, args(bytes)?)),
        op::LATER => answer(cot::later(generation, args(bytes)?)),
        op::LATEST => answer(history::latest(plugins, &args::<Vec<String>>(bytes)?)),
        op::HISTORY_QUERY => answer(history::query(plugins, generation, args(bytes)?)),
        op::HISTORY_TRACKS => answer(history::tracks(plugins, &args(bytes)?)),
        op::HISTORY_APPEND => answer(history::append(plugins, generation, &args::<Vec<_>>(bytes)?)),
        op::HISTORY_NOTIFY => answer(history::notify(plugins, generation, args(bytes)?)),
        op::REPLAY_SET => answer(history::show(plugins, generation, args(bytes)?)),
        op::REPLAY_REMOVE => answer(history::hide(plugins, generation, args(bytes)?)),
        op::DIR => answer(plugins.own_dir(generation.name()).map(|d| d.display().to_string()).map_err(io)),
        op::CALL => answer(peers::call(plugins, generation, args(bytes)?)),
        op::FIND => answer(Ok(plugins.seats.provider(&args::<String>(bytes)?).is_some())),
        op::PUBLISH => answer(Ok(peers::publish(plugins, args(bytes)?))),
        op::FILES => answer(files::ask(plugins, generation, args(bytes)?)),
        op::USERS => answer(identity::users(plugins, &args(bytes)?)),
        op::CERT_ISSUE => answer(identity::issue(plugins, generation, &args(bytes)?)),
        op::TOKENS => answer(identity::tokens(plugins, generation, &args(bytes)?)),
        _ if operation.starts_with("sql.") || operation.starts_with("kv.") => {
            sql::call(plugins, generation, operation, bytes)
        }
        _ if operation.starts_with("link.") => link::call(plugins, generation, operation, bytes),
        _ => refuse(failure::UNSUPPORTED, format!("this server does not know the operation {operation:?}")),
    }
}

fn io(error: std::io::Error) -> Failure {
    shim::failure(failure::OTHER, error.to_string())
}

/// Before anything else a plugin says who it is. What it asks for was compared with what is granted.
fn declare(generation: &Generation, manifest: Manifest) -> Answer {
    let name = generation.name();
    if let Some(missing) = manifest.capabilities.iter().find(|c| !super::capable(&generation.plugin, c)) {
        return refuse(
            failure::FORBIDDEN,
            // All it asks for: the line is copied, and takes the place of the one that is there.
            format!(
                "asks for the capability {missing:?} — grant it: [plugins.{name}] capabilities = {:?}",
                manifest.capabilities
            ),
        );
    }
    let _ = generation.manifest.set(manifest);
    answer(Ok(()))
}

impl Plugins {
    /// About the server.
    pub fn server(&self) -> ServerInfo {
        (self.about)()
    }
}
