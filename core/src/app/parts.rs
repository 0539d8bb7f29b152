//! The parts behind the HTTP endpoints, made once: by the running server, and by the `fts` command when no server runs
//! and it works on the data directory itself. Order: database and its schema, accounts, history, files, routes.
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, ArcSwapOption};

use super::boot::BootError;
use crate::{
    config::Config,
    files::Files,
    http::{
        admin, fallbacks, marti,
        mux::Mux,
        native::{Book, Native},
        openapi,
    },
    identity::{Accounts, Authority, Certificates},
    route::Router,
    session::Sessions,
    store::{self, backup::Vault, history::History, probe::Probe, setting::Settings},
};

/// Opens everything and registers the core's routes.
pub(super) fn open(
    running: Arc<ArcSwap<Config>>,
    router: Arc<Router>,
    sessions: Arc<Sessions>,
    mux: Arc<Mux>,
    authority: Arc<ArcSwapOption<Authority>>,
) -> Result<Arc<Native>, BootError> {
    let config = running.load_full();
    let (db, migrated) = store::core::open(&config)?;
    if !migrated.applied.is_empty() {
        let copy = migrated.copy.as_ref().map(|c| c.display().to_string()).unwrap_or_default();
        tracing::info!(event = "db.migrated", applied = ?migrated.applied, copy, "schema brought up to date");
    }
    if config.marti.injectors {
        router.injectors.set(store::devices::injector::by_uid(&db)?);
    }
    let accounts = Accounts::new(db.clone(), running.clone());
    accounts.open_groups(&router.directory, &config)?;
    let _ = sessions.accounts.set(accounts.clone());
    let history = History::new(db.clone(), running.clone(), router.directory.clone())?;
    let vault = Vault::new(running.clone(), history.clone());
    let files = Files::open(db.clone(), running.clone())?;
    let settings = Arc::new(Settings::new(db.clone(), running.clone()));
    let probe = Arc::new(Probe::new(db.clone()));
    let certificates =
        Certificates::new(db.clone(), running.clone(), authority.clone(), accounts.audit.clone(), router.clone());
    certificates.start()?;
    let _ = sessions.certificates.set(certificates.clone());
    let native = Native {
        running,
        router,
        sessions,
        mux,
        db,
        accounts,
        authority,
        certificates,
        history,
        vault,
        files,
        settings,
        probe,
        bound: OnceLock::new(),
    };
    let native = Arc::new(native);
    fallbacks::register(&native.mux, &config.server.node_id).map_err(|e| BootError::Plugin(e.to_string()))?;
    let mut book = Book::new(native.clone());
    marti::routes(&mut book);
    admin::book(&mut book);
    openapi::routes(&mut book);
    book.register().map_err(|e| BootError::Plugin(e.to_string()))?;
    Ok(native)
}
