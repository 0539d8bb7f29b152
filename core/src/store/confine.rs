//! What a statement may not do, decided while SQLite prepares it.
//!
//! Two sets: nobody opens or ends a transaction by SQL (the writer's lease would be lost), and in a confined database (a
//! plugin's) nothing reaches another file, changes how the connection works, or edits the record of migrations. The
//! list names what is refused; what SQLite cannot name to us is refused as well. Never called for our own statements.
use rusqlite::hooks::AuthAction;

/// Table that records migrations; only the host writes it.
pub(super) const RECORD: &str = "schema_migration";

/// Pragmas a plugin may use: about tables, with an argument, ...
const WITH_ARGUMENT: &[&str] = &["table_info", "index_list", "foreign_key_check"];
/// ... and only read. Full text search asks for the last two itself.
const READ_ONLY: &[&str] = &["user_version", "data_version", "page_size"];

/// Why the action is refused, or None.
pub(super) fn refusal(action: AuthAction<'_>, confined: bool) -> Option<String> {
    use AuthAction as A;
    if let A::Transaction { .. } | A::Savepoint { .. } = action {
        return Some("BEGIN, COMMIT, ROLLBACK and SAVEPOINT are the server's; use a transaction object (and the vacuum of the database for VACUUM)".into());
    }
    if !confined {
        return None;
    }
    match action {
        A::Attach { .. } => Some("other files cannot be attached (VACUUM needs that, too)".into()),
        A::Detach { .. } => Some("DETACH".into()),
        A::Pragma { pragma_name, pragma_value } => {
            let name = pragma_name.to_ascii_lowercase();
            let allowed = WITH_ARGUMENT.contains(&&*name) || pragma_value.is_none() && READ_ONLY.contains(&&*name);
            (!allowed).then(|| {
                format!("PRAGMA {name}; allowed are table_info, index_list, foreign_key_check and reading user_version")
            })
        }
        A::Function { function_name } if function_name.eq_ignore_ascii_case("load_extension") => {
            Some("load_extension".into())
        }
        A::Insert { table_name }
        | A::Delete { table_name }
        | A::Update { table_name, .. }
        | A::CreateTable { table_name }
        | A::DropTable { table_name }
        | A::AlterTable { table_name, .. }
        | A::CreateTrigger { table_name, .. }
        | A::CreateTempTrigger { table_name, .. }
            if table_name.eq_ignore_ascii_case(RECORD) =>
        {
            Some(format!("{RECORD} is the server's record of migrations"))
        }
        A::Unknown { code, .. } => Some(format!("an action unknown here (code {code})")),
        _ => None,
    }
}

#[cfg(test)]
#[path = "confine_tests.rs"]
mod tests;
