//! The core's tables as lines of JSON (`fts db export`), for people and their tools: one object per row, the table under
//! `table`. What could let somebody in is left out: tables of tokens, and hashes of passwords. Not a backup.
use std::io::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value as Json};

use super::{
    check::{quoted, tables},
    database::Database,
    error::StoreError,
    rows::Value,
};

/// Tables of secrets.
const LEFT_OUT: [&str; 5] = ["api_token", "enrollment_token", "revoked_jti", "runtime_override", "import_stash"];
/// Columns of secrets in any table.
const SECRET: [&str; 5] = ["password_hash", "hash_secret", "token", "secret", "password"];
/// Rows read at once.
const PAGE: usize = 500;

/// Why it ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The database.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Whoever takes the lines.
    #[error("writing the lines: {0}")]
    Io(#[from] std::io::Error),
    /// There is no such table.
    #[error("there is no table {0}; `fts db schema` lists them, and those of secrets are not exported")]
    Unknown(String),
}

/// Writes the rows of these tables, all when none is named. How many.
///
/// # Errors
/// [`ExportError`].
pub fn export(db: &Database, wanted: &[String], out: &mut dyn Write) -> Result<u64, ExportError> {
    let all: Vec<String> = tables(db)?.into_iter().filter(|t| !LEFT_OUT.contains(&t.as_str())).collect();
    if let Some(unknown) = wanted.iter().find(|w| !all.contains(w)) {
        return Err(ExportError::Unknown(unknown.clone()));
    }
    let mut n = 0;
    for table in all.iter().filter(|t| wanted.is_empty() || wanted.contains(t)) {
        let mut cursor = db.cursor(&format!("SELECT * FROM {}", quoted(table)), &[])?;
        let columns = cursor.columns().to_vec();
        loop {
            let rows = cursor.next(PAGE)?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let mut object = Map::new();
                object.insert("table".into(), Json::from(table.as_str()));
                let shown = columns.iter().zip(row).filter(|(c, _)| !SECRET.contains(&c.as_str()));
                object.extend(shown.map(|(column, value)| (column.clone(), json(value))));
                serde_json::to_writer(&mut *out, &object).map_err(std::io::Error::from)?;
                out.write_all(b"\n")?;
                n += 1;
            }
        }
    }
    Ok(n)
}

fn json(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(n) => n.into(),
        Value::Real(n) => n.into(),
        Value::Text(text) => text.into(),
        Value::Blob(bytes) => STANDARD.encode(bytes).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_as_lines_and_secrets_do_not() {
        let db = super::super::core::temporary().unwrap();
        db.exec("INSERT INTO kv VALUES('k', 'v')", &[]).unwrap();
        let mut out = Vec::new();
        let rows = export(&db, &["kv".into()], &mut out).unwrap();
        assert_eq!(
            (rows, String::from_utf8(out).unwrap().as_str()),
            (1, "{\"key\":\"k\",\"table\":\"kv\",\"value\":\"v\"}\n")
        );
        assert!(matches!(export(&db, &["api_token".into()], &mut Vec::new()), Err(ExportError::Unknown(_))));
        let sql = db.query("SELECT group_concat(sql, ' ') AS all_sql FROM sqlite_schema WHERE name NOT IN (SELECT value FROM json_each(?1))", &[Value::Text(Json::from(LEFT_OUT.to_vec()).to_string())]).unwrap();
        let text = sql.first().unwrap().text("all_sql").to_lowercase();
        for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            let suspicious = word.contains("password") || word.contains("secret") || word == "token";
            assert!(!suspicious || SECRET.contains(&word), "{word} looks like a secret and is exported");
        }
    }
}
