//! [`Target`]: what the clients connect to: a server started for this run in a directory of its own, the ceiling, or a
//! server that runs already (`--addr`). Started ones listen on ports the system chose and end with the run.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    child::{Child, Cores},
    fault::{Fault, Tried},
    metrics::Counters,
    sample,
    tls::Identity,
};

/// Options every mode has.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Server binary [default: fts beside this program]
    #[arg(long, global = true, env = "FTS_BIN", value_name = "PATH")]
    pub fts: Option<PathBuf>,
    /// Key of the server's configuration, may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Attaches to a running server (plain TCP) instead of starting one
    #[arg(long, global = true, value_name = "HOST:PORT")]
    pub addr: Option<SocketAddr>,
    /// Process id of the running server, for CPU and memory
    #[arg(long, global = true)]
    pub pid: Option<u32>,
    /// Admin listener of the running server, for its counters
    #[arg(long, global = true, value_name = "HOST:PORT")]
    pub admin: Option<SocketAddr>,
    /// Cores of the process under test
    #[arg(long, global = true, value_delimiter = ',', default_value = "0")]
    pub server_cores: Vec<usize>,
    /// Cores of the generator
    #[arg(long, global = true, value_delimiter = ',', default_value = "1")]
    pub generator_cores: Vec<usize>,
    /// Pins nothing
    #[arg(long, global = true)]
    pub no_pin: bool,
    /// Generator and target go before everything else on this machine (root): for machines that are not quiet
    #[arg(long, global = true)]
    pub prefer: bool,
    /// Prints the result as JSON
    #[arg(long, global = true)]
    pub json: bool,
}

impl Options {
    /// Who runs where.
    pub fn cores(&self) -> Cores {
        if self.no_pin {
            return Cores { server: Vec::new(), generator: Vec::new() };
        }
        Cores { server: self.server_cores.clone(), generator: self.generator_cores.clone() }
    }

    /// The same with more configuration keys.
    pub fn with(&self, keys: &[&str]) -> Self {
        let mut more = self.clone();
        more.set.extend(keys.iter().map(|k| (*k).to_owned()));
        more
    }
}

/// See the file's head.
#[derive(Debug)]
pub struct Target {
    /// "fts", "ceiling" or "attached".
    pub name: &'static str,
    /// Plain TCP.
    pub address: SocketAddr,
    /// TLS.
    pub tls: Option<SocketAddr>,
    /// The TAK API without TLS.
    pub http: Option<SocketAddr>,
    /// Whose CPU and memory is looked at.
    pub pid: Option<u32>,
    admin: Option<SocketAddr>,
    clock: sample::Clock,
    _child: Option<Child>,
    dir: Option<TempDir>,
    binary: PathBuf,
}

