//! The way up, in order. Everything that can be wrong is found before the first client is accepted.
use std::{
    process::ExitCode,
    sync::{Arc, OnceLock, atomic::Ordering::Relaxed},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    banner,
    canary::Canary,
    first, node, notify, pages, parts, plugins, report,
    server::Server,
    shutdown,
    sockets::{self, Sockets},
};
use crate::{
    cli::Global,
    config::{Config, ConfigError, ListenerKind, Loaded, Sources, load},
    directory::Directory,
    files::oversize::Oversize,
    http::{
        admin::{self, Control},
        auth::Identity,
        body::BodyLimits,
        call::Came,
        listener::Listener,
        local,
        mux::{Mux, MuxSettings},
    },
    identity::{Authority, CertError},
    net,
    observe::{clock, log, metrics},
    plugins::overrides,
    route::Router,
    session::{Sessions, sweep},
    store::{error::StoreError, journal::JournalError},
};

/// Flags of `fts run`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct RunArgs {
    /// Check the configuration and exit.
    #[arg(long)]
    pub check: bool,
    /// Also start plugins the server crashed in.
    #[arg(long)]
    pub no_quarantine: bool,
    /// A plugin forgets settings changed at run time and takes the TOML again; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub reset_plugin: Vec<String>,
}

