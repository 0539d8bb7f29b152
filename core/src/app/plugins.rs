//! What the plugin host is given of the server, and its start: behind the ports being bound, before anybody is accepted.
use std::sync::Arc;

use super::{boot::BootError, crash, history, report, server::Server};
use crate::{
    plugins::{
        FileKeeper, Parts, Plugins,
        services::links::{self, Links},
    },
    store::journal::{Journal, Limits as JournalLimits},
};

/// Starts the plugins: everything they may call is there, and nobody is accepted yet.
pub(super) async fn start(server: &Arc<Server>, no_quarantine: bool) -> Result<(), BootError> {
    let config = server.config();
    let (of, about) = (Arc::downgrade(server), Arc::downgrade(server));
    let own: links::OwnLookup = Arc::new({
        let of = of.clone();
        move || {
            let server = of.upgrade()?;
            let authority = server.authority.load_full()?;
            Some(links::Own::of(&authority, &server.config()))
        }
    });
    let parts = Parts {
        router: server.router.clone(),
        mux: server.mux.clone(),
        links: Links::new(tokio::runtime::Handle::current(), own),
        runtime: tokio::runtime::Handle::current(),
        place_of: Box::new(move |key| of.upgrade()?.loaded.lock().place_of(key)),
        about: Box::new(move || about.upgrade().map(|s| report::about(&s)).unwrap_or_default()),
        quarantine: config.plugins.quarantine && !no_quarantine,
    };
    let plugins = Plugins::new(parts, config.clone());
    let run = config.server.data_dir.join("run");
    plugins.begin_run();
    // Also without a plugin: one may be enabled while the server runs.
    crash::install(&run).map_err(|e| BootError::Io("run/crashes", e))?;
    let journal = Journal::open(&config.server.data_dir.join("journal"), JournalLimits::default())?;
    let _ = server.router.journal.set(journal.clone());
    history::begin(server, journal).await?;
    let _ = server.router.watch.set(plugins.clone());
    server.native.history.set_sources(plugins.clone());
    server.native.files.keep(Arc::new(FileKeeper::new(plugins.clone())));
    plugins.set_native(&server.native);
    let starting = plugins.clone();
    let started = tokio::task::spawn_blocking(move || starting.start_all()).await;
    started.unwrap_or_else(|e| Err(e.to_string())).map_err(BootError::Plugin)?;
    let _ = server.plugins.set(plugins);
    Ok(())
}
