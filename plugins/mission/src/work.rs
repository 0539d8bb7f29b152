//! [`Work`]: files that live as long as one request: archives being built, packages being read. In `work/` of the plugin's
//! folder, each removed when it is dropped, and what a crash left behind at a start an hour later.
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use fts_plugin_api::{
    sdk::{Host, Result},
    tracing,
};

const FOLDER: &str = "work";
/// No request runs so long.
const LONGEST: Duration = Duration::from_secs(3_600);

/// See the file's head.
#[derive(Debug)]
pub struct Work {
    path: PathBuf,
    relative: String,
}

impl Work {
    /// A name for a file that is not there yet.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(host: &Host) -> Result<Self> {
        let relative = format!("{FOLDER}/{}", host.uuid());
        let folder = host.dir()?;
        fs::create_dir_all(folder.join(FOLDER))?;
        Ok(Self { path: folder.join(&relative), relative })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same below the plugin's folder, as the host wants it.
    pub fn relative(&self) -> &str {
        &self.relative
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(event = "mission.work_left", path = %self.path.display(), "a file of a request stays: {error}");
            }
            _ => {}
        }
    }
}

/// Removes what a crash left. At start, when requests of the generation before may still run: what is young stays.
///
/// # Errors
/// The folder cannot be read.
pub fn clear(host: &Host) -> Result<()> {
    let all = match fs::read_dir(host.dir()?.join(FOLDER)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        all => all?,
    };
    for file in all.flatten() {
        // One that goes meanwhile needs nothing more.
        let Ok(modified) = file.metadata().and_then(|m| m.modified()) else { continue };
        if modified.elapsed().unwrap_or_default() > LONGEST {
            drop(Work { path: file.path(), relative: String::new() });
        }
    }
    Ok(())
}
