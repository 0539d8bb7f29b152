//! Icon sets (marti-http.md 10): pictures by set, folder and name, and which of them stands for a type of event.
use crate::store::{
    database::{Database, Value},
    error::StoreError,
    rows::Row,
};

/// A set without its pictures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Iconset {
    pub uid: String,
    pub name: String,
    pub version: String,
    pub default_friendly: Option<String>,
    pub default_hostile: Option<String>,
    pub default_neutral: Option<String>,
    pub default_unknown: Option<String>,
    /// Name of the user who stored it; `anonymous` on the plain listener.
    pub owner: String,
    /// ms UTC.
    pub updated_at: i64,
}

/// One picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Icon {
    /// "" = it stands in none.
    pub folder: String,
    pub name: String,
    /// Type of the events it stands for; "" = none.
    pub type_2525b: String,
    pub png: Vec<u8>,
}

/// Where a picture is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Place {
    pub iconset: String,
    pub folder: String,
    pub name: String,
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// Stores a set in place of the one with its uid. False: that one belongs to somebody else, nothing was changed.
///
/// # Errors
/// The database's.
pub fn put(db: &Database, set: &Iconset, icons: Vec<Icon>, any_owner: bool) -> Result<bool, StoreError> {
    let change = db.begin()?;
    let old = change.query("SELECT owner FROM iconset WHERE uid = ?", &[text(&set.uid)])?;
    if old.first().is_some_and(|r| r.text("owner") != set.owner && !any_owner) {
        return Ok(false);
    }
    change.exec("DELETE FROM iconset WHERE uid = ?", &[text(&set.uid)])?;
    let optional = |t: &Option<String>| t.clone().map_or(Value::Null, Value::Text);
    let values = [
        text(&set.uid),
        text(&set.name),
        text(&set.version),
        optional(&set.default_friendly),
        optional(&set.default_hostile),
        optional(&set.default_neutral),
        optional(&set.default_unknown),
        text(&set.owner),
        set.updated_at.into(),
    ];
    change.exec("INSERT INTO iconset VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", &values)?;
    for icon in icons {
        let values = [text(&set.uid), icon.folder.into(), icon.name.into(), icon.type_2525b.into(), icon.png.into()];
        change.exec("INSERT OR REPLACE INTO icon VALUES (?, ?, ?, ?, ?)", &values)?;
    }
    change.commit()?;
    Ok(true)
}

/// Uids of all sets, sorted.
///
/// # Errors
/// The database's.
pub fn uids(db: &Database) -> Result<Vec<String>, StoreError> {
    let rows = db.query("SELECT uid FROM iconset ORDER BY uid", &[])?;
    Ok(rows.iter().map(|r| r.text("uid").to_owned()).collect())
}

/// One set.
///
/// # Errors
/// The database's.
pub fn get(db: &Database, uid: &str) -> Result<Option<Iconset>, StoreError> {
    let rows = db.query("SELECT * FROM iconset WHERE uid = ?", &[text(uid)])?;
    let of = |row: Row<'_>| {
        let optional = |column| row.opt_text(column).map(str::to_owned);
        Iconset {
            uid: row.text("uid").to_owned(),
            name: row.text("name").to_owned(),
            version: row.text("version").to_owned(),
            default_friendly: optional("default_friendly"),
            default_hostile: optional("default_hostile"),
            default_neutral: optional("default_neutral"),
            default_unknown: optional("default_unknown"),
            owner: row.text("owner").to_owned(),
            updated_at: row.int("updated_at"),
        }
    };
    Ok(rows.first().map(of))
}

/// Pictures of a set, by folder and name.
///
/// # Errors
/// The database's.
pub fn icons(db: &Database, uid: &str) -> Result<Vec<Place>, StoreError> {
    let rows =
        db.query("SELECT iconset, folder, name FROM icon WHERE iconset = ? ORDER BY folder, name", &[text(uid)])?;
    Ok(rows.iter().map(Place::of).collect())
}

