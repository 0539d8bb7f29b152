//! Injectors (marti-http.md 10): elements the server adds to the details of every event of a uid. The rows are in the
//! database, what the router needs is in memory (`route::inject`): it is read at start and after each change.
use std::collections::HashMap;

use crate::store::{
    database::{Database, Value},
    error::StoreError,
};

/// Injectors there may be altogether.
pub const MOST: i64 = 10_000;

/// One injector: uid of the events, element without its angle brackets (`tag a="1"`).
pub type Injector = (String, String);

/// All, or those of one uid, sorted.
///
/// # Errors
/// The database's.
pub fn list(db: &Database, uid: Option<&str>) -> Result<Vec<Injector>, StoreError> {
    let rows = match uid {
        None => db.query("SELECT uid, element FROM injector ORDER BY uid, element", &[])?,
        Some(uid) => {
            let sql = "SELECT uid, element FROM injector WHERE uid = ? ORDER BY element";
            db.query(sql, &[uid.to_owned().into()])?
        }
    };
    Ok(rows.iter().map(|r| (r.text("uid").to_owned(), r.text("element").to_owned())).collect())
}

/// All, as the router has them.
///
/// # Errors
/// The database's.
pub fn by_uid(db: &Database) -> Result<HashMap<String, Vec<String>>, StoreError> {
    let mut map: HashMap<String, Vec<String>> = HashMap::new();
    for (uid, element) in list(db, None)? {
        map.entry(uid).or_default().push(element);
    }
    Ok(map)
}

/// Adds one; one that is there already stays. False: there are too many.
///
/// # Errors
/// The database's.
pub fn add(db: &Database, (uid, element): &Injector) -> Result<bool, StoreError> {
    let change = db.begin()?;
    let values = [Value::Text(uid.clone()), Value::Text(element.clone())];
    change.exec("INSERT OR IGNORE INTO injector VALUES (?, ?)", &values)?;
    let count = change.query("SELECT count(*) AS n FROM injector", &[])?;
    if count.first().is_some_and(|r| r.int("n") > MOST) {
        return Ok(false);
    }
    change.commit()?;
    Ok(true)
}

/// Removes one; was it there?
///
/// # Errors
/// The database's.
pub fn remove(db: &Database, (uid, element): &Injector) -> Result<bool, StoreError> {
    let values = [Value::Text(uid.clone()), Value::Text(element.clone())];
    db.exec("DELETE FROM injector WHERE uid = ? AND element = ?", &values).map(|n| n > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn injectors_are_added_once_and_removed() {
        let db = crate::store::core::temporary().unwrap();
        let one = |uid: &str, element: &str| (uid.to_owned(), element.to_owned());
        for injector in [one("u1", "b"), one("u1", "a"), one("u1", "a"), one("u2", "c")] {
            assert!(add(&db, &injector).unwrap());
        }
        assert_eq!(list(&db, None).unwrap(), [one("u1", "a"), one("u1", "b"), one("u2", "c")]);
        assert_eq!(list(&db, Some("u2")).unwrap(), [one("u2", "c")]);
        assert_eq!(by_uid(&db).unwrap()["u1"], ["a", "b"]);
        assert!(remove(&db, &one("u2", "c")).unwrap() && !remove(&db, &one("u2", "c")).unwrap());
    }
}
