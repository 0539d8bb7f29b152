//! Reads of a plugin on one snapshot of its database (`Sql::read`).
//!
//! A read belongs to the thread that began it, like a transaction; a plugin that calls another while it reads keeps its own.
//! Begun again inside, it is the same snapshot, which ends with the last end, or with the handler that forgot it. What
//! must not happen: writing on a thread whose read is open — it would wait behind its own snapshot, or not see what it wrote.
use std::{cell::RefCell, sync::Arc};

use fts_plugin_api::abi::Failure;

use super::{
    super::{Generation, Plugins, guard},
    invalid, sql,
};
use crate::store::database::{Rows, Snapshot, Value};

struct Open {
    owner: Arc<str>,
    snapshot: Snapshot,
    begun: u32,
}

thread_local! {
    static OPEN: RefCell<Vec<Open>> = const { RefCell::new(Vec::new()) };
}

fn with<T>(generation: &Generation, f: impl FnOnce(Option<&mut Open>) -> T) -> T {
    OPEN.with_borrow_mut(|all| f(all.iter_mut().find(|open| *open.owner == **generation.name())))
}

/// From now on queries of this thread see one snapshot.
///
/// # Errors
/// `Busy` when all readers are in use; the database's.
pub fn begin(plugins: &Plugins, generation: &Generation) -> Result<(), Failure> {
    if with(generation, |open| open.map(|open| open.begun += 1)).is_some() {
        return Ok(());
    }
    let snapshot = sql::database(plugins, generation)?.snapshot().map_err(|e| sql::failed(&e))?;
    OPEN.with_borrow_mut(|all| {
        all.push(Open { owner: generation.name().clone(), snapshot, begun: 1 });
        guard::set_reads(count(all));
    });
    Ok(())
}

/// The end of one begin.
///
/// # Errors
/// `Invalid` when none is open on this thread.
pub fn end(generation: &Generation) -> Result<(), Failure> {
    let Some(left) = with(generation, |open| {
        open.map(|open| {
            open.begun -= 1;
            open.begun
        })
    }) else {
        return invalid("no read is open on this thread");
    };
    if left == 0 {
        OPEN.with_borrow_mut(|all| {
            all.retain(|open| *open.owner != **generation.name());
            guard::set_reads(count(all));
        });
    }
    Ok(())
}

fn count(all: &[Open]) -> u8 {
    u8::try_from(all.len()).unwrap_or(u8::MAX)
}

/// The rows, when a read is open here.
pub fn query(generation: &Generation, text: &str, params: &[Value]) -> Option<Result<Rows, Failure>> {
    with(generation, |open| open.map(|open| open.snapshot.query(text, params).map_err(|e| sql::failed(&e))))
}

/// Nothing is written while a read is open on this thread.
///
/// # Errors
/// `Invalid`.
pub fn only(generation: &Generation) -> Result<(), Failure> {
    if with(generation, |open| open.is_some()) {
        return invalid("a read is open on this thread: it only reads; write behind it");
    }
    Ok(())
}

/// A handler came back with a read open: it ends.
pub fn left() {
    if let Some(open) = OPEN.with_borrow_mut(Vec::pop) {
        tracing::warn!(event = "plugin.open_transaction", plugin = %open.owner, "a handler came back with a read of its database open: ended");
    }
}