/// The picture of a set that stands for a type of event, or has this name in any folder; the one in the first folder.
///
/// # Errors
/// The database's.
pub fn find(db: &Database, uid: &str, kind: Option<&str>, name: Option<&str>) -> Result<Option<Place>, StoreError> {
    let (column, wanted) = match (kind, name) {
        (Some(kind), _) => {
            ("SELECT iconset, folder, name FROM icon WHERE iconset = ? AND type_2525b = ? ORDER BY folder, name", kind)
        }
        (None, Some(name)) => {
            ("SELECT iconset, folder, name FROM icon WHERE iconset = ? AND name = ? ORDER BY folder", name)
        }
        (None, None) => return Ok(None),
    };
    let rows = db.query(column, &[text(uid), text(wanted)])?;
    Ok(rows.first().map(Place::of))
}

/// A picture of any set that stands for this type of event.
///
/// # Errors
/// The database's.
pub fn for_type(db: &Database, kind: &str) -> Result<Option<Place>, StoreError> {
    let sql = "SELECT iconset, folder, name FROM icon WHERE type_2525b = ? ORDER BY iconset, folder, name LIMIT 1";
    Ok(db.query(sql, &[text(kind)])?.first().map(Place::of))
}

/// The bytes of a picture.
///
/// # Errors
/// The database's.
pub fn png(db: &Database, place: &Place) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT png FROM icon WHERE iconset = ? AND folder = ? AND name = ?";
    let mut rows = db.query(sql, &[text(&place.iconset), text(&place.folder), text(&place.name)])?;
    let value = rows.rows.pop().and_then(|mut row| row.pop());
    Ok(match value {
        Some(Value::Blob(bytes)) => Some(bytes),
        _ => None,
    })
}

/// Removes a set; was it there?
///
/// # Errors
/// The database's.
pub fn remove(db: &Database, uid: &str) -> Result<bool, StoreError> {
    db.exec("DELETE FROM iconset WHERE uid = ?", &[text(uid)]).map(|n| n > 0)
}

impl Place {
    fn of(row: Row<'_>) -> Self {
        let text = |column| row.text(column).to_owned();
        Self { iconset: text("iconset"), folder: text("folder"), name: text("name") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn icon(folder: &str, name: &str, kind: &str) -> Icon {
        Icon { folder: folder.into(), name: name.into(), type_2525b: kind.into(), png: name.as_bytes().to_vec() }
    }

    fn place(folder: &str, name: &str) -> Option<Place> {
        Some(Place { iconset: "s1".into(), folder: folder.into(), name: name.into() })
    }

    #[test]
    fn a_set_is_stored_looked_through_and_replaced_by_its_owner() {
        let db = crate::store::core::temporary().unwrap();
        let set = Iconset {
            uid: "s1".into(),
            owner: "alpha".into(),
            default_friendly: Some("a.png".into()),
            ..Iconset::default()
        };
        assert!(
            put(&db, &set, vec![icon("g", "a.png", "a-f-G"), icon("f", "a.png", ""), icon("", "b.png", "a-h")], false)
                .unwrap()
        );
        assert_eq!((uids(&db).unwrap(), get(&db, "s1").unwrap()), (vec!["s1".to_owned()], Some(set.clone())));
        assert_eq!(icons(&db, "s1").unwrap().len(), 3);
        assert_eq!(find(&db, "s1", Some("a-f-G"), None).unwrap(), place("g", "a.png"));
        assert_eq!(find(&db, "s1", None, Some("a.png")).unwrap(), place("f", "a.png"));
        assert_eq!(
            (find(&db, "s2", None, Some("a.png")).unwrap(), for_type(&db, "a-h").unwrap()),
            (None, place("", "b.png"))
        );
        assert_eq!(png(&db, &place("g", "a.png").unwrap()).unwrap(), Some(b"a.png".to_vec()));
        assert_eq!(png(&db, &place("g", "c.png").unwrap()).unwrap(), None);
        let other = Iconset { owner: "bravo".into(), ..set };
        assert!(!put(&db, &other, Vec::new(), false).unwrap());
        assert!(put(&db, &other, Vec::new(), true).unwrap());
        assert!(icons(&db, "s1").unwrap().is_empty());
        assert!(remove(&db, "s1").unwrap() && !remove(&db, "s1").unwrap());
    }
}
