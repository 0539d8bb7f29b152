//! [`Ahead`]: clients that are read first. One thread reads for everybody: what has just come to a hundred others would be
//! part of what it measures for these. They have an epoll of their own, which is looked at between any few of the others'
//! sockets, and which wakes the one of all.

use std::{os::fd::AsRawFd, time::Duration};

use mio::{Events, Interest, Poll, Registry, Token, unix::SourceFd};

use crate::{
    fault::{Fault, Tried},
    link::Link,
};

/// Sockets of the others that are read between two looks.
pub const BETWEEN: usize = 4;
/// In the epoll of all: something came to one of these.
const AHEAD: Token = Token(usize::MAX);

/// See the file's head.
pub struct Ahead {
    poll: Poll,
    events: Events,
}

impl Ahead {
    /// Takes these, each with its number, out of the epoll of all.
    ///
    /// # Errors
    /// When epoll refuses.
    pub fn of<'a>(links: impl Iterator<Item = (usize, &'a mut Link)>, all: &Registry) -> Result<Self, Fault> {
        let poll = Poll::new().tried("epoll")?;
        for (n, link) in links {
            link.deregister(all).tried("epoll")?;
            link.register(poll.registry(), Token(n)).tried("epoll")?;
        }
        all.register(&mut SourceFd(&poll.as_raw_fd()), AHEAD, Interest::READABLE).tried("epoll")?;
        Ok(Self { poll, events: Events::with_capacity(1024) })
    }

    /// Numbers of those to whom something came.
    pub fn ready(&mut self) -> impl Iterator<Item = usize> {
        // What is not seen now is seen a moment later.
        let _ = self.poll.poll(&mut self.events, Some(Duration::ZERO));
        self.events.iter().map(|event| event.token().0)
    }
}
