//! Storing. Order: room is looked for, the content is whole and on disk in `tmp`, its manifest is read; then under the
//! content's lock it gets its name and its row is committed. Whatever fails before the row leaves nothing behind.
use std::fs::File;

use super::{
    Files, Hash, NewResource, Resource, Uid,
    blobs::Staged,
    error::FileError,
    manifest::{self, Manifest},
    name, real,
    resource::{ANONYMOUS, PACKAGE, PUBLIC},
    text,
};
use crate::{
    http::body::Body,
    observe::clock,
    store::{rows::Value, transaction::Transaction},
};

/// The same tuple again: newer time; keywords, groups and expiration of its submitter replace, those of somebody else are
/// added, so that nobody can hide another's file by storing the same once more.
const UPSERT: &str = "INSERT INTO resource (uid, hash, name, download_path, mime_type, size, submission_time, submitter, \
    creator_uid, tool, expiration, latitude, longitude, altitude, remarks, permissions, contacts, package_uid, package_name) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19) \
    ON CONFLICT (uid, hash, name, creator_uid) DO UPDATE SET submission_time = excluded.submission_time, \
    expiration = CASE WHEN submitter = excluded.submitter THEN excluded.expiration \
      WHEN expiration < 0 OR excluded.expiration < 0 THEN -1 ELSE max(expiration, excluded.expiration) END \
    RETURNING id, submitter";

impl Files {
    /// Stores a body that was received. When this returns it is on disk with its row.
    ///
    /// # Errors
    /// [`FileError::Quota`], [`FileError::Full`], the disk, the database; then nothing is stored.
    pub fn put(&self, body: Body, new: NewResource) -> Result<Resource, FileError> {
        let (hash, size) = (Hash::of_digest(body.sha256()), body.len());
        self.room(&hash, size)?;
        let staged = self.blobs.staged(body)?;
        self.store(staged, hash, size, new)
    }

    /// The same with bytes at hand.
    ///
    /// # Errors
    /// As [`Files::put`].
    pub fn put_bytes(&self, bytes: &[u8], new: NewResource) -> Result<Resource, FileError> {
        self.put(Body::from(bytes::Bytes::copy_from_slice(bytes)), new)
    }

    /// The same with a file from elsewhere, which is copied and stays.
    ///
    /// # Errors
    /// As [`Files::put`].
    pub fn put_file(&self, file: &mut File, new: NewResource) -> Result<Resource, FileError> {
        let size = file.metadata()?.len();
        let limit = self.running.load().files.max_upload;
        if limit > 0 && size > limit {
            return Err(FileError::Invalid(format!("the file has {size} bytes, files.max_upload is {limit}")));
        }
        let (staged, hash, size) = self.blobs.copied(file)?;
        self.room(&hash, size)?;
        self.store(staged, hash, size, new)
    }

    /// There is room for it, as far as one can know before it is written.
    fn room(&self, hash: &Hash, size: u64) -> Result<(), FileError> {
        let config = self.running.load();
        // Its bytes are on the disk already.
        if config.storage.min_free_bytes > 0 && self.blobs.free()? < config.storage.min_free_bytes {
            return Err(FileError::Full);
        }
        let (total, limit) = (self.total(), config.files.max_total);
        if limit > 0 && total.saturating_add(size) > limit && !self.has_rows(hash)? {
            return Err(FileError::Quota { total, limit });
        }
        Ok(())
    }

    fn store(&self, staged: Staged, hash: Hash, size: u64, new: NewResource) -> Result<Resource, FileError> {
        let package = new.uid == Uid::Hash || new.keywords.iter().any(|k| k == PACKAGE);
        let manifest = if package { read_manifest(&staged, &hash) } else { Manifest::default() };
        let id = {
            let _lock = self.lock(&hash);
            let known = self.has_rows(&hash)?;
            if !known {
                self.take(size)?;
            }
            let done = self.blobs.place(staged, &hash).map_err(FileError::from);
            let done = done.and_then(|()| self.row(&hash, size, &new, &manifest));
            if done.is_err() && !known {
                // Nobody speaks of it: what is there goes, and what stays is swept at the next start.
                let _ = self.blobs.remove(&hash);
                self.give(size);
            }
            done?
        };
        let stored = self.any_row(id)?;
        tracing::info!(event = "file.stored", uid = %stored.uid, hash = %stored.hash, size, submitter = %stored.submitter, "stored a file");
        self.tell("resource.added", &stored);
        Ok(stored)
    }

