//! `fts mission import FOLDER`: all missions of a FreeTAKServer, read by the running server; what became of them as a table.
//! Exit code 1 when a row could not be taken.
use std::{
    fs::{self, File},
    io::Read,
    path::Path,
    process::ExitCode,
};

use serde_json::{Value, json};

use crate::cli::{
    Global,
    output::{self, text},
    remote,
};

/// How a database of SQLite begins.
const DATABASE: &[u8] = b"SQLite format 3\0";
/// Failures that are shown; the rest is in `--json`.
const SHOWN: usize = 50;

/// Is it an installation, and no archive?
pub fn is(path: &Path) -> bool {
    let mut begin = Vec::new();
    let read = File::open(path).and_then(|file| file.take(DATABASE.len() as u64).read_to_end(&mut begin));
    path.is_dir() || (read.is_ok() && begin == DATABASE)
}

/// Imports it.
pub fn import(global: &Global, path: &Path, groups: &[String]) -> ExitCode {
    let path = match fs::canonicalize(path) {
        Ok(path) => path,
        Err(error) => {
            eprintln!("fts: {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    };
    let answer = remote::ask(global, "POST", "/admin/import", Some(json!({"path": path, "groups": groups})));
    let failed = answer.as_ref().is_ok_and(|report| report["failed"].as_array().is_some_and(|f| !f.is_empty()));
    let code = remote::show(global, answer, told);
    if failed { ExitCode::FAILURE } else { code }
}

fn told(report: &Value) -> String {
    let mut table = vec![["table", "read", "imported", "skipped", "failed"].map(str::to_owned).to_vec()];
    for (name, counts) in report["tables"].as_object().into_iter().flatten() {
        let n = |key: &str| text(&counts[key]);
        table.push(vec![name.clone(), n("read"), n("imported"), n("skipped"), n("failed")]);
    }
    if table.len() == 1 {
        return format!("no missions in {}\n", text(&report["source"]));
    }
    let mut out = format!("{}:\n{}", text(&report["source"]), output::table(&table));
    let all = |key: &str| report[key].as_array().map(Vec::as_slice).unwrap_or_default();
    for failed in all("failed").iter().take(SHOWN) {
        out += &format!("failed: {} {}: {}\n", text(&failed["table"]), text(&failed["key"]), text(&failed["why"]));
    }
    match all("failed").len().saturating_sub(SHOWN) {
        0 => {}
        more => out += &format!("failed: {more} more (--json shows all)\n"),
    }
    for note in all("notes") {
        out += &format!("note: {}\n", text(note));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_databases_are_installations() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = dir.path().join(name);
            fs::write(&path, content).unwrap();
            path
        };
        assert!(is(dir.path()) && is(&file("a", b"SQLite format 3\0more")));
        assert!(!is(&file("b", b"PK\x03\x04")) && !is(&file("c", b"SQLite")) && !is(&dir.path().join("none")));
    }

    #[test]
    fn a_report_names_what_failed() {
        let counts = json!({"read": 2, "imported": 1, "skipped": 0, "failed": 1});
        let failed: Vec<_> = (0..51).map(|n| json!({"table": "log", "key": n.to_string(), "why": "no"})).collect();
        let report = told(&json!({"source": "x.db", "tables": {"log": counts}, "failed": failed, "notes": ["n"]}));
        assert!(report.starts_with("x.db:\ntable") && report.contains("\nlog"), "{report}");
        assert!(report.contains("failed: log 0: no\n") && report.contains("failed: 1 more"), "{report}");
        assert!(report.ends_with("note: n\n"), "{report}");
        assert_eq!(told(&json!({"source": "x.db", "tables": {}})), "no missions in x.db\n");
    }
}
