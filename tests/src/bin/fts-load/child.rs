//! [`Child`]: a process under test, started on its core and ended with its owner.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    fault::{Fault, Tried},
    sample,
};

/// Which cores the two sides run on.
#[derive(Clone, Debug)]
pub struct Cores {
    /// The process under test.
    pub server: Vec<usize>,
    /// The generator.
    pub generator: Vec<usize>,
}

/// See the file's head.
#[derive(Debug)]
pub struct Child {
    child: std::process::Child,
}

impl Child {
    /// Starts it on the server's cores; its output goes to a file.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(mut command: Command, cores: &Cores, output: &Path) -> Result<Self, Fault> {
        let what = format!("starting {}", command.get_program().display());
        let file = std::fs::File::create(output).tried(output.display().to_string())?;
        let errors = file.try_clone().tried(output.display().to_string())?;
        sample::pin(&cores.server).tried("pinning the server")?;
        let child = command.stdin(Stdio::piped()).stdout(file).stderr(errors).spawn();
        sample::pin(&cores.generator).tried("pinning the generator")?;
        Ok(Self { child: child.tried(what)? })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` finds something; an early exit or too long a wait is an error with what it printed.
    ///
    /// # Errors
    /// [`Fault::Start`].
    pub fn wait_for<T>(&mut self, output: &Path, mut ready: impl FnMut() -> Option<T>) -> Result<T, Fault> {
        let began = Instant::now();
        let said = || std::fs::read_to_string(output).unwrap_or_default();
        loop {
            if let Some(found) = ready() {
                return Ok(found);
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(Fault::Start(status.to_string(), said()));
            }
            if began.elapsed() > Duration::from_secs(30) {
                return Err(Fault::Start("not ready after 30 s".into(), said()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Already gone: nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
