//! [`Spool`]: an answer between the plugin that makes it and the client that reads it. The maker pushes from a blocking
//! thread, at its own speed; the reader takes at the client's. First comes what is in memory, then what is in the file:
//! while the file holds unread bytes nothing goes to memory. Neither side ever waits for the other under the lock, and
//! the file is written and read outside it, each by one side only.
use std::{collections::VecDeque, fs::File, io, os::unix::fs::FileExt, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use super::space::Space;

/// Bytes read from a file at once.
pub(super) const PIECE: usize = 64 * 1024;

/// See the file's head.
#[derive(Debug)]
pub(super) struct Spool {
    state: Mutex<Inner>,
    /// For the reader: more is there, or the end.
    more: Notify,
    /// For the maker that waits: the reader has taken something or is gone.
    taken: Notify,
    space: Arc<Space>,
}

#[derive(Debug)]
struct Inner {
    memory: VecDeque<Bytes>,
    memory_bytes: usize,
    file: Option<Arc<File>>,
    /// Bytes in the file; those taken from the space (a write may be under way).
    written: u64,
    reserved: u64,
    writing: bool,
    /// Bytes of the file the reader has.
    read: u64,
    end: Option<Result<(), String>>,
    /// The client is gone.
    gone: bool,
    /// Bytes taken since the last look at the reader's speed.
    took: u64,
    looked: Instant,
}

/// What became of a chunk.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    Stored,
    /// No room now: see [`Spool::room`].
    Full(Bytes),
    /// Nobody wants it any more.
    Over,
}

impl Spool {
    /// A new one and its reader.
    pub fn new(space: Arc<Space>) -> (Arc<Self>, Reader) {
        let state = Inner {
            memory: VecDeque::new(),
            memory_bytes: 0,
            file: None,
            written: 0,
            reserved: 0,
            writing: false,
            read: 0,
            end: None,
            gone: false,
            took: 0,
            looked: Instant::now(),
        };
        let spool = Arc::new(Self { state: Mutex::new(state), more: Notify::new(), taken: Notify::new(), space });
        (spool.clone(), Reader(spool))
    }

    /// Puts a chunk in. Blocking.
    pub fn push(self: &Arc<Self>, chunk: Bytes) -> Pushed {
        let len = chunk.len() as u64;
        let (file, at) = {
            let mut state = self.state.lock();
            if state.over() {
                return Pushed::Over;
            }
            self.rewind(&mut state);
            if state.fits_memory(chunk.len(), &self.space) {
                state.memory_bytes += chunk.len();
                state.memory.push_back(chunk);
                self.more.notify_one();
                return Pushed::Stored;
            }
            if len > self.space.settings.total {
                state.end = Some(Err(format!("one chunk of {len} bytes is more than the spool takes")));
                self.more.notify_one();
                return Pushed::Over;
            }
            if !self.space.take(len) {
                return Pushed::Full(chunk);
            }
            state.reserved += len;
            state.writing = true;
            (state.file.clone(), state.written)
        };
        let stored = self.store(file, at, &chunk);
        let mut state = self.state.lock();
        state.writing = false;
        match stored {
            Ok(file) => {
                state.file = Some(file);
                state.written += len;
            }
            Err(error) => state.end = Some(Err(format!("the server cannot store the answer: {error}"))),
        }
        if state.over() {
            self.release(&mut state);
        }
        self.more.notify_one();
        if state.over() { Pushed::Over } else { Pushed::Stored }
    }

    /// With this chunk it is still a short answer: all that was `made` up to its end would fit into memory and the chunk
    /// needs no file; or nobody wants it.
    pub fn short(&self, made: u64, len: usize) -> bool {
        let mut state = self.state.lock();
        self.rewind(&mut state);
        let fits = made <= self.space.settings.memory as u64 && state.fits_memory(len, &self.space);
        state.over() || fits
    }

    /// Bytes that are made at a time.
    pub fn turn(&self) -> u64 {
        self.space.settings.turn
    }

    /// It was more than memory takes.
    pub fn in_file(&self) -> bool {
        self.state.lock().file.is_some()
    }

    fn store(self: &Arc<Self>, file: Option<Arc<File>>, at: u64, chunk: &[u8]) -> io::Result<Arc<File>> {
        let file = match file {
            Some(file) => file,
            None => {
                self.space.list(self);
                Arc::new(tempfile::tempfile_in(&self.space.settings.dir)?)
            }
        };
        file.write_all_at(chunk, at)?;
        Ok(file)
    }

    /// Nothing more comes: the answer is whole, or broke off.
    pub fn end(&self, how: Result<(), String>) {
        let mut state = self.state.lock();
        state.end.get_or_insert(how);
        if state.failed() {
            self.release(&mut state);
        }
        self.more.notify_one();
    }