    /// Counts bytes of a new content against `files.max_total`.
    fn take(&self, size: u64) -> Result<(), FileError> {
        let limit = self.running.load().files.max_total;
        let mut total = self.total.lock();
        if limit > 0 && total.saturating_add(size) > limit {
            return Err(FileError::Quota { total: *total, limit });
        }
        *total += size;
        Ok(())
    }

    pub(super) fn give(&self, size: u64) {
        let mut total = self.total.lock();
        *total = total.saturating_sub(size);
    }

    fn row(&self, hash: &Hash, size: u64, new: &NewResource, manifest: &Manifest) -> Result<i64, FileError> {
        let or = |given: &str, other: &str| text(if given.is_empty() { other } else { given });
        let uid = match &new.uid {
            Uid::Random => uuid::Uuid::new_v4().to_string(),
            Uid::Hash => hash.as_str().to_owned(),
            Uid::Given(uid) => uid.clone(),
        };
        let mime = match new.mime_type.as_str() {
            "" => name::mime(&new.name),
            given => given.to_owned(),
        };
        let list = |list: &[String]| text(&serde_json::json!(list).to_string());
        let values = [
            text(&uid),
            text(hash.as_str()),
            or(&new.name, hash.as_str()),
            text(&new.download_path),
            or(&mime, "application/octet-stream"),
            Value::Integer(size as i64),
            Value::Integer(clock::now_ms()),
            or(&new.submitter, ANONYMOUS),
            text(&new.creator_uid),
            or(&new.tool, PUBLIC),
            Value::Integer(new.expiration.unwrap_or(-1).max(-1)),
            real(new.latitude),
            real(new.longitude),
            real(new.altitude),
            text(&new.remarks),
            list(&new.permissions),
            list(&new.contacts),
            text(&manifest.uid),
            text(&manifest.name),
        ];
        let tx = self.db.begin()?;
        let rows = tx.query(UPSERT, &values)?;
        let row = rows.first().ok_or(FileError::NotFound)?;
        let (id, own) = (row.int("id"), Value::Text(row.text("submitter").to_owned()) == values[7]);
        keywords(&tx, id, &new.keywords, own)?;
        groups(&tx, id, &new.groups, own)?;
        tx.commit()?;
        Ok(id)
    }
}

/// Sets the keywords of a row, or adds those it does not have.
pub(super) fn keywords(tx: &Transaction, id: i64, keywords: &[String], replace: bool) -> Result<(), FileError> {
    if replace {
        tx.exec("DELETE FROM resource_keyword WHERE resource_id = ?1", &[Value::Integer(id)])?;
    }
    let sql = "INSERT INTO resource_keyword (resource_id, place, keyword) \
        SELECT ?1, (SELECT COALESCE(max(place), -1) + 1 FROM resource_keyword WHERE resource_id = ?1), ?2 \
        WHERE ?3 OR NOT EXISTS (SELECT 1 FROM resource_keyword WHERE resource_id = ?1 AND keyword = ?2)";
    for keyword in keywords {
        tx.exec(sql, &[Value::Integer(id), text(keyword), Value::Integer(i64::from(replace))])?;
    }
    Ok(())
}

/// The same with groups.
pub(super) fn groups(tx: &Transaction, id: i64, groups: &[String], replace: bool) -> Result<(), FileError> {
    if replace {
        tx.exec("DELETE FROM resource_group WHERE resource_id = ?1", &[Value::Integer(id)])?;
    }
    for group in groups {
        let sql = "INSERT OR IGNORE INTO resource_group (resource_id, name) VALUES (?1, ?2)";
        tx.exec(sql, &[Value::Integer(id), text(group)])?;
    }
    Ok(())
}

/// An upload is stored whatever its zip is like (marti-http.md 11.5).
fn read_manifest(staged: &Staged, hash: &Hash) -> Manifest {
    let found = match staged.open() {
        Ok(file) => manifest::read(file).map_err(|e| e.to_string()),
        Err(error) => Err(error.to_string()),
    };
    found.unwrap_or_else(|why| {
        tracing::warn!(event = "file.package", %hash, why, "the manifest of a data package was not read; the file is stored as it came");
        None
    })
    .unwrap_or_default()
}
