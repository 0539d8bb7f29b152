//! The one connection of a database that writes, and the line in front of it.
//!
//! First come, first served. A free connection is used at once by the thread that wants it. Else a statement waits with
//! its copy of the text; whoever gets the connection next commits it together with all statements right behind it
//! ([`super::group`]), up to the next in line who wants the connection for itself. So commits never wait for a timer,
//! and many threads share one flush of the disk. A transaction over its time loses the connection to the line, even when
//! its owner calls nothing any more.
//!
//! Locks: the state, then a ticket's turn or a transaction's link (only tried). SQL runs under neither, but for the
//! rollback of an overdue transaction.
use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::{
    connection::{Facts, Link},
    error::StoreError,
    group,
    rows::Value,
};

/// Statements of one commit at most, so that a transaction behind them waits a bounded time.
const GROUP: usize = 256;
/// How often an overdue transaction is asked for again while a statement of it still runs.
const AGAIN: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Writer {
    pub facts: Arc<Facts>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Present only while nobody uses it and nobody waits.
    free: Option<Link>,
    line: VecDeque<Arc<Ticket>>,
    holder: Option<Holder>,
}

/// The transaction that has the connection.
#[derive(Debug)]
struct Holder {
    thread: ThreadId,
    until: Instant,
    held: Arc<Mutex<Held>>,
}

/// The connection while a transaction has it, and why it no longer does.
#[derive(Debug)]
pub(super) struct Held {
    pub link: Option<Link>,
    pub ended: Option<StoreError>,
}

/// One in line.
#[derive(Debug)]
struct Ticket {
    want: Want,
    turn: Mutex<Turn>,
    woken: Condvar,
}

#[derive(Debug)]
enum Want {
    Connection,
    Statement(group::Statement),
}

#[derive(Debug)]
enum Turn {
    Waiting,
    /// Part of a commit that runs; the result comes.
    Taken,
    Lead(Link),
    Done(Result<usize, StoreError>),
}

/// What waiting came to.
enum Got {
    Link(Link),
    Result(Result<usize, StoreError>),
}

impl Ticket {
    fn new(want: Want) -> Arc<Self> {
        Arc::new(Self { want, turn: Mutex::new(Turn::Waiting), woken: Condvar::new() })
    }

    fn set(&self, turn: Turn) {
        *self.turn.lock() = turn;
        self.woken.notify_one();
    }

    fn joins(&self) -> bool {
        matches!(&self.want, Want::Statement(statement) if statement.joins())
    }
}

impl Writer {
    pub fn new(link: Link) -> Self {
        let facts = link.facts.clone();
        Self { facts, state: Mutex::new(State { free: Some(link), line: VecDeque::new(), holder: None }) }
    }

    /// Runs one statement, committed when this returns.
    pub fn exec(&self, sql: &str, params: &[Value]) -> Result<usize, StoreError> {
        let mut state = self.state.lock();
        self.admit(&state)?;
        if let Some(link) = state.free.take() {
            drop(state);
            let result = group::alone(&link, sql, params);
            self.release(link);
            return result;
        }
        let ticket = Ticket::new(Want::Statement(group::Statement::new(sql, params)));
        state.line.push_back(ticket.clone());
        match self.wait(&mut state, &ticket)? {
            Got::Result(result) => result,
            Got::Link(link) => {
                let group = Self::group(&mut state, ticket);
                drop(state);
                self.lead(link, &group)
            }
        }
    }

    /// The connection itself, when its turn comes. Goes back by [`Self::release`], in every case.
    pub fn take(&self) -> Result<Link, StoreError> {
        let mut state = self.state.lock();
        self.admit(&state)?;
        self.next(&mut state)
    }

    /// As [`Self::take`] after everything already in line; nobody is admitted any more. None when it was so before.
    pub fn take_last(&self) -> Result<Option<Link>, StoreError> {
        let mut state = self.state.lock();
        self.not_inside(&state)?;
        if self.facts.closed.swap(true, Relaxed) {
            return Ok(None);
        }
        self.next(&mut state).map(Some)
    }

    /// Notes that a transaction has the connection and may keep it until `until`.
    pub fn hold(&self, link: Link, until: Instant) -> Arc<Mutex<Held>> {
        let held = Arc::new(Mutex::new(Held { link: Some(link), ended: None }));
        self.state.lock().holder = Some(Holder { thread: thread::current().id(), until, held: held.clone() });
        held
    }

    /// Gives the connection to the next in line; what was not committed is rolled back.
    pub fn release(&self, link: Link) {
        link.roll_back();
        let mut state = self.state.lock();
        state.holder = None;
        Self::pass_on(&mut state, link);
    }

