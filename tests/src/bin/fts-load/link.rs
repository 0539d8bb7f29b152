//! [`Link`]: the socket of one client, plain or TLS, never blocking. What the socket does not take waits; while
//! something waits the link is blocked and its owner sends nothing more.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
};

use mio::{Interest, Registry, Token, net::TcpStream};

use crate::tls::{Identity, Session};

/// What is read at once.
pub const READ: usize = 64 * 1024;
/// Room in front of it for an unfinished TLS record.
pub const SCRATCH: usize = READ + 20 * 1024;

/// See the file's head.
pub struct Link {
    stream: TcpStream,
    tls: Option<Box<Session>>,
    out: Vec<u8>,
    written: usize,
}

impl Link {
    /// Connects (waiting for it) and begins the TLS handshake.
    ///
    /// # Errors
    /// When the connection is refused.
    pub fn connect(address: SocketAddr, identity: Option<&Identity>) -> io::Result<Self> {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let tls = identity.map(Session::new).transpose()?.map(Box::new);
        let mut link = Self { stream: TcpStream::from_std(stream), tls, out: Vec::new(), written: 0 };
        if let Some(tls) = &mut link.tls {
            tls.advance(&mut [], &mut link.out, &mut |_| {})?;
            link.flush()?;
        }
        Ok(link)
    }

    /// Wakes the loop for reading and writing from now on.
    ///
    /// # Errors
    /// When epoll refuses.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.stream, token, Interest::READABLE | Interest::WRITABLE)
    }

    /// Not any more: from here on nobody reads.
    ///
    /// # Errors
    /// When epoll refuses.
    pub fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        registry.deregister(&mut self.stream)
    }

    /// Can be used: no handshake is running.
    pub fn established(&self) -> bool {
        self.tls.as_ref().is_none_or(|tls| tls.established)
    }

    /// Something waits for the socket.
    pub fn blocked(&self) -> bool {
        self.written < self.out.len()
    }

    /// Reads everything there is. False = the peer closed.
    ///
    /// # Errors
    /// Socket and TLS errors.
    pub fn read(&mut self, scratch: &mut [u8], sink: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        loop {
            let before = self.tls.as_mut().map_or(0, |tls| tls.unfinished(scratch));
            let read = match self.stream.read(&mut scratch[before..before + READ]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
                done => Some(done?),
            };
            let data = &mut scratch[..before + read.unwrap_or(0)];
            let open = match &mut self.tls {
                Some(tls) => tls.advance(data, &mut self.out, sink)?,
                None => {
                    sink(data);
                    true
                }
            };
            if self.blocked() {
                self.flush()?;
            }
            match read {
                Some(0) => return Ok(false),
                _ if !open => return Ok(false),
                // Less than asked for: the socket is empty, and the next byte wakes us.
                Some(READ) => {}
                _ => return Ok(true),
            }
        }
    }

    /// Sends; what does not fit waits.
    ///
    /// # Errors
    /// Socket and TLS errors.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.send(bytes, &mut self.out)?;
            return self.flush();
        }
        let n = if self.blocked() { 0 } else { write_some(&mut self.stream, bytes)? };
        self.out.extend_from_slice(&bytes[n..]);
        Ok(())
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// Socket errors.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.blocked() {
            self.written += write_some(&mut self.stream, &self.out[self.written..])?;
            if !self.blocked() {
                self.out.clear();
                self.written = 0;
            }
        }
        Ok(())
    }
}

fn write_some(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match stream.write(&bytes[written..]) {
            Ok(n) => written += n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}
