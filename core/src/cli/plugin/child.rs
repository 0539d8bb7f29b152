//! [`Bed`]: a folder with a copy of the plugin's file, and the child process that loads it. What the child has to say
//! comes as lines of JSON in a file there, because the plugin may write anything to standard output.
//!
//! A step is announced before it is done, so that a child that dies or does not come back is known by its last words.
use std::{
    fs::{self, File},
    io::{self, Write},
    os::{
        fd::AsFd,
        unix::{fs::OpenOptionsExt, process::ExitStatusExt},
    },
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How often the child is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// See the file's head.
pub struct Bed {
    dir: TempDir,
    name: String,
}

/// Where the child writes.
pub fn words(dir: &Path) -> PathBuf {
    dir.join("words")
}

impl Bed {
    /// Copies the file's bytes to where the child finds them.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(name: &str, bytes: &[u8]) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("fts-plugin-").tempdir()?;
        let plugins = dir.path().join("plugins");
        fs::create_dir(&plugins)?;
        let file = plugins.join(format!("libfts_plugin_{}.so", name.replace('-', "_")));
        File::options().write(true).create_new(true).mode(0o500).open(file)?.write_all(bytes)?;
        Ok(Self { dir, name: name.to_owned() })
    }

    /// Runs the child and gives its last word. A child that says nothing for `patience` is ended.
    ///
    /// # Errors
    /// How and in what it died, one line.
    pub fn run(&self, args: &[String], patience: Duration) -> Result<Value, String> {
        let words = words(self.dir.path());
        let failed = |e: io::Error| format!("the child process did not start: {e}");
        File::create(&words).map_err(failed)?;
        let stderr = io::stderr().as_fd().try_clone_to_owned().map_err(failed)?;
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.args(["plugin", "inside"]).arg(self.dir.path()).arg(&self.name).args(args);
        command.current_dir(self.dir.path()).stdin(Stdio::null()).stdout(stderr);
        let mut child = command.spawn().map_err(failed)?;
        let (mut heard, mut since) = (0, Instant::now());
        let status = loop {
            if let Some(status) = child.try_wait().map_err(failed)? {
                break Some(status);
            }
            let said = fs::metadata(&words).map_or(0, |m| m.len());
            if said != heard {
                (heard, since) = (said, Instant::now());
            }
            if since.elapsed() > patience {
                child.kill().and_then(|()| child.wait()).map_err(failed)?;
                break None;
            }
            std::thread::sleep(LOOK);
        };
        let said = fs::read_to_string(&words).unwrap_or_default();
        judge(status, &said, patience)
    }
}

fn judge(status: Option<ExitStatus>, said: &str, patience: Duration) -> Result<Value, String> {
    let lines: Vec<Value> = said.lines().filter_map(|l| serde_json::from_str(l).ok()).collect();
    let doing = lines.iter().rev().find_map(|l| l["doing"].as_str()).unwrap_or("start").to_owned();
    let done = lines.into_iter().next_back().and_then(|mut l| l.get_mut("done").map(Value::take));
    let how = match status {
        None => return Err(format!("does not come back from: {doing} (waited {} s)", patience.as_secs())),
        Some(status) => match (status.signal(), status.code()) {
            (None, Some(0)) => None,
            (Some(signal), _) => Some(format!("signal {signal}")),
            (None, code) => Some(format!("exit code {}", code.unwrap_or(-1))),
        },
    };
    match (how, done) {
        (None, Some(done)) => Ok(done),
        (Some(how), Some(_)) => Err(format!("the process crashed when it ended ({how})")),
        (how, None) => Err(format!("ended the process in: {doing} ({})", how.unwrap_or_else(|| "exit".into()))),
    }
}

/// The child's side.
pub struct Words(File);

impl Words {
    /// Opens what the parent made.
    ///
    /// # Errors
    /// It is not there: nobody started this as a child.
    pub fn open(dir: &Path) -> io::Result<Self> {
        File::options().append(true).open(words(dir)).map(Self)
    }

    /// This comes next.
    pub fn doing(&mut self, step: &str) {
        self.line(&json!({"doing": step}));
    }

    /// The last word.
    pub fn done(&mut self, done: &Value) {
        self.line(&json!({"done": done}));
    }

    fn line(&mut self, line: &Value) {
        // Without its words the child cannot say that they are lost; the parent hears that they do not come.
        let _ = self.0.write_all(format!("{line}\n").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_known_by_its_last_words() {
        let said = "{\"doing\":\"load\"}\n{\"doing\":\"observe x\"}\n";
        let time = Duration::from_secs(7);
        let ended = |raw| Some(ExitStatus::from_raw(raw));
        assert_eq!(judge(ended(11), said, time).unwrap_err(), "ended the process in: observe x (signal 11)");
        assert_eq!(judge(ended(256), "", time).unwrap_err(), "ended the process in: start (exit code 1)");
        assert_eq!(judge(None, said, time).unwrap_err(), "does not come back from: observe x (waited 7 s)");
        let done = format!("{said}{{\"done\":3}}\n");
        assert_eq!(judge(ended(0), &done, time).unwrap(), 3);
        assert_eq!(judge(ended(6), &done, time).unwrap_err(), "the process crashed when it ended (signal 6)");
    }
}
