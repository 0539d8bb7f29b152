//! [`Vault`]: the directory of a server's backups (`backup.dir`): makes one when asked or when it is time
//! (`backup.schedule`), lists them, and keeps the newest. One at a time; each runs on a thread of its own, and whoever asked
//! may look later what became of it.
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    thread::JoinHandle,
    time::Duration,
};

use arc_swap::ArcSwap;
use fts_plugin_api::cot::{Millis, format_time};
use parking_lot::{Condvar, Mutex};
use serde_json::{Value, json};

use super::{
    BackupError,
    create::{Plan, create},
    restore::stamp,
    schedule::Schedule,
};
use crate::{config::Config, observe::clock, store::history::History};

/// How often the clock is looked at.
const LOOK: Duration = Duration::from_secs(20);
/// How long what is queued for the database is waited for.
const FLUSH: Duration = Duration::from_secs(5);

/// Something long that runs, or has run.
#[derive(Clone, Debug, Default)]
pub struct Job {
    /// What runs; "" = nothing.
    pub running: &'static str,
    /// The last that ended: what, and its result.
    pub last: Option<(&'static str, Result<Value, String>)>,
    /// How many have ended.
    pub ended: u64,
}

/// A backup in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Kept {
    pub path: PathBuf,
    pub bytes: u64,
    /// ms UTC.
    pub at: Millis,
}

/// Tells the time, ms UTC.
type Clock = Box<dyn Fn() -> Millis + Send + Sync>;

/// See the file's head.
pub struct Vault {
    clock: Clock,
    running: Arc<ArcSwap<Config>>,
    history: Arc<History>,
    config_file: OnceLock<PathBuf>,
    job: Mutex<Job>,
    ended: Condvar,
    stopped: Mutex<bool>,
    wake: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Vault {
    /// Of this server.
    pub fn new(running: Arc<ArcSwap<Config>>, history: Arc<History>) -> Arc<Self> {
        Self::with_clock(running, history, Box::new(clock::now_ms))
    }

    pub(super) fn with_clock(running: Arc<ArcSwap<Config>>, history: Arc<History>, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            clock,
            running,
            history,
            config_file: OnceLock::new(),
            job: Mutex::default(),
            ended: Condvar::new(),
            stopped: Mutex::new(false),
            wake: Condvar::new(),
            thread: Mutex::new(None),
        })
    }

    /// The configuration file, which goes into the backups.
    pub fn set_config_file(&self, file: Option<PathBuf>) {
        if let Some(file) = file {
            let _ = self.config_file.set(file);
        }
    }

    /// A new name in a directory of backups, for one made at `now` (ms UTC).
    pub fn new_path(dir: &Path, now: Millis) -> PathBuf {
        dir.join(format!("fts-{}.tar.zst", stamp(now)))
    }

    /// From now on backups are made when it is time.
    pub fn begin(self: &Arc<Self>) {
        let schedule = self.running.load().backup.schedule.clone();
        if schedule.is_empty() {
            return;
        }
        let Some(mut due) = Schedule::read(&schedule, (self.clock)()) else {
            tracing::warn!(
                event = "backup.failed",
                schedule,
                "backup.schedule is not understood: write \"daily HH:MM\" (UTC)"
            );
            return;
        };
        let vault = self.clone();
        let thread = std::thread::Builder::new().name("backup-schedule".into()).spawn(move || vault.run(&mut due));
        match thread {
            Ok(thread) => *self.thread.lock() = Some(thread),
            Err(error) => tracing::error!(event = "backup.failed", %error, "no thread for backups"),
        }
    }

    /// No more are made by themselves; one under way is waited for by the process's end only.
    pub fn stop(&self) {
        *self.stopped.lock() = true;
        self.wake.notify_all();
        if let Some(thread) = self.thread.lock().take() {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }

    fn run(&self, schedule: &mut Schedule) {
        loop {
            let mut stopped = self.stopped.lock();
            if !*stopped {
                self.wake.wait_for(&mut stopped, LOOK);
            }
            if *stopped {
                return;
            }
            drop(stopped);
            self.turn(schedule);
        }
    }

    /// Looks at the clock once, and makes the backup that is due.
    pub(super) fn turn(&self, schedule: &mut Schedule) {
        if schedule.due((self.clock)()) {
            // Said in the log either way.
            let _ = self.create(None, true);
        }
    }

    /// The clock is looked at now, not in a while.
    #[cfg(test)]
    pub(super) fn look(&self) {
        let _stopped = self.stopped.lock();
        self.wake.notify_all();
    }

    /// Starts something long; its result is in [`Self::job`] when it ends.
    ///
    /// # Errors
    /// [`BackupError::Busy`] while another one runs.
    pub fn start(
        self: &Arc<Self>,
        what: &'static str,
        run: impl FnOnce(&Self) -> Result<Value, String> + Send + 'static,
    ) -> Result<u64, BackupError> {
        let mut job = self.job.lock();
        if !job.running.is_empty() {
            return Err(BackupError::Busy(job.running.to_owned()));
        }
        let vault = self.clone();
        let spawned = std::thread::Builder::new().name("storage-job".into()).spawn(move || {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&vault)));
            let result = result.unwrap_or_else(|_| Err(format!("{what} failed; the log says where")));
            let mut job = vault.job.lock();
            (job.running, job.last, job.ended) = ("", Some((what, result)), job.ended + 1);
            vault.ended.notify_all();
        });
        spawned.map_err(|source| BackupError::Io { path: PathBuf::from("thread"), source })?;
        job.running = what;
        Ok(job.ended)
    }

    /// Waits until a job that began behind `ended` others is over, at most so long. None = it still runs.
    pub fn wait(&self, ended: u64, limit: Duration) -> Option<Result<Value, String>> {
        let mut job = self.job.lock();
        self.ended.wait_while_for(&mut job, |job| job.ended <= ended, limit);
        if job.ended > ended { job.last.clone().map(|(_, result)| result) } else { None }
    }

    /// What runs, and what the last one came to.
    pub fn job(&self) -> Job {
        self.job.lock().clone()
    }

    /// Makes one: to a path, or into the directory, where the oldest make room. Blocks.
    ///
    /// # Errors
    /// [`BackupError`]; nothing is left behind.
    pub fn create(&self, to: Option<&Path>, files: bool) -> Result<Kept, BackupError> {
        let config = self.running.load_full();
        let path = to.map_or_else(|| Self::new_path(&config.backup.dir, (self.clock)()), Path::to_owned);
        // What was routed before is in the database; when not, the journal has it.
        self.history.flush(FLUSH);
        let mut plan = Plan::of(&config, self.config_file.get().map(PathBuf::as_path));
        plan.files = files;
        match write(&plan, &path) {
            Ok(kept) => {
                tracing::info!(event = "backup.done", path = %path.display(), bytes = kept.bytes, "backup made");
                metrics::gauge!("fts_backup_last_success_timestamp_seconds").set(kept.at as f64 / 1_000.0);
                if to.is_none() {
                    self.prune(&config);
                }
                Ok(kept)
            }
            Err(error) => {
                tracing::error!(event = "backup.failed", path = %path.display(), %error, "no backup was made");
                Err(error)
            }
        }
    }

    fn prune(&self, config: &Config) {
        let all = self.list().unwrap_or_default();
        for old in all.iter().skip(config.backup.keep.max(1)) {
            if let Err(error) = fs::remove_file(&old.path) {
                tracing::warn!(event = "backup.failed", path = %old.path.display(), %error, "an old backup was not removed");
            }
        }
    }

    /// Those in the directory, newest first.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn list(&self) -> Result<Vec<Kept>, BackupError> {
        list(&self.running.load().backup.dir)
    }
}

