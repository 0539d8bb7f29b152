//! Finding rows and opening their content. Everything is asked for with somebody's [`Sight`]; what those eyes may not see
//! is not there. Newest first; what has expired is not there either, though the sweep may not have come yet.
use super::{
    Files, Hash, Resource, Sight,
    error::FileError,
    resource::{COLUMNS, SEEN},
    text,
};
use crate::{http::answer::Stored, observe::clock, store::rows::Value};

const NOT_OVER: &str = "(r.expiration < 0 OR r.expiration >= ?2)";

impl Files {
    /// Rows of this content.
    ///
    /// # Errors
    /// The database.
    pub fn by_hash(&self, hash: &Hash, sight: &Sight) -> Result<Vec<Resource>, FileError> {
        self.rows("r.hash = ?3", sight, text(hash.as_str()))
    }

    /// Rows of this uid: its versions.
    ///
    /// # Errors
    /// The database.
    pub fn by_uid(&self, uid: &str, sight: &Sight) -> Result<Vec<Resource>, FileError> {
        self.rows("r.uid = ?3", sight, text(uid))
    }

    /// The row with this number.
    ///
    /// # Errors
    /// The database.
    pub fn by_id(&self, id: i64, sight: &Sight) -> Result<Option<Resource>, FileError> {
        Ok(self.rows("r.id = ?3", sight, Value::Integer(id))?.into_iter().next())
    }

    /// Rows of what a client calls a hash: the content, the content it had on another server (an import), or a uid, which
    /// FreeTAKServer wrote into its URLs (marti-http.md 6.7).
    ///
    /// # Errors
    /// The database.
    pub fn named(&self, name: &str, sight: &Sight) -> Result<Vec<Resource>, FileError> {
        if let Some(hash) = Hash::parse(name) {
            let found = self.by_hash(&hash, sight)?;
            if !found.is_empty() {
                return Ok(found);
            }
            let sql = "SELECT hash FROM resource_alias WHERE old = ?1";
            let alias = self.db.query(sql, &[text(hash.as_str())])?;
            if let Some(hash) = alias.first().and_then(|r| Hash::parse(r.text("hash"))) {
                return self.by_hash(&hash, sight);
            }
        }
        if name.is_empty() { Ok(Vec::new()) } else { self.by_uid(name, sight) }
    }

    /// The newest of [`Files::named`].
    ///
    /// # Errors
    /// [`FileError::NotFound`], the database.
    pub fn find(&self, name: &str, sight: &Sight) -> Result<Resource, FileError> {
        self.named(name, sight)?.into_iter().next().ok_or(FileError::NotFound)
    }

    /// The same for a user, who may have what a plugin says it may, whatever the file's groups: a member of a mission its files
    /// (mission.md 5.7).
    ///
    /// # Errors
    /// As [`Files::find`].
    pub fn find_for(&self, name: &str, sight: &Sight, user: &str) -> Result<Resource, FileError> {
        let (Sight::Groups(groups), Some(keeper), false) = (sight, self.keeper.get(), user.is_empty()) else {
            return self.find(name, sight);
        };
        match self.find(name, sight) {
            Err(FileError::NotFound) => {
                let found = self.find(name, &Sight::All)?;
                if keeper.may_read(&found.hash, user, groups) { Ok(found) } else { Err(FileError::NotFound) }
            }
            done => done,
        }
    }

    /// The newest row of a uid that is not newer than this (ms UTC).
    ///
    /// # Errors
    /// The database.
    pub fn version(&self, uid: &str, not_later: Option<i64>, sight: &Sight) -> Result<Option<Resource>, FileError> {
        let all = self.by_uid(uid, sight)?;
        Ok(all.into_iter().find(|r| not_later.is_none_or(|limit| r.submission_time <= limit)))
    }

    /// The content of a row, to be sent. Its entity tag is its hash.
    ///
    /// # Errors
    /// [`FileError::Missing`] when somebody has taken it away or damaged it, also in the log.
    pub fn open_content(&self, resource: &Resource) -> Result<Stored, FileError> {
        let hash = &resource.hash;
        let opened = self.blobs.open_blob(hash, resource.size);
        let opened = opened.and_then(|file| Stored::opened(file, Some(hash.as_str())));
        opened.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                tracing::warn!(event = "file.missing", %hash, "the content of a stored file is gone or damaged; the next upload of it heals this");
                FileError::Missing(hash.to_string())
            }
            _ => FileError::Io(error),
        })
    }

    /// Rows of one condition; ?3 is its value.
    fn rows(&self, which: &str, sight: &Sight, value: Value) -> Result<Vec<Resource>, FileError> {
        self.rows_at(which, sight, value, clock::now_ms() / 1_000)
    }

    /// A row, also one that has expired.
    pub(super) fn any_row(&self, id: i64) -> Result<Resource, FileError> {
        let found = self.rows_at("r.id = ?3", &Sight::All, Value::Integer(id), 0)?;
        found.into_iter().next().ok_or(FileError::NotFound)
    }

    fn rows_at(&self, which: &str, sight: &Sight, value: Value, now: i64) -> Result<Vec<Resource>, FileError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM resource r WHERE {which} AND {SEEN} AND {NOT_OVER} ORDER BY r.submission_time DESC, r.id DESC"
        );
        let rows = self.db.query(&sql, &[sight.param(), Value::Integer(now), value])?;
        Ok(rows.iter().filter_map(|row| Resource::of_row(&row)).collect())
    }
}
