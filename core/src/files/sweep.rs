//! What goes by itself: rows that have expired, hourly, unless a plugin keeps them; contents no row speaks of, at the
//! start. A database that knows nothing beside a full directory is taken for a lost one, not for a reason to delete.
use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{Cause, Files, Hash, Resource, error::FileError, resource::COLUMNS};
use crate::{observe::clock, store::rows::Value};

/// Between two sweeps (marti-http.md 6.11).
const EVERY: Duration = Duration::from_secs(3_600);
/// More contents than this without any row at all are not the rest of an interrupted first upload.
const FEW: usize = 16;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Swept {
    /// Rows that had expired.
    pub expired: usize,
    /// Of those, kept by a plugin.
    pub kept: usize,
    /// Contents without a row.
    pub orphans: usize,
}

/// What a look at all rows and contents found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Checked {
    /// Rows.
    pub rows: usize,
    /// Contents on disk.
    pub contents: usize,
    /// Hashes of rows whose content is gone or has another length.
    pub missing: Vec<String>,
    /// Hashes of contents whose bytes have another hash.
    pub damaged: Vec<String>,
    /// Hashes of contents no row speaks of.
    pub orphans: Vec<String>,
}

impl Files {
    /// Deletes what has expired; what a plugin keeps stays until it lets go.
    ///
    /// # Errors
    /// The database, the disk.
    pub fn sweep_expired(&self) -> Result<Swept, FileError> {
        let sql =
            format!("SELECT {COLUMNS} FROM resource r WHERE r.expiration >= 0 AND r.expiration < ?1 ORDER BY r.id");
        let rows = self.db.query(&sql, &[Value::Integer(clock::now_ms() / 1_000)])?;
        let mut swept = Swept::default();
        for row in rows.iter().filter_map(|r| Resource::of_row(&r)) {
            match self.delete(&row, Cause::Expired) {
                Ok(()) => swept.expired += 1,
                Err(FileError::Kept(why)) => {
                    swept.kept += 1;
                    tracing::debug!(hash = %row.hash, why, "an expired file is kept");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(swept)
    }

    /// Removes contents no row speaks of; how many. Without `surely` nothing is done where there is no row at all beside
    /// more than a few contents.
    ///
    /// # Errors
    /// The database, the disk.
    pub fn sweep_orphans(&self, surely: bool) -> Result<usize, FileError> {
        let orphans = self.orphans()?;
        if orphans.len() > FEW
            && !surely
            && self.db.query("SELECT 1 AS one FROM resource LIMIT 1", &[])?.first().is_none()
        {
            tracing::warn!(
                event = "file.orphans",
                contents = orphans.len(),
                "the database knows no file, but there are many in files.dir: they stay; restore the database, or remove them with `fts files sweep`"
            );
            return Ok(0);
        }
        let mut removed = 0;
        for hash in orphans {
            let _lock = self.lock(&hash);
            if !self.has_rows(&hash)? {
                self.blobs.remove(&hash)?;
                removed += 1;
            }
        }
        if removed > 0 {
            tracing::info!(event = "file.swept", contents = removed, "contents nothing speaks of are removed");
        }
        Ok(removed)
    }

    /// As they are at this moment: who removes one looks again under its lock.
    fn orphans(&self) -> Result<Vec<Hash>, FileError> {
        let rows = self.db.query("SELECT DISTINCT hash FROM resource", &[])?;
        let known: HashSet<Hash> = rows.iter().filter_map(|r| Hash::parse(r.text("hash"))).collect();
        let mut all = self.blobs.all()?;
        all.retain(|hash| !known.contains(hash));
        Ok(all)
    }

    /// Looks at every row and content; with `read` also at every byte.
    ///
    /// # Errors
    /// The database, the disk.
    pub fn check(&self, read: bool) -> Result<Checked, FileError> {
        let sql = "SELECT hash, max(size) AS size, count(*) AS rows FROM resource GROUP BY hash";
        let mut checked = Checked { contents: self.blobs.all()?.len(), ..Checked::default() };
        for row in self.db.query(sql, &[])?.iter() {
            checked.rows += row.int("rows") as usize;
            let Some(hash) = Hash::parse(row.text("hash")) else { continue };
            let Ok(mut file) = self.blobs.open_blob(&hash, row.int("size") as u64) else {
                checked.missing.push(hash.to_string());
                continue;
            };
            if read && super::blobs::hash_of(&mut file)?.0 != hash {
                checked.damaged.push(hash.to_string());
            }
        }
        checked.orphans = self.orphans()?.iter().map(ToString::to_string).collect();
        Ok(checked)
    }

    /// Sweeps every hour until the server stops.
    pub async fn keep_swept(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => return,
            }
            let files = self.clone();
            match tokio::task::spawn_blocking(move || files.sweep_expired()).await {
                Ok(Ok(swept)) if swept.expired > 0 => {
                    tracing::info!(
                        event = "file.swept",
                        expired = swept.expired,
                        kept = swept.kept,
                        "expired files are removed"
                    );
                }
                Ok(Err(error)) => {
                    tracing::error!(event = "file.error", %error, "the sweep of expired files failed; it is tried again")
                }
                Ok(Ok(_)) | Err(_) => {}
            }
        }
    }
}
