//! [`Server`]: one real `fts` process in a temp directory, on ports the system chose, ended when it is dropped.
//!
//! Its log lines (JSON on standard output) are kept; tests wait for one instead of sleeping.
use std::{
    fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::Arc,
    time::Instant,
};

use parking_lot::{Condvar, Mutex};
use serde_json::Value;
use tempfile::TempDir;

use crate::{DEADLINE, Http};

/// The binary under test: `FTS_BIN`, else `target/release/fts` of this build.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("FTS_BIN") {
        return path.into();
    }
    let exe = std::env::current_exe().unwrap();
    let found = exe.ancestors().map(|d| d.join("release/fts")).find(|p| p.is_file());
    found.expect("target/release/fts is not there; build it first: cargo build --release")
}

/// Where plugins of this build are, when the binary under test is somewhere else and so would not find them beside itself.
fn plugins_elsewhere() -> Option<PathBuf> {
    let has = |dir: &PathBuf| dir.join("libfts_plugin_ping.so").is_file();
    let beside = PathBuf::from(std::env::var_os("FTS_BIN")?).parent().map(Path::to_owned);
    if beside.is_some_and(|dir| has(&dir)) {
        return None;
    }
    let exe = std::env::current_exe().unwrap();
    exe.ancestors().map(|d| d.join("release")).find(has)
}

/// Is the binary under test one with the shipped plugins linked in (tests/bundled.sh says so)?
pub fn bundled() -> bool {
    std::env::var_os("FTS_BUNDLED").is_some()
}

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    set: Vec<String>,
    toml: String,
    env: Vec<(String, String)>,
    dir: Option<Arc<TempDir>>,
    bare: bool,
    args: Vec<String>,
}

/// See the file's head.
pub struct Server {
    dir: Arc<TempDir>,
    child: Child,
    started: Builder,
    lines: Arc<Lines>,
    listeners: Value,
}

#[derive(Default)]
struct Lines {
    all: Mutex<(Vec<Value>, bool)>,
    more: Condvar,
}

/// What every test server has unless it says otherwise: loopback, ports of the system's choice, no TLS (keys take
/// time), no welcome, no waiting for the `TEST` probe.
const DEFAULTS: &[&str] = &[
    "listeners.cot_tcp.bind=\"127.0.0.1\"",
    "listeners.cot_tcp.port=0",
    "listeners.cot_tls.bind=\"127.0.0.1\"",
    "listeners.cot_tls.port=0",
    "listeners.cot_tls.enabled=false",
    "listeners.marti_http.bind=\"127.0.0.1\"",
    "listeners.marti_http.port=0",
    "listeners.marti_https.bind=\"127.0.0.1\"",
    "listeners.marti_https.port=0",
    "listeners.marti_https.enabled=false",
    "listeners.enrollment.bind=\"127.0.0.1\"",
    "listeners.enrollment.port=0",
    "listeners.enrollment.enabled=false",
    "listeners.rest.bind=\"127.0.0.1\"",
    "listeners.rest.port=0",
    "listeners.admin.port=0",
    "tls.key_type=\"p256\"",
    "cot.welcome_message=\"\"",
    "compat.legacy_test_probe=false",
    "storage.restore_positions=false",
];

/// The password of the user `admin` of a test server.
pub const ADMIN_PASSWORD: &str = "the administrator of a test";

impl Builder {
    /// One key; TOML value.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.set.push(format!("{key}={value}"));
        self
    }

    /// With the TLS listener for CoT.
    pub fn tls(self) -> Self {
        self.set("listeners.cot_tls.enabled", "true")
    }

    /// With all TLS listeners: CoT, TAK API and enrollment.
    pub fn secure(self) -> Self {
        self.tls().set("listeners.marti_https.enabled", "true").set("listeners.enrollment.enabled", "true")
    }

    /// Lines of fts.toml, for tables that `set` cannot write.
    pub fn toml(mut self, text: &str) -> Self {
        self.toml.push_str(text);
        self.toml.push('\n');
        self
    }

    /// A further CoT listener; `more` are its other keys, one per line.
    pub fn listener(self, name: &str, kind: &str, more: &str) -> Self {
        self.toml(&format!(
            "[[listeners.extra]]\nname = \"{name}\"\nkind = \"{kind}\"\nbind = \"127.0.0.1\"\nport = 0\n{more}\n"
        ))
    }

    /// An environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// An argument of `fts run`.
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// Without the defaults of tests, as a new user starts it.
    pub fn bare(mut self) -> Self {
        self.bare = true;
        self
    }

    /// In the directory of a server that ran before.
    pub fn again(mut self, server: &Server) -> Self {
        self.dir = Some(server.dir.clone());
        self
    }

    /// The command line that starts it, for tests that expect it to fail.
    pub fn command(&self, dir: &Path) -> Command {
        let mut command = Command::new(binary());
        for (name, _) in std::env::vars_os().filter(|(n, _)| n.to_string_lossy().starts_with("FTS_")) {
            command.env_remove(name);
        }
        if !self.bare {
            // Else each first start would make one and print it.
            command.env("FTS_ADMIN_PASSWORD", ADMIN_PASSWORD);
        }
        command.envs(self.env.iter().cloned()).current_dir(dir).arg("run");
        fs::write(dir.join("test.toml"), &self.toml).unwrap();
        if !self.bare {
            command.args(DEFAULTS.iter().flat_map(|set| ["--set", set]));
            let dirs = plugins_elsewhere().map(|dir| format!("plugins.dirs=[\"plugins\", {dir:?}]"));
            command.args(dirs.iter().flat_map(|set| ["--set", set]));
        }
        if !self.toml.is_empty() {
            command.arg("--config").arg(dir.join("test.toml"));
        }
        command.args(self.set.iter().flat_map(|set| ["--set", set]));
        command.arg("--data-dir").arg(dir.join("data")).args(&self.args);
        command
    }

    /// Starts it and returns when it is ready.
    pub fn start(self) -> Server {
        let dir = self.dir.clone().unwrap_or_else(|| Arc::new(TempDir::new().unwrap()));
        let mut command = self.command(dir.path());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let lines = Arc::new(Lines::default());
        let kept = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                kept.all.lock().0.push(value);
                kept.more.notify_all();
            }
            kept.all.lock().1 = true;
            kept.more.notify_all();
        });
        let mut server = Server { dir, child, started: self, lines, listeners: Value::Null };
        server.wait_log(|l| l["event"] == "server.ready");
        let text = fs::read_to_string(server.data_dir().join("run/listeners.json")).unwrap();
        server.listeners = serde_json::from_str(&text).unwrap();
        server
    }
}