/// Why the server did not start; each kind has its exit code.
#[derive(Debug, thiserror::Error)]
pub(super) enum BootError {
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error("{0}")]
    Node(#[from] node::NodeError),
    #[error("{0}")]
    Cert(#[from] CertError),
    #[error("{0}")]
    Bind(#[from] net::BindError),
    #[error("{0}: {1}")]
    Io(&'static str, std::io::Error),
    #[error("{0}")]
    Log(String),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("files.dir: {0}")]
    Files(#[from] crate::files::FileError),
    #[error("{0}")]
    Journal(#[from] JournalError),
    #[error("{0}")]
    Plugin(String),
}

impl BootError {
    fn code(&self) -> ExitCode {
        match self {
            BootError::Config(_) | BootError::Log(_) | BootError::Store(StoreError::Newer { .. }) => ExitCode::from(4),
            BootError::Node(node::NodeError::Locked(..)) => ExitCode::from(5),
            _ => ExitCode::FAILURE,
        }
    }
}

/// `fts run`.
pub fn run(global: &Global, args: &RunArgs) -> ExitCode {
    match start(global, args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("fts: {error}");
            error.code()
        }
    }
}

fn start(global: &Global, args: &RunArgs) -> Result<ExitCode, BootError> {
    pages::long_pieces();
    let sources = global.sources();
    let loaded = load(&sources)?;
    if args.check {
        loaded.notes.iter().for_each(|note| eprintln!("note: {note}"));
        println!("configuration is good");
        return Ok(ExitCode::SUCCESS);
    }
    let mut config = loaded.config.clone();
    let _lock = node::lock(&config.server.data_dir)?;
    overrides::reset(&config.server.data_dir, &args.reset_plugin).map_err(BootError::Plugin)?;
    let logs = log::init(&config.log).map_err(BootError::Log)?;
    clock::tick();
    metrics::install();
    tracing::info!(event = "server.starting", version = env!("CARGO_PKG_VERSION"), git = env!("FTS_GIT"), data_dir = %config.server.data_dir.display(), "starting");
    let file = loaded.file.as_ref().map_or_else(|| "built-in defaults".to_owned(), |f| f.display().to_string());
    tracing::info!(event = "config.loaded", file, "configuration");
    loaded.notes.iter().for_each(|note| tracing::warn!(event = "config.note", "{note}"));
    config.server.node_id = node::node_id(&config.server.data_dir, &config.server.node_id)?;
    let tls = config.listeners.cot().any(|l| l.enabled && l.kind == ListenerKind::CotTls)
        || config.listeners.http().any(|l| l.enabled && l.tls);
    let authority = if tls { Some(Arc::new(Authority::open(&config)?)) } else { None };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.on_thread_start(super::background::come_first);
    if config.server.worker_threads > 0 {
        runtime.worker_threads(config.server.worker_threads);
    }
    let runtime = runtime.enable_all().thread_name("fts").build().map_err(|e| BootError::Io("runtime", e))?;
    let ended = runtime.block_on(serve(sources, loaded, Arc::new(config), logs, authority, args.no_quarantine))?;
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    Ok(if ended { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn serve(
    sources: Sources,
    loaded: Loaded,
    config: Arc<Config>,
    logs: log::Logs,
    authority: Option<Arc<Authority>>,
    no_quarantine: bool,
) -> Result<bool, BootError> {
    let authority = Arc::new(ArcSwapOption::new(authority));
    let sockets = Sockets::bind(&config, &authority)?;
    let router = Arc::new(Router::new(Arc::new(Directory::default()), config.clone()));
    let sessions = Sessions::new(router.clone());
    let mux = Mux::new(MuxSettings::new(config.server.data_dir.join("run/spool")));
    let running = Arc::new(ArcSwap::from(config.clone()));
    let addresses: Vec<_> = sockets.listening.iter().map(|l| (l.name.clone(), l.address)).collect();
    let native = parts::open(running.clone(), router.clone(), sessions.clone(), mux.clone(), authority.clone())?;
    // Nobody else sets it.
    let _ = native.bound.set(addresses.clone());
    native.settings.begin(&loaded)?;
    let server = Arc::new(Server {
        sources,
        loaded: Mutex::new(loaded),
        mux,
        plugins: OnceLock::new(),
        importing: Mutex::default(),
        running,
        router,
        sessions,
        authority,
        native,
        limits: Arc::new(ArcSwap::from_pointee(config.stream.limits.clone())),
        acceptors: OnceLock::new(),
        logs,
        canary: Arc::new(Canary::default()),
        listeners: sockets.listening.clone(),
        started: clock::now_ms(),
        stop_accepting: CancellationToken::new(),
        stop_all: CancellationToken::new(),
        stop_asked: CancellationToken::new(),
        ready: false.into(),
        tasks: TaskTracker::new(),
        requests: TaskTracker::new(),
    });
    plugins::start(&server, no_quarantine).await?;
    let password = first::start(&server.native.accounts)?;
    // A signal that comes as soon as it is ready must not end the process the hard way.
    let signals = Signals::listen().map_err(|e| BootError::Io("signals", e))?;
    server.tasks.spawn(server.router.clone().turns(server.stop_all.clone()));
    administration(&server)?;
    sockets::accept(&server, sockets.tcp);
    sockets.udp.into_iter().for_each(|input| sockets::receive(&server, input));
    server.tasks.spawn(sweep::run(server.sessions.clone(), server.stop_all.clone()));
    server.tasks.spawn(server.native.certificates.clone().keep(server.stop_all.clone()));
    server.tasks.spawn(server.native.files.clone().keep_swept(server.stop_all.clone()));
    if let Some(offers) = Oversize::begin(&server.native).map_err(|e| BootError::Io("a thread", e))? {
        let _ = server.router.offers.set(offers);
    }
    let every = config.canary.interval;
    if !every.is_zero() {
        let run = server.canary.clone().run(
            server.router.clone(),
            config.listeners.cot_tcp.clone(),
            every,
            server.stop_all.clone(),
        );
        server.tasks.spawn(run);
    }
    server.ready.store(true, Relaxed);
    node::publish_listeners(&config.server.data_dir, &addresses)?;
    for listener in &server.listeners {
        ::metrics::gauge!("fts_service_up", "service" => listener.name.clone()).set(1.0);
        tracing::info!(event = "service.state", service = %listener.name, address = %listener.address, tls = listener.tls, "listening");
    }
    tracing::info!(event = "server.ready", after_ms = clock::tick(), "ready");
    tokio::spawn(pages::give_back(server.plugins.get().cloned()));
    banner::print(&server, password.as_ref());
    notify::ready(&server);
    signals.wait(&server).await;
    notify::stopping();
    Ok(shutdown::run(&server).await)
}

/// Largest body of a request to a plugin's route through the control socket: a mission with all its files. Who may open
/// the socket may fill the disk anyway.
const MOST_BODY: u64 = 64 << 30;

/// The control socket: whoever may open it administers the server.
fn administration(server: &Arc<Server>) -> Result<(), BootError> {
    let control: Arc<dyn Control> = server.clone();
    let socket = local::bind(&server.config().server.data_dir).map_err(|e| BootError::Io("run/fts.sock", e))?;
    let stop = server.stop_all.clone();
    let config = server.config();
    let spool = config.server.data_dir.join("run/spool");
    // What a crash left behind.
    let _ = std::fs::remove_dir_all(&spool);
    std::fs::create_dir_all(&spool).map_err(|e| BootError::Io("run/spool", e))?;
    let bodies = Arc::new(BodyLimits::new(MOST_BODY, spool));
    let came = Came::new(Listener::Admin, Identity::local_admin(), bodies);
    let local_routes = admin::routes(control, server.mux.clone()).layer(axum::Extension(came));
    server.tasks.spawn(async move {
        tokio::select! {
            _ = async { axum::serve(socket, local_routes).await } => {}
            () = stop.cancelled() => {}
        }
    });
    Ok(())
}

/// TERM, INT, HUP, USR1 and USR2, from the moment it was made.
struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
    usr1: Signal,
    usr2: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
            usr1: signal(SignalKind::user_defined1())?,
            usr2: signal(SignalKind::user_defined2())?,
        })
    }

    /// Returns when it is time to go: TERM, INT or `fts stop`. HUP reloads, USR1 reopens logs, USR2 writes the status
    /// into the log. A second TERM or INT ends the process at once.
    async fn wait(mut self, server: &Arc<Server>) {
        loop {
            tokio::select! {
                _ = self.term.recv() => break,
                _ = self.int.recv() => break,
                () = server.stop_asked.cancelled() => break,
                _ = self.hup.recv() => {
                    let server = server.clone();
                    // Plugins with a new table are waited for.
                    drop(tokio::task::spawn_blocking(move || server.reload()));
                }
                _ = self.usr1.recv() => server.logs.reopen(),
                _ = self.usr2.recv() => tracing::info!(event = "server.status", status = %report::status(server), "status"),
            }
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = self.term.recv() => {}
                _ = self.int.recv() => {}
            }
            std::process::exit(1);
        });
    }
}
