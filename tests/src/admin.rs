//! [`Http`]: requests to the admin listener, as a probe or a metrics collector makes them, and through the local socket.
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
};

use crate::DEADLINE;

/// An answer.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Http {
    pub status: u16,
    pub headers: String,
    pub body: String,
}

impl Http {
    /// `GET path`.
    pub fn get(at: SocketAddr, path: &str) -> Self {
        Self::send(at, "GET", path)
    }

    /// Any method without a body.
    pub fn send(at: SocketAddr, method: &str, path: &str) -> Self {
        let stream = TcpStream::connect(at).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Self::over(stream, method, path, "")
    }

    /// Any method through the local socket, with a JSON body ("" = none).
    pub fn local(socket: &Path, method: &str, path: &str, body: &str) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Self::over(stream, method, path, body)
    }

    fn over(mut stream: impl Read + Write, method: &str, path: &str, body: &str) -> Self {
        let about = match body.len() {
            0 => String::new(),
            n => format!("content-type: application/json\r\ncontent-length: {n}\r\n"),
        };
        write!(stream, "{method} {path} HTTP/1.1\r\nhost: fts\r\nconnection: close\r\n{about}\r\n{body}").unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        let text = String::from_utf8(all).unwrap();
        let (headers, body) = text.split_once("\r\n\r\n").unwrap();
        let status = headers.split_whitespace().nth(1).unwrap().parse().unwrap();
        Self { status, headers: headers.to_lowercase(), body: body.to_owned() }
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}
