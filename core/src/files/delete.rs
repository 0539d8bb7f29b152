//! Deleting. The content goes with its last row; before that every plugin that registered `before_delete` is asked, outside
//! of any lock, and its veto keeps the row. The row goes first, then the content: a crash between the two leaves a content
//! without a row, which the next start sweeps.
use super::{Caller, Cause, Files, Hash, Resource, Sight, error::FileError, text};
use crate::store::rows::Value;

impl Files {
    /// Deletes the rows of a content that the caller sees and may delete; how many.
    ///
    /// # Errors
    /// [`FileError::NotFound`]; [`FileError::Forbidden`] where all are somebody else's; [`FileError::Kept`].
    pub fn delete_named(&self, name: &str, caller: &Caller, sight: &Sight) -> Result<usize, FileError> {
        let rows = self.named(name, sight)?;
        self.delete_owned(rows, caller)
    }

    /// Deletes of these rows those the caller may delete; how many.
    ///
    /// # Errors
    /// As [`Files::delete_named`].
    pub fn delete_owned(&self, rows: Vec<Resource>, caller: &Caller) -> Result<usize, FileError> {
        if rows.is_empty() {
            return Err(FileError::NotFound);
        }
        let own: Vec<_> = rows.iter().filter(|r| caller.owns(r)).collect();
        if own.is_empty() {
            return Err(FileError::Forbidden("only who stored a file and an administrator may delete it".into()));
        }
        for row in &own {
            self.delete(row, Cause::Deleted)?;
        }
        Ok(own.len())
    }

    /// Deletes one row. A row that is gone already is no error.
    ///
    /// # Errors
    /// [`FileError::Kept`], the database, the disk.
    pub fn delete(&self, resource: &Resource, cause: Cause<'_>) -> Result<(), FileError> {
        let mut asked = false;
        loop {
            if !asked && self.is_last(resource.id, &resource.hash)? {
                if let Some(keeper) = self.keeper.get() {
                    keeper.may_go(&resource.hash, cause).map_err(FileError::Kept)?;
                }
                asked = true;
            }
            let gone = {
                let _lock = self.lock(&resource.hash);
                let last = self.is_last(resource.id, &resource.hash)?;
                if last && !asked {
                    // Another row went meanwhile.
                    continue;
                }
                let gone = self.db.exec("DELETE FROM resource WHERE id = ?1", &[Value::Integer(resource.id)])? > 0;
                if gone && last {
                    let sql = "DELETE FROM resource_alias WHERE hash = ?1";
                    self.db.exec(sql, &[text(resource.hash.as_str())])?;
                    self.give(resource.size);
                    self.blobs.remove(&resource.hash)?;
                }
                gone
            };
            if gone {
                tracing::info!(event = "file.deleted", uid = %resource.uid, hash = %resource.hash, ?cause, "deleted a file");
                self.tell("resource.removed", resource);
            }
            return Ok(());
        }
    }

    fn is_last(&self, id: i64, hash: &Hash) -> Result<bool, FileError> {
        let sql = "SELECT 1 AS one FROM resource WHERE hash = ?1 AND id <> ?2 LIMIT 1";
        let others = self.db.query(sql, &[text(hash.as_str()), Value::Integer(id)])?;
        Ok(others.first().is_none())
    }
}