impl Server {
    /// With the defaults of tests.
    pub fn start() -> Self {
        Self::build().start()
    }

    /// With something else.
    pub fn build() -> Builder {
        Builder::default()
    }

    /// The temp directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The data directory in it.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where a listener is.
    pub fn address(&self, listener: &str) -> SocketAddr {
        let port = self.listeners[listener]["port"].as_u64().unwrap_or_else(|| panic!("no listener {listener}"));
        (Ipv4Addr::LOCALHOST, port as u16).into()
    }

    /// Is there a listener of this name?
    pub fn has(&self, listener: &str) -> bool {
        self.listeners[listener].is_object()
    }

    /// `GET` on the admin listener.
    pub fn get(&self, path: &str) -> Http {
        Http::get(self.address("admin"), path)
    }

    /// A request through the local socket, as the `fts` command makes them; the body is JSON, "" = none.
    pub fn admin(&self, method: &str, path: &str, body: &str) -> Http {
        Http::local(&self.data_dir().join("run/fts.sock"), method, path, body)
    }

    /// The entry of the client list (live ones first, then those that left) with this uid, callsign or number.
    pub fn client(&self, name: &str) -> Value {
        self.admin("GET", &format!("/admin/clients/{name}"), "").json()
    }

    /// A metric: all series of this name whose labels contain every one of `labels` (`reason="loop"`), added up.
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let fits = |line: &&str| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|l| line.contains(l))
        };
        let body = self.get("/metrics").body;
        body.lines().filter(fits).filter_map(|l| l.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// Runs `fts ARGS` for this server.
    pub fn cli(&self, args: &[&str]) -> Output {
        self.cli_command(args).output().unwrap()
    }

    /// The command of [`Self::cli`], not run yet.
    pub fn cli_command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(args).arg("--data-dir").arg(self.data_dir()).current_dir(self.dir());
        if !self.started.bare {
            command.args(["--set", "tls.key_type=\"p256\""]);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Runs `fts ARGS --json` and reads its answer.
    pub fn cli_json(&self, args: &[&str]) -> Value {
        let mut all = args.to_vec();
        all.push("--json");
        let out = self.cli(&all);
        assert!(out.status.success(), "fts {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&out.stdout)))
    }

    /// All log lines so far.
    pub fn logs(&self) -> Vec<Value> {
        self.lines.all.lock().0.clone()
    }

    /// The first log line that fits, as soon as it is there.
    pub fn wait_log(&self, mut fits: impl FnMut(&Value) -> bool) -> Value {
        let until = Instant::now() + DEADLINE;
        let mut all = self.lines.all.lock();
        let mut seen = 0;
        loop {
            if let Some(found) = all.0[seen..].iter().find(|l| fits(l)) {
                return found.clone();
            }
            seen = all.0.len();
            let ended = all.1;
            if ended || self.lines.more.wait_until(&mut all, until).timed_out() {
                let tail: Vec<String> = all.0.iter().rev().take(10).rev().map(ToString::to_string).collect();
                panic!(
                    "the log line did not come{}; last:\n{}",
                    if ended { " (the server has ended)" } else { "" },
                    tail.join("\n")
                );
            }
        }
    }

    /// Asks until the answer is yes (figures that follow a moment after the event they count).
    pub fn eventually(&self, what: &str, mut yes: impl FnMut() -> bool) {
        let until = Instant::now() + DEADLINE;
        while !yes() {
            assert!(Instant::now() < until, "never came true: {what}");
            std::thread::yield_now();
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id() as i32).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// SIGTERM, and its exit.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        self.wait()
    }

    /// Waits until it has ended; fails, and kills it, when it does not within three [`DEADLINE`]s (a shutdown may take
    /// its time).
    pub fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + 3 * DEADLINE;
        let mut all = self.lines.all.lock();
        while !all.1 {
            if self.lines.more.wait_until(&mut all, until).timed_out() {
                drop(all);
                self.kill();
                panic!("the server has not ended");
            }
        }
        drop(all);
        self.child.wait().unwrap()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            for line in self.logs().iter().rev().take(30).rev() {
                eprintln!("fts: {line}");
            }
        }
    }
}
