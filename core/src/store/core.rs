//! `fts.db`: the core's own database (operations.md 7.2). One file of statements per area; released ones never change,
//! a change of the schema is another file.
use super::{
    database::{Database, Options, Synchronous},
    error::StoreError,
    migrate::{Migrated, Migration},
};
use crate::config::{self, Config};

/// All steps, in order.
pub const MIGRATIONS: &[Migration<'static>] = &[
    Migration { version: 1, name: "accounts", sql: include_str!("schema/1_accounts.sql") },
    Migration { version: 2, name: "certificates", sql: include_str!("schema/2_certificates.sql") },
    Migration { version: 3, name: "history", sql: include_str!("schema/3_history.sql") },
    Migration { version: 4, name: "resources", sql: include_str!("schema/4_resources.sql") },
    Migration { version: 5, name: "devices", sql: include_str!("schema/5_devices.sql") },
    Migration { version: 6, name: "operations", sql: include_str!("schema/6_operations.sql") },
];

/// Opens it and brings its schema up to date.
///
/// # Errors
/// [`StoreError`]; a database of a newer server is [`StoreError::Newer`].
pub fn open(config: &Config) -> Result<(Database, Migrated), StoreError> {
    let synchronous = match config.storage.synchronous {
        config::Synchronous::Full => Synchronous::Full,
        config::Synchronous::Normal => Synchronous::Normal,
    };
    let database =
        Database::open(&config.storage.path, Options { synchronous, incremental: true, ..Options::default() })?;
    let migrated = database.migrate(MIGRATIONS)?;
    Ok((database, migrated))
}

/// For tests: the same schema, gone with the last handle.
///
/// # Errors
/// As [`open`].
pub fn temporary() -> Result<Database, StoreError> {
    let database = Database::memory(Options { incremental: true, ..Options::default() })?;
    database.migrate(MIGRATIONS)?;
    Ok(database)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::history::tests::config;

    #[test]
    fn op13_20_an_older_database_is_migrated_and_kept_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fts.db");
        let config = config(&[&format!("storage.path={:?}", path.display().to_string())]);
        let older = Database::open(&path, Options { incremental: true, ..Options::default() }).unwrap();
        let last = MIGRATIONS.len() - 1;
        older.migrate(&MIGRATIONS[..last]).unwrap();
        older.exec("INSERT INTO group_set(names) VALUES('[\"red\"]')", &[]).unwrap();
        older.close().unwrap();
        let (db, migrated) = open(&config).unwrap();
        let version = MIGRATIONS[last].version;
        assert_eq!(migrated.applied, [version]);
        assert_eq!(migrated.copy.as_deref(), Some(&*dir.path().join(format!("pre-{version}.db"))));
        assert_eq!(db.query("SELECT names FROM group_set", &[]).unwrap().rows.len(), 1, "what was in it");
        let copy = Database::open(&migrated.copy.unwrap(), Options::default()).unwrap();
        assert_eq!(copy.query("SELECT names FROM group_set", &[]).unwrap().rows.len(), 1);
        assert!(copy.query("SELECT * FROM kv", &[]).is_err(), "as it was before");
        db.close().unwrap();
        assert!(open(&config).unwrap().1.applied.is_empty());
    }
}