/// The backups in a directory, newest first.
///
/// # Errors
/// It cannot be read.
pub fn list(dir: &Path) -> Result<Vec<Kept>, BackupError> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(BackupError::io(dir))?,
    };
    let kept = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let at = name.strip_prefix("fts-")?.strip_suffix(".tar.zst")?;
        let about = entry.metadata().ok()?;
        Some(Kept { path: entry.path(), bytes: about.len(), at: read_stamp(at)? })
    };
    let mut all: Vec<Kept> = entries.flatten().filter_map(kept).collect();
    all.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| b.path.cmp(&a.path)));
    Ok(all)
}

/// `20250304-050607` as ms UTC.
fn read_stamp(text: &str) -> Option<Millis> {
    let (date, time) = text.split_once('-')?;
    let digits = |t: &str, n: usize| t.len() == n && t.bytes().all(|b| b.is_ascii_digit());
    if !digits(date, 8) || !digits(time, 6) {
        return None;
    }
    let iso = format!("{}-{}-{}T{}:{}:{}Z", &date[..4], &date[4..6], &date[6..], &time[..2], &time[2..4], &time[4..]);
    fts_plugin_api::cot::parse_time(&iso).map(|(ms, _)| ms)
}

/// Whole or not there: under another name until it is on the disk.
///
/// # Errors
/// [`BackupError`]; nothing is left behind.
pub fn write(plan: &Plan, path: &Path) -> Result<Kept, BackupError> {
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(BackupError::io(dir))?;
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let made = || {
        let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part);
        let mut file = io::BufWriter::new(file.map_err(BackupError::io(&part))?);
        create(plan, &mut file)?;
        file.flush().map_err(BackupError::io(&part))?;
        file.get_ref().sync_all().map_err(BackupError::io(&part))?;
        fs::rename(&part, path).map_err(BackupError::io(path))?;
        fs::File::open(dir).and_then(|d| d.sync_all()).map_err(BackupError::io(dir))?;
        let bytes = fs::metadata(path).map_err(BackupError::io(path))?.len();
        Ok(Kept { path: path.to_owned(), bytes, at: clock::now_ms() })
    };
    made().inspect_err(|_| drop(fs::remove_file(&part)))
}

impl Kept {
    /// For answers.
    pub fn json(&self) -> Value {
        json!({"path": self.path, "bytes": self.bytes, "at": format_time(self.at)})
    }
}
