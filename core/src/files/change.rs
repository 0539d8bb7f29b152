//! Changing what is known of files (marti-http.md 6.8), and who may. A content may have several rows; a caller changes
//! those it can see. Nobody but who stored a file, or an administrator, takes it out of the others' sight.
use super::{
    Files, Hash, Resource, Sight,
    error::FileError,
    put,
    resource::{ANONYMOUS, PRIVATE, PUBLIC},
    text,
};
use crate::{
    http::auth::{Identity, Role},
    store::rows::Value,
};

/// Who changes or deletes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user's name, `anonymous` for nobody in particular.
    pub name: String,
    /// May do everything.
    pub admin: bool,
}

impl Caller {
    /// Whoever makes a call.
    #[must_use]
    pub fn of(who: &Identity) -> Self {
        Self { name: submitter(who), admin: who.role == Role::Admin }
    }

    /// The server, its operator, a plugin.
    #[must_use]
    pub fn server(name: &str) -> Self {
        Self { name: name.to_owned(), admin: true }
    }

    /// Did this one store it, or may it do everything?
    #[must_use]
    pub fn owns(&self, resource: &Resource) -> bool {
        self.admin || resource.submitter == self.name
    }
}

/// The name that is kept with what a caller stores.
#[must_use]
pub fn submitter(who: &Identity) -> String {
    let name = who.user.as_deref().or(who.cert_cn.as_deref());
    name.filter(|n| !who.anonymous && !n.is_empty()).unwrap_or(ANONYMOUS).to_owned()
}

impl Files {
    /// Sets the tool of all rows of a content the caller sees. A public file of somebody else stays public: the answer
    /// is the same, so that a client that sends a known package privately goes on (marti-http.md 6.8).
    ///
    /// # Errors
    /// [`FileError::NotFound`], the database.
    pub fn set_tool(&self, name: &str, tool: &str, caller: &Caller, sight: &Sight) -> Result<(), FileError> {
        let rows = self.changeable(name, sight)?;
        let hides = |r: &Resource| r.tool == PUBLIC && tool == PRIVATE && !caller.owns(r);
        self.set(rows.iter().filter(|r| !hides(r)), "UPDATE resource SET tool = ?2 WHERE id = ?1", &text(tool))
    }

    /// Sets the content type.
    ///
    /// # Errors
    /// [`FileError::NotFound`], [`FileError::Forbidden`], the database.
    pub fn set_mime_type(&self, name: &str, mime: &str, caller: &Caller, sight: &Sight) -> Result<(), FileError> {
        let rows = self.owned(name, caller, sight)?;
        self.set(rows.iter(), "UPDATE resource SET mime_type = ?2 WHERE id = ?1", &text(mime))
    }

    /// Sets when it ends: s UTC, -1 = never.
    ///
    /// # Errors
    /// [`FileError::NotFound`], [`FileError::Forbidden`], the database.
    pub fn set_expiration(&self, name: &str, at: i64, caller: &Caller, sight: &Sight) -> Result<(), FileError> {
        let rows = self.owned(name, caller, sight)?;
        let sql = "UPDATE resource SET expiration = ?2 WHERE id = ?1";
        self.set(rows.iter(), sql, &Value::Integer(at.max(-1)))
    }

    /// Replaces all keywords by these.
    ///
    /// # Errors
    /// [`FileError::NotFound`], [`FileError::Forbidden`], the database.
    pub fn set_keywords(&self, name: &str, list: &[String], caller: &Caller, sight: &Sight) -> Result<(), FileError> {
        let rows = self.owned(name, caller, sight)?;
        let tx = self.db.begin()?;
        rows.iter().try_for_each(|r| put::keywords(&tx, r.id, list, true))?;
        tx.commit()?;
        self.changed(rows.iter())
    }

    /// Sets who stored it.
    ///
    /// # Errors
    /// [`FileError::NotFound`], the database.
    pub fn set_submitter(&self, name: &str, user: &str, sight: &Sight) -> Result<(), FileError> {
        let rows = self.changeable(name, sight)?;
        self.set(rows.iter(), "UPDATE resource SET submitter = ?2 WHERE id = ?1", &text(user))
    }

    /// Everything a plugin knows of a row takes the place of what is known: name, type, keywords, tool, groups.
    ///
    /// # Errors
    /// [`FileError::NotFound`], the database: another row of its uid has that name.
    pub fn describe(&self, id: i64, said: &Resource) -> Result<(), FileError> {
        let sql = "UPDATE resource SET name = ?2, mime_type = ?3, tool = ?4 WHERE id = ?1";
        let tx = self.db.begin()?;
        let values = [Value::Integer(id), text(&said.name), text(&said.mime_type), text(&said.tool)];
        if tx.exec(sql, &values)? == 0 {
            return Err(FileError::NotFound);
        }
        put::keywords(&tx, id, &said.keywords, true)?;
        put::groups(&tx, id, &said.groups, true)?;
        tx.commit()?;
        self.tell("resource.changed", &self.any_row(id)?);
        Ok(())
    }

    /// Notes that a content had this hash on another server: URLs in old chats and packages go on working.
    ///
    /// # Errors
    /// The database.
    pub fn alias(&self, old: &Hash, hash: &Hash) -> Result<(), FileError> {
        let sql = "INSERT INTO resource_alias (old, hash) VALUES (?1, ?2) ON CONFLICT (old) DO UPDATE SET hash = excluded.hash";
        self.db.exec(sql, &[text(old.as_str()), text(hash.as_str())])?;
        Ok(())
    }

    fn changeable(&self, name: &str, sight: &Sight) -> Result<Vec<Resource>, FileError> {
        let rows = self.named(name, sight)?;
        if rows.is_empty() { Err(FileError::NotFound) } else { Ok(rows) }
    }

    /// Those the caller may change; there are none but somebody else's: forbidden.
    fn owned(&self, name: &str, caller: &Caller, sight: &Sight) -> Result<Vec<Resource>, FileError> {
        let mut rows = self.changeable(name, sight)?;
        rows.retain(|r| caller.owns(r));
        if rows.is_empty() {
            return Err(FileError::Forbidden("only who stored a file and an administrator may change it".into()));
        }
        Ok(rows)
    }

    fn set<'a>(
        &self,
        rows: impl Iterator<Item = &'a Resource> + Clone,
        sql: &str,
        value: &Value,
    ) -> Result<(), FileError> {
        let tx = self.db.begin()?;
        for row in rows.clone() {
            tx.exec(sql, &[Value::Integer(row.id), value.clone()])?;
        }
        tx.commit()?;
        self.changed(rows)
    }

    fn changed<'a>(&self, rows: impl Iterator<Item = &'a Resource>) -> Result<(), FileError> {
        for row in rows {
            // It may be gone already.
            if let Ok(now) = self.any_row(row.id) {
                self.tell("resource.changed", &now);
            }
        }
        Ok(())
    }
}
