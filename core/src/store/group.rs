//! Statements that share one commit: each succeeds or fails as if it had been alone.
//!
//! Order: BEGIN, for each a savepoint, the statement, release or roll back to it; COMMIT. Some failures take the whole
//! transaction with them (disk full, an interrupt, OR ROLLBACK), and a deferred foreign key fails the commit itself:
//! then the statements without an error of their own run again one by one. A statement that failed is never run twice,
//! and one whose commit failed for another reason is answered with that error.
use std::time::{Duration, Instant};

use super::{
    connection::Link,
    error::{StoreError, shown},
    rows::Value,
};

/// Longer than this deserves a line in the log (plugins.md 1.3).
pub(super) const SLOW: Duration = Duration::from_millis(250);

/// A statement that waits, with its own copy of everything.
#[derive(Debug)]
pub(super) struct Statement {
    sql: String,
    params: Vec<Value>,
}

impl Statement {
    pub fn new(sql: &str, params: &[Value]) -> Self {
        Self { sql: sql.into(), params: params.into() }
    }

    /// Whether it may run inside a transaction with others.
    pub fn joins(&self) -> bool {
        let word = self.sql.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        // An empty word may be a comment with anything behind it.
        !word.is_empty() && !["VACUUM", "PRAGMA", "ATTACH", "DETACH"].iter().any(|w| word.eq_ignore_ascii_case(w))
    }
}

/// One statement with its own commit.
pub(super) fn alone(link: &Link, sql: &str, params: &[Value]) -> Result<usize, StoreError> {
    let began = Instant::now();
    let result = limited(link, sql, params);
    if began.elapsed() > SLOW {
        let ms = began.elapsed().as_millis() as u64;
        tracing::warn!(event = "sql.slow", db = %link.facts.path.display(), ms, sql = shown(sql), "a statement was slow");
    }
    result
}

fn limited(link: &Link, sql: &str, params: &[Value]) -> Result<usize, StoreError> {
    link.deadline(Some(Instant::now() + link.facts.options.limit));
    let result = link.exec(sql, params);
    link.deadline(None);
    result
}

/// The results of all, in order.
pub(super) fn commit(link: &Link, statements: &[&Statement]) -> Vec<Result<usize, StoreError>> {
    if let [one] = statements {
        return vec![alone(link, &one.sql, &one.params)];
    }
    let began = Instant::now();
    let mut results = Vec::with_capacity(statements.len());
    let whole = together(link, statements, &mut results);
    let again = match whole {
        Ok(()) => false,
        // One of them broke a rule that is checked at the end, or ended the transaction for all.
        Err(StoreError::Constraint(_) | StoreError::RolledBack { .. }) => true,
        Err(error) => {
            results.resize_with(statements.len(), || Err(error.clone()));
            results.iter_mut().filter(|r| r.is_ok()).for_each(|r| *r = Err(error.clone()));
            false
        }
    };
    link.roll_back();
    if again {
        let done = results.len();
        for (n, statement) in statements.iter().enumerate() {
            if n >= done {
                results.push(alone(link, &statement.sql, &statement.params));
            } else if results[n].is_ok() {
                results[n] = alone(link, &statement.sql, &statement.params);
            }
        }
    } else if began.elapsed() > SLOW {
        let ms = began.elapsed().as_millis() as u64;
        tracing::warn!(event = "sql.slow", db = %link.facts.path.display(), ms, statements = statements.len(), "a commit was slow");
    }
    results
}

/// All in one transaction. `results` is as long as what was run; an error is about the whole.
fn together(
    link: &Link,
    statements: &[&Statement],
    results: &mut Vec<Result<usize, StoreError>>,
) -> Result<(), StoreError> {
    link.own("BEGIN IMMEDIATE")?;
    for statement in statements {
        link.own("SAVEPOINT one")?;
        let result = limited(link, &statement.sql, &statement.params);
        let failed = result.is_err();
        results.push(result);
        if failed {
            if link.sqlite.is_autocommit() {
                return Err(StoreError::RolledBack { db: link.facts.path.clone(), cause: "one of a group".into() });
            }
            link.own("ROLLBACK TO one")?;
        }
        link.own("RELEASE one")?;
    }
    link.own("COMMIT")
}
