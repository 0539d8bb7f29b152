//! Properties: values by uid and key (marti-http.md 10), and sequences: numbers nobody gets twice.
use crate::store::{
    database::{Database, Value},
    error::StoreError,
};

/// Keys one uid may have, and uids there may be: whoever is let in may write.
pub const KEYS: i64 = 1_000;
/// See [`KEYS`].
pub const UIDS: i64 = 100_000;

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// Uids that have properties, sorted.
///
/// # Errors
/// The database's.
pub fn uids(db: &Database) -> Result<Vec<String>, StoreError> {
    let rows = db.query("SELECT DISTINCT uid FROM property ORDER BY uid", &[])?;
    Ok(rows.iter().map(|r| r.text("uid").to_owned()).collect())
}

/// Keys and values of a uid, by key.
///
/// # Errors
/// The database's.
pub fn all(db: &Database, uid: &str) -> Result<Vec<(String, String)>, StoreError> {
    let rows = db.query("SELECT key, value FROM property WHERE uid = ? ORDER BY key", &[text(uid)])?;
    Ok(rows.iter().map(|r| (r.text("key").to_owned(), r.text("value").to_owned())).collect())
}

/// One value.
///
/// # Errors
/// The database's.
pub fn get(db: &Database, uid: &str, key: &str) -> Result<Option<String>, StoreError> {
    let rows = db.query("SELECT value FROM property WHERE uid = ? AND key = ?", &[text(uid), text(key)])?;
    Ok(rows.first().map(|r| r.text("value").to_owned()))
}

/// Sets values in one step. False: there would be too many, nothing was set.
///
/// # Errors
/// The database's.
pub fn set(db: &Database, uid: &str, values: &[(String, String)]) -> Result<bool, StoreError> {
    let change = db.begin()?;
    for (key, value) in values {
        let sql = "INSERT INTO property VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value";
        change.exec(sql, &[text(uid), text(key), text(value)])?;
    }
    let sql = "SELECT (SELECT count(*) FROM property WHERE uid = ?1) AS keys, \
               (SELECT count(DISTINCT uid) FROM property) AS uids";
    let counts = change.query(sql, &[text(uid)])?;
    if counts.first().is_some_and(|r| r.int("keys") > KEYS || r.int("uids") > UIDS) {
        return Ok(false);
    }
    change.commit()?;
    Ok(true)
}

/// Removes one value, or all of a uid; how many.
///
/// # Errors
/// The database's.
pub fn remove(db: &Database, uid: &str, key: Option<&str>) -> Result<usize, StoreError> {
    match key {
        Some(key) => db.exec("DELETE FROM property WHERE uid = ? AND key = ?", &[text(uid), text(key)]),
        None => db.exec("DELETE FROM property WHERE uid = ?", &[text(uid)]),
    }
}

/// The next number of a sequence, from 1 on. None: there are too many sequences.
///
/// # Errors
/// The database's.
pub fn next(db: &Database, key: &str) -> Result<Option<i64>, StoreError> {
    let change = db.begin()?;
    let sql = "INSERT INTO sequence VALUES (?, 1) ON CONFLICT DO UPDATE SET value = value + 1 RETURNING value";
    let value = change.query(sql, &[text(key)])?.first().map(|r| r.int("value"));
    let count = change.query("SELECT count(*) AS n FROM sequence", &[])?;
    if count.first().is_some_and(|r| r.int("n") > UIDS) {
        return Ok(None);
    }
    change.commit()?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn values_are_set_replaced_and_removed() {
        let db = crate::store::core::temporary().unwrap();
        assert!(set(&db, "u2", &[pair("a", "1"), pair("b", "2")]).unwrap());
        assert!(set(&db, "u1", &[pair("a", "3")]).unwrap());
        assert!(set(&db, "u2", &[pair("a", "4")]).unwrap());
        assert_eq!(uids(&db).unwrap(), ["u1", "u2"]);
        assert_eq!(all(&db, "u2").unwrap(), [pair("a", "4"), pair("b", "2")]);
        assert_eq!((get(&db, "u2", "b").unwrap(), get(&db, "u2", "c").unwrap()), (Some("2".into()), None));
        assert_eq!((remove(&db, "u2", Some("b")).unwrap(), remove(&db, "u2", None).unwrap()), (1, 1));
        assert_eq!(uids(&db).unwrap(), ["u1"]);
    }

    #[test]
    fn too_many_are_not_set() {
        let db = crate::store::core::temporary().unwrap();
        let many: Vec<_> = (0..=KEYS).map(|n| pair(&n.to_string(), "v")).collect();
        assert!(!set(&db, "u", &many).unwrap());
        assert!(uids(&db).unwrap().is_empty());
        assert!(set(&db, "u", &many[1..]).unwrap());
    }

    #[test]
    fn sequences_count() {
        let db = crate::store::core::temporary().unwrap();
        let next = |key| next(&db, key).unwrap().unwrap();
        assert_eq!([next("a"), next("a"), next("b"), next("a")], [1, 2, 1, 3]);
    }
}