    /// For what does not need the writer: an error when closed, or inside this thread's own transaction.
    pub fn check(&self) -> Result<(), StoreError> {
        self.admit(&self.state.lock())
    }

    /// How many are in line.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.state.lock().line.len()
    }

    fn admit(&self, state: &State) -> Result<(), StoreError> {
        if self.facts.closed.load(Relaxed) {
            return Err(self.facts.closed());
        }
        self.not_inside(state)
    }

    fn not_inside(&self, state: &State) -> Result<(), StoreError> {
        match &state.holder {
            Some(h) if h.thread == thread::current().id() => {
                Err(StoreError::InTransaction { db: self.facts.path.clone() })
            }
            _ => Ok(()),
        }
    }

    fn next(&self, state: &mut MutexGuard<'_, State>) -> Result<Link, StoreError> {
        if let Some(link) = state.free.take() {
            return Ok(link);
        }
        let ticket = Ticket::new(Want::Connection);
        state.line.push_back(ticket.clone());
        match self.wait(state, &ticket)? {
            Got::Link(link) => Ok(link),
            // Only statements are taken into a group; this keeps the match whole.
            Got::Result(_) => Err(self.facts.busy("no connection")),
        }
    }

    fn pass_on(state: &mut State, link: Link) {
        match state.line.pop_front() {
            Some(ticket) => ticket.set(Turn::Lead(link)),
            None => state.free = Some(link),
        }
    }

    fn wait(&self, state: &mut MutexGuard<'_, State>, ticket: &Arc<Ticket>) -> Result<Got, StoreError> {
        // Long enough to outlive one transaction that uses all of its time.
        let give_up = Instant::now() + self.facts.options.busy + self.facts.options.limit;
        loop {
            let turn = mem::replace(&mut *ticket.turn.lock(), Turn::Waiting);
            match turn {
                Turn::Done(result) => return Ok(Got::Result(result)),
                Turn::Lead(link) => return Ok(Got::Link(link)),
                Turn::Taken => {
                    *ticket.turn.lock() = Turn::Taken;
                    ticket.woken.wait(state);
                    continue;
                }
                Turn::Waiting => {}
            }
            let now = Instant::now();
            if now >= give_up {
                state.line.retain(|t| !Arc::ptr_eq(t, ticket));
                return Err(self.facts.busy("others kept the writer all the time"));
            }
            let until = match &state.holder {
                Some(holder) if now >= holder.until => {
                    if let Some(link) = self.overdue(holder) {
                        state.holder = None;
                        Self::pass_on(state, link);
                        continue;
                    }
                    now + AGAIN
                }
                Some(holder) => holder.until,
                None => give_up,
            };
            ticket.woken.wait_until(state, until.min(give_up));
        }
    }

    /// Takes the connection from a transaction over its time, unless a statement of it runs (which ends soon, too).
    fn overdue(&self, holder: &Holder) -> Option<Link> {
        let mut held = holder.held.try_lock()?;
        let link = held.link.take()?;
        held.ended = Some(self.facts.too_long("the transaction", self.facts.options.limit));
        link.roll_back();
        tracing::warn!(event = "sql.slow", db = %self.facts.path.display(), ms = self.facts.options.limit.as_millis() as u64,
            "a transaction was not ended in time and was rolled back");
        Some(link)
    }

    /// The own ticket and those right behind it that may share its commit.
    fn group(state: &mut State, own: Arc<Ticket>) -> Vec<Arc<Ticket>> {
        let mut group = vec![own];
        while group.len() < GROUP && group[0].joins() && state.line.front().is_some_and(|t| t.joins()) {
            let Some(ticket) = state.line.pop_front() else { break };
            *ticket.turn.lock() = Turn::Taken;
            group.push(ticket);
        }
        group
    }

    fn lead(&self, link: Link, group: &[Arc<Ticket>]) -> Result<usize, StoreError> {
        let statements: Vec<&group::Statement> = group
            .iter()
            .filter_map(|t| if let Want::Statement(statement) = &t.want { Some(statement) } else { None })
            .collect();
        let mut results = group::commit(&link, &statements).into_iter();
        // One result for each statement, in order.
        let mut result = || results.next().unwrap_or_else(|| Err(self.facts.busy("no result")));
        let own = result();
        {
            let _state = self.state.lock();
            group[1..].iter().for_each(|ticket| ticket.set(Turn::Done(result())));
        }
        self.release(link);
        own
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
