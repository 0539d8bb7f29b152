//! [`Http`]: requests to the TAK API without TLS: small ones whole, big answers timed as they come.
//!
//! One connection per request. A big answer is read and thrown away; only its length, times and the first bytes are kept.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::fault::{Fault, Tried};

/// No answer takes longer.
const LONGEST: Duration = Duration::from_secs(60);

/// See the file's head.
#[derive(Clone, Copy, Debug)]
pub struct Http(pub SocketAddr);

/// A big answer.
#[derive(Clone, Debug, Default)]
pub struct Timed {
    /// From the request to the first byte of the body.
    pub first: Duration,
    /// From there to the end.
    pub rest: Duration,
    /// Bytes of the body.
    pub bytes: u64,
}

impl Timed {
    /// Megabytes (10⁶) per second once it began.
    pub fn mb_s(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.rest.as_secs_f64().max(1e-6)
    }
}

impl Http {
    /// A request whose answer must have this status; its body.
    ///
    /// # Errors
    /// Another status; what the connection says.
    pub fn ask(&self, method: &str, path: &str, status: u16) -> Result<String, Fault> {
        let mut stream = self.send(method, path)?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text).tried(format!("{method} {path}"))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let found = text.split(' ').nth(1).unwrap_or_default();
        if found != status.to_string() {
            return Err(Fault::Talk(format!("{method} {path}: {}", text.chars().take(500).collect::<String>())));
        }
        Ok(text)
    }

    /// GET of a big answer; `meanwhile` is called now and then as it comes.
    ///
    /// # Errors
    /// A status that is not 200; what the connection says.
    pub fn time(&self, path: &str, mut meanwhile: impl FnMut()) -> Result<Timed, Fault> {
        let began = Instant::now();
        let mut stream = self.send("GET", path)?;
        let (mut head, mut piece) = (Vec::new(), vec![0; 256 * 1024]);
        let (mut timed, mut last) = (Timed::default(), [0; 5]);
        let mut looked = began;
        loop {
            let n = stream.read(&mut piece).tried(format!("GET {path}"))?;
            if n == 0 {
                break;
            }
            let mut data = &piece[..n];
            if timed.first.is_zero() {
                head.extend_from_slice(data);
                let Some(end) = memchr::memmem::find(&head, b"\r\n\r\n") else { continue };
                if !head.starts_with(b"HTTP/1.1 200") {
                    return Err(Fault::Talk(format!("GET {path}: {}", String::from_utf8_lossy(&head))));
                }
                if head.len() == end + 4 {
                    continue;
                }
                timed.first = began.elapsed();
                data = &piece[n - (head.len() - end - 4).min(n)..n];
            }
            timed.bytes += data.len() as u64;
            last.iter_mut().rev().zip(data.iter().rev()).for_each(|(to, from)| *to = *from);
            if looked.elapsed() > Duration::from_millis(20) {
                looked = Instant::now();
                meanwhile();
            }
        }
        timed.rest = began.elapsed().saturating_sub(timed.first);
        if length(&head).map_or(last != *b"0\r\n\r\n", |length| timed.bytes != length) {
            return Err(Fault::Talk(format!("GET {path}: cut short after {} bytes", timed.bytes)));
        }
        Ok(timed)
    }

    fn send(&self, method: &str, path: &str) -> Result<TcpStream, Fault> {
        let what = || format!("{method} {path}");
        let mut stream = TcpStream::connect(self.0).tried(what())?;
        stream.set_read_timeout(Some(LONGEST)).tried(what())?;
        let text =
            format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", self.0);
        stream.write_all(text.as_bytes()).tried(what())?;
        Ok(stream)
    }
}

/// What an answer says about its length; None = it comes in chunks, the last of which is empty.
fn length(head: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    text.split("\r\n\r\n").next()?.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
}
