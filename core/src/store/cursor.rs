//! [`Cursor`]: the rows of a query pulled in batches, all from one snapshot.
//!
//! A statement borrows its connection, so both live on a thread of their own, which ends with the last row, with the
//! cursor, with the database, or when nothing was asked for too long: an open snapshot stops the write-ahead log from
//! shrinking. The thread reads only what was asked for, so memory is one batch. Order: snapshot, statement, columns,
//! then one answer per question.
use std::{
    sync::{
        Arc,
        atomic::Ordering::Relaxed,
        mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel},
    },
    thread::{self, JoinHandle},
};

use rusqlite::params_from_iter;

use super::{
    connection::{Facts, Link},
    error::StoreError,
    readers::Readers,
    rows::{self, Value},
};

/// Bytes of one batch at most, unless one row alone is larger.
const BATCH: usize = 1 << 20;

/// A question to the cursor's thread.
#[derive(Debug)]
pub(super) enum Ask {
    Rows(usize),
    Stop,
}

type Batch = (Vec<Vec<Value>>, bool);

/// Rows of one query, batch by batch; see the module.
#[derive(Debug)]
pub struct Cursor {
    facts: Arc<Facts>,
    columns: Vec<String>,
    ask: Sender<Ask>,
    answers: Receiver<Result<Batch, StoreError>>,
    thread: Option<JoinHandle<()>>,
    done: bool,
}

impl Cursor {
    pub(super) fn open(readers: &Arc<Readers>, sql: &str, params: &[Value]) -> Result<Self, StoreError> {
        let facts = readers.facts.clone();
        let (ask, asked) = channel();
        let (answer, answers) = sync_channel(1);
        let (ready, columns) = sync_channel(1);
        let place = readers.cursor(ask.clone())?;
        let (sql, params) = (sql.to_owned(), params.to_vec());
        let serve = move || {
            let link = match place.link() {
                Ok(link) => link,
                Err(error) => return drop(ready.send(Err(error))),
            };
            if let Err(error) = serve(&link, &sql, &params, &ready, &asked, &answer) {
                // Whichever still listens.
                drop(ready.try_send(Err(error.clone())));
                drop(answer.try_send(Err(error)));
            }
            place.give_back(link);
        };
        let thread = thread::Builder::new()
            .name("sql-cursor".into())
            .spawn(serve)
            .map_err(|e| StoreError::io(&facts.path, "no thread for a cursor", &e))?;
        let columns = columns.recv().unwrap_or_else(|_| Err(facts.closed()));
        let mut cursor = Self { facts, columns: Vec::new(), ask, answers, thread: Some(thread), done: false };
        cursor.columns = columns?;
        Ok(cursor)
    }

    /// Names of the columns.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The next rows: at most `most` (at least one) and about 1 MiB. Empty = no more.
    ///
    /// # Errors
    /// [`StoreError::TooLong`] when nothing was asked for [`super::database::Options::cursor_idle`];
    /// [`StoreError::Closed`]; SQLite's. After an error there is nothing more.
    pub fn next(&mut self, most: usize) -> Result<Vec<Vec<Value>>, StoreError> {
        if self.done {
            return Ok(Vec::new());
        }
        // When the thread is gone, either it left a last answer or there is none.
        drop(self.ask.send(Ask::Rows(most.max(1))));
        match self.answers.recv() {
            Ok(Ok((rows, done))) => {
                self.done = done;
                Ok(rows)
            }
            Ok(Err(error)) => Err(error),
            Err(_) if self.facts.closed.load(Relaxed) => Err(self.facts.closed()),
            Err(_) => Err(self.facts.too_long("the cursor's snapshot", self.facts.options.cursor_idle)),
        }
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        // Gone already is fine. Afterwards the connection is back in the pool.
        drop(self.ask.send(Ask::Stop));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn serve(
    link: &Link,
    sql: &str,
    params: &[Value],
    ready: &SyncSender<Result<Vec<String>, StoreError>>,
    asked: &Receiver<Ask>,
    answer: &SyncSender<Result<Batch, StoreError>>,
) -> Result<(), StoreError> {
    let fail = |e| link.explain(sql, &e);
    link.own("BEGIN; SELECT count(*) FROM sqlite_schema")?;
    let mut statement = link.sqlite.prepare_cached(sql).map_err(fail)?;
    if !statement.readonly() {
        return Err(link.facts.refused("a cursor only reads", sql));
    }
    let columns: Vec<String> = statement.column_names().map(Into::into).collect();
    let width = columns.len();
    let mut rows = statement.query(params_from_iter(params)).map_err(fail)?;
    drop(ready.send(Ok(columns)));
    loop {
        let most = match asked.recv_timeout(link.facts.options.cursor_idle) {
            Ok(Ask::Rows(most)) => most,
            Ok(Ask::Stop) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(()),
        };
        let (mut batch, mut bytes, mut done) = (Vec::new(), 0, false);
        while batch.len() < most && bytes < BATCH {
            let Some(row) = rows.next().map_err(fail)? else {
                done = true;
                break;
            };
            let (values, size) = rows::read(row, width).map_err(fail)?;
            bytes += size;
            batch.push(values);
        }
        if answer.send(Ok((batch, done))).is_err() || done {
            return Ok(());
        }
    }
}
