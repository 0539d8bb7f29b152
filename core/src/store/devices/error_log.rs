//! Error logs devices hand in (marti-http.md 10): one row per file of what they send. Contents can be long: they are read
//! one row at a time.
use crate::store::{
    database::{Database, Value},
    error::StoreError,
    rows::Row,
};

/// Who handed a log in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Sender {
    pub uid: String,
    pub callsign: String,
    pub platform: String,
    pub major_version: String,
    pub minor_version: String,
    /// Who was logged in; `anonymous` on the plain listener.
    pub user: String,
}

/// One log without its contents.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Log {
    pub id: i64,
    /// ms UTC.
    pub at: i64,
    /// Without folders.
    pub file_name: String,
}

/// Stores files (name without folders, contents) in one step.
///
/// # Errors
/// The database's; nothing was stored.
pub fn add(db: &Database, sender: &Sender, at: i64, files: Vec<(String, Vec<u8>)>) -> Result<(), StoreError> {
    let change = db.begin()?;
    for (name, contents) in files {
        let text = |text: &str| Value::Text(text.to_owned());
        let values = [
            at.into(),
            text(&sender.uid),
            text(&sender.callsign),
            text(&sender.platform),
            text(&sender.major_version),
            text(&sender.minor_version),
            text(&sender.user),
            name.into(),
            Value::Blob(contents),
        ];
        let sql = "INSERT INTO error_log (at, uid, callsign, platform, major_version, minor_version, user, file_name, contents) \
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        change.exec(sql, &values)?;
    }
    change.commit()
}

/// All logs, or those with these numbers, by number.
///
/// # Errors
/// The database's.
pub fn list(db: &Database, ids: Option<&[i64]>) -> Result<Vec<Log>, StoreError> {
    let rows = match ids {
        None => db.query("SELECT id, at, file_name FROM error_log ORDER BY id", &[])?,
        Some(ids) => {
            let sql =
                "SELECT id, at, file_name FROM error_log WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id";
            db.query(sql, &[numbers(ids)])?
        }
    };
    let log = |row: Row<'_>| Log { id: row.int("id"), at: row.int("at"), file_name: row.text("file_name").to_owned() };
    Ok(rows.iter().map(log).collect())
}

/// The contents of one.
///
/// # Errors
/// The database's.
pub fn contents(db: &Database, id: i64) -> Result<Option<Vec<u8>>, StoreError> {
    let mut rows = db.query("SELECT contents FROM error_log WHERE id = ?", &[id.into()])?;
    let value = rows.rows.pop().and_then(|mut row| row.pop());
    Ok(match value {
        Some(Value::Blob(bytes)) => Some(bytes),
        _ => None,
    })
}

/// Removes all, or those with these numbers; how many.
///
/// # Errors
/// The database's.
pub fn remove(db: &Database, ids: Option<&[i64]>) -> Result<usize, StoreError> {
    match ids {
        None => db.exec("DELETE FROM error_log", &[]),
        Some(ids) => db.exec("DELETE FROM error_log WHERE id IN (SELECT value FROM json_each(?))", &[numbers(ids)]),
    }
}

/// Bytes of all contents together.
///
/// # Errors
/// The database's.
pub fn bytes(db: &Database) -> Result<u64, StoreError> {
    let rows = db.query("SELECT coalesce(sum(length(contents)), 0) AS n FROM error_log", &[])?;
    Ok(rows.first().map_or(0, |r| r.int("n").max(0) as u64))
}

fn numbers(ids: &[i64]) -> Value {
    Value::Text(serde_json::Value::from(ids).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_kept_listed_and_removed() {
        let db = crate::store::core::temporary().unwrap();
        let sender = Sender { uid: "U1".into(), ..Sender::default() };
        add(&db, &sender, 5, vec![("a.txt".into(), b"one".to_vec()), ("b.txt".into(), vec![0, 255])]).unwrap();
        add(&db, &sender, 9, vec![("c.txt".into(), Vec::new())]).unwrap();
        let names = |ids| list(&db, ids).unwrap().into_iter().map(|l| (l.id, l.file_name)).collect::<Vec<_>>();
        assert_eq!(names(None).len(), 3);
        assert_eq!(names(Some(&[2, 7])), [(2, "b.txt".to_owned())]);
        assert_eq!((contents(&db, 2).unwrap(), contents(&db, 9).unwrap()), (Some(vec![0, 255]), None));
        assert_eq!(bytes(&db).unwrap(), 5);
        assert_eq!((remove(&db, Some(&[1])).unwrap(), remove(&db, None).unwrap()), (1, 2));
        assert_eq!(bytes(&db).unwrap(), 0);
    }
}