    /// Waits until a chunk of this length may be pushed again. False: nobody wants it any more.
    pub async fn room(&self, len: usize) -> bool {
        let window = self.space.settings.slow_window;
        let mut look = tokio::time::interval_at(Instant::now() + window, window);
        loop {
            let freed = self.space.freed.notified();
            {
                let mut state = self.state.lock();
                if state.over() {
                    return false;
                }
                self.rewind(&mut state);
                if state.fits_memory(len, &self.space) || self.space.has(len as u64) {
                    return true;
                }
            }
            tokio::select! {
                () = freed => {}
                () = self.taken.notified() => {}
                _ = look.tick() => self.space.cut_slow(),
            }
        }
    }

    /// Everything in the file is read: it starts again from its beginning, and its space is free.
    fn rewind(&self, state: &mut Inner) {
        if !state.writing && state.reserved > 0 && state.read == state.written {
            (state.read, state.written) = (0, 0);
            self.space.give(std::mem::take(&mut state.reserved));
        }
    }

    /// Gives everything back. A write under way does so when it ends.
    fn release(&self, state: &mut Inner) {
        state.memory = VecDeque::new();
        if !state.writing {
            state.file = None;
            self.space.give(std::mem::take(&mut state.reserved));
        }
    }

    /// The reader has taken less than it must since the last look: its answer ends here. True if so.
    pub fn cut_if_slow(&self) -> bool {
        let settings = &self.space.settings;
        let mut state = self.state.lock();
        let passed = state.looked.elapsed();
        if state.reserved == 0 || state.failed() || passed < settings.slow_window {
            return false;
        }
        let slow = state.took < settings.slow_rate * passed.as_millis() as u64 / 1_000;
        (state.took, state.looked) = (0, Instant::now());
        if slow {
            state.end = Some(Err("the client read too slowly".into()));
            self.release(&mut state);
            self.more.notify_one();
            self.taken.notify_one();
        }
        slow
    }
}

impl Inner {
    /// Chunks are of no use any more.
    fn over(&self) -> bool {
        self.gone || self.failed()
    }

    fn failed(&self) -> bool {
        matches!(self.end, Some(Err(_)))
    }

    fn fits_memory(&self, len: usize, space: &Space) -> bool {
        self.written == 0 && self.memory_bytes + len <= space.settings.memory
    }
}

/// The reading side; dropping it ends the making.
#[derive(Debug)]
pub(super) struct Reader(Arc<Spool>);

/// What the reader does next.
enum Next {
    Have(Bytes),
    Read { file: Arc<File>, at: u64, len: usize },
    End(Option<String>),
    Wait,
}

impl Reader {
    /// The next piece; None at the end. An error says that the answer broke off.
    pub async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            let next = self.step();
            match next {
                Next::Have(bytes) => return Some(Ok(bytes)),
                Next::End(error) => return error.map(|e| Err(io::Error::other(e))),
                Next::Wait => self.0.more.notified().await,
                Next::Read { file, at, len } => {
                    let piece = read_piece(file, at, len).await;
                    if piece.is_ok() {
                        let mut state = self.0.state.lock();
                        state.read += len as u64;
                        state.took += len as u64;
                        self.0.rewind(&mut state);
                        self.0.taken.notify_one();
                    }
                    return Some(piece);
                }
            }
        }
    }

    fn step(&self) -> Next {
        let mut state = self.0.state.lock();
        // A failure is told at once: what is left would only be sent for nothing.
        if let Some(Err(error)) = &state.end {
            return Next::End(Some(error.clone()));
        }
        if let Some(bytes) = state.memory.pop_front() {
            state.memory_bytes -= bytes.len();
            state.took += bytes.len() as u64;
            self.0.taken.notify_one();
            return Next::Have(bytes);
        }
        match (&state.file, &state.end) {
            (Some(file), _) if state.read < state.written => {
                let len = (state.written - state.read).min(PIECE as u64) as usize;
                Next::Read { file: file.clone(), at: state.read, len }
            }
            (_, Some(_)) => Next::End(None),
            (_, None) => Next::Wait,
        }
    }
}

/// Reads a part of a file on a blocking thread.
pub(super) async fn read_piece(file: Arc<File>, at: u64, len: usize) -> io::Result<Bytes> {
    let read = move || {
        let mut piece = vec![0; len];
        file.read_exact_at(&mut piece, at).map(|()| Bytes::from(piece))
    };
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.gone = true;
        self.0.release(&mut state);
        drop(state);
        self.0.taken.notify_one();
    }
}

#[cfg(test)]
#[path = "spool_tests.rs"]
mod tests;