impl Target {
    /// A server of its own, or the running one.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn server(options: &Options) -> Result<Self, Fault> {
        if let Some(address) = options.addr {
            sample::pin(&options.cores().generator).tried("pinning the generator")?;
            return Ok(Self {
                name: "attached",
                address,
                tls: None,
                http: None,
                pid: options.pid,
                admin: options.admin,
                clock: sample::Clock::default(),
                _child: None,
                dir: None,
                binary: PathBuf::new(),
            });
        }
        let binary = binary(options)?;
        let dir = tempfile::tempdir().tried("a temporary directory")?;
        let config = dir.path().join("fts.toml");
        fs::write(&config, CONFIG).tried(config.display().to_string())?;
        let mut command = Command::new(&binary);
        command.arg("--config").arg(&config).arg("--data-dir").arg(dir.path());
        for key in &options.set {
            command.args(["--set", key]);
        }
        command.arg("run");
        let output = dir.path().join("output");
        let mut child = Child::start(command, &options.cores(), &output)?;
        let listeners = dir.path().join("run/listeners.json");
        let table = child.wait_for(&output, || read_listeners(&listeners))?;
        let address =
            |name: &str| table.get(name).and_then(|l| Some(loopback(u16::try_from(l.get("port")?.as_u64()?).ok()?)));
        let plain = address("cot_tcp")
            .ok_or_else(|| Fault::Start("no listener cot_tcp in run/listeners.json".into(), String::new()))?;
        let (tls, http, admin) = (address("cot_tls"), address("marti_http"), address("admin"));
        let pid = Some(child.pid());
        Ok(Self {
            name: "fts",
            address: plain,
            tls,
            http,
            pid,
            admin,
            clock: sample::Clock::default(),
            _child: Some(child),
            dir: Some(dir),
            binary,
        })
    }

    /// The raw fan-out of this program in a process of its own.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn ceiling(options: &Options) -> Result<Self, Fault> {
        let binary = std::env::current_exe().tried("finding this program")?;
        let dir = tempfile::tempdir().tried("a temporary directory")?;
        let output = dir.path().join("output");
        let mut command = Command::new(&binary);
        command.arg("ceiling");
        let mut child = Child::start(command, &options.cores(), &output)?;
        let address = child.wait_for(&output, || {
            let text = fs::read_to_string(&output).ok()?;
            let line: serde_json::Value = serde_json::from_str(text.lines().next()?).ok()?;
            line.get("address")?.as_str()?.parse().ok()
        })?;
        let pid = Some(child.pid());
        Ok(Self {
            name: "ceiling",
            address,
            tls: None,
            http: None,
            pid,
            admin: None,
            clock: sample::Clock::default(),
            _child: Some(child),
            dir: Some(dir),
            binary,
        })
    }

    /// The server's counters of this moment; empty where there are none.
    pub fn counters(&self) -> Counters {
        self.admin.map(Counters::read).unwrap_or_default()
    }

    /// CPU time used so far.
    pub fn cpu(&self) -> Duration {
        self.pid.map(|pid| self.clock.cpu(pid)).unwrap_or_default()
    }

    /// Resident bytes.
    pub fn resident(&self) -> u64 {
        self.pid.map(sample::resident).unwrap_or_default()
    }

    /// The last lines the process printed.
    pub fn last_words(&self) -> String {
        let output = self.dir.as_ref().map(|d| d.path().join("output"));
        let text = output.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// A client certificate, issued by the server's own program in its data directory.
    ///
    /// # Errors
    /// When none is issued, or the server was not started here.
    pub fn identity(&self) -> Result<Identity, Fault> {
        let not_ours = || Fault::Tls("certificates can be issued only for a server started here".into());
        let dir = self.dir.as_ref().filter(|_| self.tls.is_some()).ok_or_else(not_ours)?.path();
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(dir.join("fts.toml")).arg("--data-dir").arg(dir);
        Identity::issue(command, dir)
    }

    /// Has the process ended by itself?
    pub fn running(&self) -> bool {
        self._child.is_none() || self.resident() > 0
    }
}

/// Ports the system chooses; the rest stays as it is shipped, but for what a measurement must not contain.
const CONFIG: &str = r#"[server]
name = "load"
public_names = ["localhost", "127.0.0.1"]
[compat]
legacy_test_probe = false
[cot]
welcome_message = ""
[listeners.cot_tcp]
bind = "127.0.0.1"
port = 0
[listeners.cot_tls]
bind = "127.0.0.1"
port = 0
[listeners.marti_http]
bind = "127.0.0.1"
port = 0
[listeners.marti_https]
bind = "127.0.0.1"
port = 0
[listeners.enrollment]
bind = "127.0.0.1"
port = 0
[listeners.rest]
bind = "127.0.0.1"
port = 0
[listeners.admin]
port = 0
[log]
format = "json"
"#;

fn binary(options: &Options) -> Result<PathBuf, Fault> {
    let beside = || std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join("fts")));
    let path = options.fts.clone().or_else(beside).unwrap_or_else(|| PathBuf::from("fts"));
    if path.exists() { Ok(path) } else { Err(Fault::NoServer(path)) }
}

fn read_listeners(path: &Path) -> Option<serde_json::Value> {
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
