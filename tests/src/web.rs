//! [`Web`]: an HTTP client as phones and scripts are: plain or TLS, with or without a certificate, one connection per
//! request unless a test keeps one. It knows HTTP/1.1 well enough for a test and nothing of the server.
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

use crate::{DEADLINE, Pki, Server, stranger};

/// See the file's head.
#[derive(Clone)]
pub struct Web {
    /// Where it connects.
    pub at: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    host: String,
    headers: Vec<(String, String)>,
}

/// An answer.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Reply {
    pub status: u16,
    /// Names in small letters, in the order they came.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// An open connection.
pub trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

impl Web {
    /// A plain listener of a server: `marti_http`, `rest`, `admin`.
    pub fn plain(server: &Server, listener: &str) -> Self {
        let at = server.address(listener);
        Self { at, tls: None, host: at.to_string(), headers: Vec::new() }
    }

    /// A TLS listener, with a certificate or as a stranger; it trusts the server's CA and checks the name 127.0.0.1.
    pub fn tls(server: &Server, listener: &str, who: Option<&Pki>) -> Self {
        let ca = server.data_dir().join("certs/ca.pem");
        let config = who.map_or_else(|| stranger(&ca), |pki| pki.client(&ca, rustls::ALL_VERSIONS));
        Self::with(server.address(listener), config)
    }

    /// TLS to somewhere, with this client configuration.
    pub fn with(at: SocketAddr, config: Arc<ClientConfig>) -> Self {
        Self { at, tls: Some(config), host: at.to_string(), headers: Vec::new() }
    }

    /// The `Host` it names.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        self.host = host.to_owned();
        self
    }

    /// A header with every request.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// User and password with every request.
    #[must_use]
    pub fn basic(self, user: &str, password: &str) -> Self {
        let value = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        self.header("authorization", &value)
    }

    /// A token with every request.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        let value = format!("Bearer {token}");
        self.header("authorization", &value)
    }

    /// GET.
    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], b"")
    }

    /// DELETE.
    pub fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, &[], b"")
    }

    /// POST with a content type ("" = none).
    pub fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Reply {
        self.typed("POST", path, content_type, body)
    }

    /// PUT with a content type ("" = none).
    pub fn put(&self, path: &str, content_type: &str, body: &[u8]) -> Reply {
        self.typed("PUT", path, content_type, body)
    }

    fn typed(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> Reply {
        match content_type {
            "" => self.send(method, path, &[], body),
            _ => self.send(method, path, &[("content-type", content_type)], body),
        }
    }

    /// A file as phones upload it: one part of a form, named `field`.
    pub fn form(&self, path: &str, field: &str, file_name: &str, content_type: &str, file: &[u8]) -> Reply {
        let boundary = "fts-tests-boundary-7f1c";
        let mut body = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{file_name}\"\r\nContent-Type: {content_type}\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(file);
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        self.post(path, &format!("multipart/form-data; boundary={boundary}"), &body)
    }

    /// Any request, on a connection of its own. A handshake or connection that fails is a panic: see [`Self::try_open`].
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut wire = self.open();
        let _ = wire.write_all(&self.request(method, path, headers, body.len()));
        // A refusal may come before all of the body was taken.
        let _ = wire.write_all(body);
        let _ = wire.flush();
        Reply::read(&mut wire, method == "HEAD")
    }

    /// The head of a request with `connection: close`; `len` 0 on a GET says no length.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], len: usize) -> Vec<u8> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.host);
        let own = self.headers.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        for (name, value) in own.chain(headers.iter().copied()) {
            head += &format!("{name}: {value}\r\n");
        }
        if len > 0 || matches!(method, "POST" | "PUT") {
            head += &format!("content-length: {len}\r\n");
        }
        (head + "\r\n").into_bytes()
    }

    /// A connection, handshake done.
    pub fn open(&self) -> Box<dyn Wire> {
        self.try_open().unwrap()
    }

    /// The same, or why not.
    ///
    /// # Errors
    /// What the connection or the handshake says. With TLS 1.3 a refused certificate shows with the first read only.
    pub fn try_open(&self) -> std::io::Result<Box<dyn Wire>> {
        let stream = TcpStream::connect(self.at)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        let Some(config) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::from(self.at.ip());
        let session = ClientConnection::new(config.clone(), name).map_err(std::io::Error::other)?;
        let mut stream = StreamOwned::new(session, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Box::new(stream))
    }
}

impl Reply {
    /// Reads one answer; `head` = it has no body whatever it says.
    pub fn read(wire: &mut dyn Wire, head: bool) -> Self {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
                // 100 Continue is no answer.
                if bytes.starts_with(b"HTTP/1.1 100") {
                    bytes.drain(..at + 4);
                    continue;
                }
                break at;
            }
            let mut piece = [0; 16 * 1024];
            let n = wire.read(&mut piece).unwrap_or_else(|e| panic!("no answer: {e}; so far {}", text(&bytes)));
            assert!(n > 0, "the connection closed without an answer; so far {:?}", text(&bytes));
            bytes.extend_from_slice(&piece[..n]);
        };
        let top = text(&bytes[..end]);
        let mut lines = top.split("\r\n");
        let status = lines.next().and_then(|l| l.split(' ').nth(1)?.parse().ok()).unwrap();
        let headers: Vec<(String, String)> = lines
            .filter_map(|l| l.split_once(':'))
            .map(|(n, v)| (n.trim().to_ascii_lowercase(), v.trim().to_owned()))
            .collect();
        let mut reply = Self { status, headers, body: bytes[end + 4..].to_vec() };
        if head || status == 204 || status == 304 {
            return reply;
        }
        let chunked = reply.header("transfer-encoding").is_some_and(|v| v.contains("chunked"));
        let len = reply.header("content-length").and_then(|v| v.parse::<usize>().ok());
        let done = |body: &[u8]| match len {
            Some(len) => body.len() >= len,
            None => chunked && body.ends_with(b"0\r\n\r\n"),
        };
        let mut piece = vec![0; 64 * 1024];
        while !done(&reply.body) {
            match wire.read(&mut piece) {
                Ok(n @ 1..) => reply.body.extend_from_slice(&piece[..n]),
                _ => break,
            }
        }
        if chunked {
            reply.body = unchunk(&reply.body);
        }
        reply
    }

    /// The first header of this name (small letters).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        text(&self.body)
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {} {}", self.status, self.text()))
    }

    /// It, if it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?}\n{}", self.headers, self.text());
        self
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn unchunk(mut left: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(at) = left.windows(2).position(|w| w == b"\r\n") {
        let size = text(&left[..at]);
        let n = usize::from_str_radix(size.split(';').next().unwrap_or("").trim(), 16).unwrap_or(0);
        let from = at + 2;
        if n == 0 || left.len() < from + n + 2 {
            break;
        }
        whole.extend_from_slice(&left[from..from + n]);
        left = &left[from + n + 2..];
    }
    whole
}
