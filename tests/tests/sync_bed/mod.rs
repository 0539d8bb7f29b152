//! What tests of Enterprise Sync share: packages, hashes, forms that are sent piece by piece, a look at the server's
//! memory and files.
#![allow(dead_code)] // Each test file uses a part.
use std::{
    fs,
    io::{Cursor, Read, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use fts_tests::{Reply, Server, Web};
use serde_json::Value;

/// SHA-256 in hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A data package as ATAK makes it.
pub fn package(uid: &str, name: &str) -> Vec<u8> {
    let manifest = format!(
        r#"<MissionPackageManifest version="2"><Configuration><Parameter name="uid" value="{uid}"/><Parameter name="name" value="{name}"/></Configuration><Contents><Content ignore="false" zipEntry="0a1b/note.txt"/></Contents></MissionPackageManifest>"#
    );
    let mut out = Cursor::new(Vec::new());
    let mut zip = zip::ZipWriter::new(&mut out);
    for (entry, text) in [("MANIFEST/manifest.xml", manifest.as_str()), ("0a1b/note.txt", "meet at the bridge")] {
        zip.start_file(entry, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
    out.into_inner()
}

/// commo's upload.
pub fn send_package(web: &Web, name: &str, query: &str, bytes: &[u8]) -> Reply {
    let path = format!("/Marti/sync/missionupload?filename={name}{query}");
    web.form(&path, "assetfile", name, "application/x-zip-compressed", bytes)
}

/// Rows of a search.
pub fn search(web: &Web, query: &str) -> Vec<Value> {
    let reply = web.get(&format!("/Marti/sync/search?{query}")).expect(200);
    assert!(reply.text().contains("resultCount"));
    let json = reply.json();
    let rows = json["results"].as_array().unwrap().clone();
    assert_eq!(json["resultCount"].as_u64(), Some(rows.len() as u64));
    rows
}

/// Contents in the server's store.
pub fn contents(server: &Server) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![server.data_dir().join("files")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            match entry.path() {
                path if path.ends_with("tmp") => {}
                path if path.is_dir() => dirs.push(path),
                path => found.push(path),
            }
        }
    }
    found
}

/// Names in `files/tmp`.
pub fn under_way(server: &Server) -> Vec<String> {
    let tmp = fs::read_dir(server.data_dir().join("files/tmp")).unwrap().flatten();
    tmp.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
}

/// What a process has had of the processors, however busy they were with others.
pub fn cpu(pid: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // Behind the name, which may have blanks in it: user and system time are the 12th and 13th.
    let ticks = text.rsplit(") ").next().unwrap().split(' ').skip(11).take(2).map(|n| n.parse::<u64>().unwrap());
    Duration::from_millis(ticks.sum::<u64>() * 1_000 / rustix::param::clock_ticks_per_second())
}

/// Memory a process has for itself, bytes.
pub fn rss(pid: u32) -> u64 {
    status(pid, "VmRSS:")
}

/// The most it ever had since [`reset_peak`], bytes.
pub fn peak(pid: u32) -> u64 {
    status(pid, "VmHWM:")
}

/// The peak starts again from what there is now.
pub fn reset_peak(pid: u32) {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
}

fn status(pid: u32, what: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|l| l.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1_024
}

/// Bytes that look random, the same for the same seed, made as they are read.
pub struct Noise {
    state: u64,
    left: u64,
}

impl Noise {
    pub fn new(seed: u64, len: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, left: len }
    }
}

impl Read for Noise {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let n = into.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        for chunk in into[..n].chunks_mut(8) {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            chunk.copy_from_slice(&self.state.to_le_bytes()[..chunk.len()]);
        }
        self.left -= n as u64;
        Ok(n)
    }
}

/// One block of noise over and over, begun with a number of its own: costs whoever sends it next to nothing.
pub struct Repeated {
    head: [u8; 8],
    block: std::sync::Arc<[u8]>,
    at: u64,
    len: u64,
}

impl Repeated {
    pub fn new(number: u64, block: std::sync::Arc<[u8]>, len: u64) -> Self {
        Self { head: number.to_le_bytes(), block, at: 0, len }
    }

    /// Its hash.
    pub fn sha256(mut self) -> String {
        let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        let mut piece = vec![0; 256 * 1024];
        while let Ok(n @ 1..) = self.read(&mut piece) {
            hash.update(&piece[..n]);
        }
        hex(hash.finish().as_ref())
    }
}

impl Read for Repeated {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let from: &[u8] = match self.at {
            0 => &self.head,
            at => &self.block[((at - 8) % self.block.len() as u64) as usize..],
        };
        let n = into.len().min(from.len()).min((self.len - self.at) as usize);
        into[..n].copy_from_slice(&from[..n]);
        self.at += n as u64;
        Ok(n)
    }
}

/// How a body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Length,
    Chunked,
}

/// The same, and the hash of what was sent.
pub fn stream_hashed(
    web: &Web,
    path: &str,
    form: bool,
    framing: Framing,
    len: u64,
    from: &mut dyn Read,
) -> (Reply, String, f64) {
    let mut hashed = Hashed { from, hash: aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256) };
    let (reply, took) = stream(web, path, form, framing, len, &mut hashed);
    (reply, hex(hashed.hash.finish().as_ref()), took)
}

struct Hashed<'a> {
    from: &'a mut dyn Read,
    hash: aws_lc_rs::digest::Context,
}

impl Read for Hashed<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let n = self.from.read(into)?;
        self.hash.update(&into[..n]);
        Ok(n)
    }
}

/// Sends what is read piece by piece, raw or in a form; gives the answer, and how long the server took after the last
/// byte, in seconds.
pub fn stream(web: &Web, path: &str, form: bool, framing: Framing, len: u64, from: &mut dyn Read) -> (Reply, f64) {
    let (before, after) = if form {
        (
            "--b7\r\nContent-Disposition: form-data; name=\"assetfile\"; filename=\"big.zip\"\r\nContent-Type: application/x-zip-compressed\r\n\r\n",
            "\r\n--b7--\r\n",
        )
    } else {
        ("", "")
    };
    let kind = if form { "multipart/form-data; boundary=b7" } else { "application/x-zip-compressed" };
    let total = len + (before.len() + after.len()) as u64;
    let frame = match framing {
        Framing::Length => format!("content-length: {total}"),
        Framing::Chunked => "transfer-encoding: chunked".to_owned(),
    };
    let mut wire = web.open();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: {kind}\r\n{frame}\r\n\r\n",
        web.at
    );
    wire.write_all(head.as_bytes()).unwrap();
    let mut put = |piece: &[u8]| {
        if piece.is_empty() {
            return;
        }
        if framing == Framing::Chunked {
            wire.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).unwrap();
        }
        wire.write_all(piece).unwrap();
        if framing == Framing::Chunked {
            wire.write_all(b"\r\n").unwrap();
        }
    };
    put(before.as_bytes());
    let mut piece = vec![0; 256 * 1024];
    loop {
        match from.read(&mut piece).unwrap() {
            0 => break,
            n => put(&piece[..n]),
        }
    }
    put(after.as_bytes());
    if framing == Framing::Chunked {
        wire.write_all(b"0\r\n\r\n").unwrap();
    }
    wire.flush().unwrap();
    let sent = Instant::now();
    let reply = Reply::read(&mut wire, false);
    (reply, sent.elapsed().as_secs_f64())
}

/// Fetches a path without keeping it; status, bytes, hash.
pub fn fetch(web: &Web, path: &str) -> (u16, u64, String) {
    let mut wire = web.open();
    wire.write_all(&web.request("GET", path, &[], 0)).unwrap();
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let (mut head, mut piece, mut bytes) = (Vec::new(), vec![0; 256 * 1024], 0);
    let status = loop {
        let n = wire.read(&mut piece).unwrap();
        assert!(n > 0, "the connection closed in the head");
        head.extend_from_slice(&piece[..n]);
        if let Some(at) = head.windows(4).position(|w| w == b"\r\n\r\n") {
            hash.update(&head[at + 4..]);
            bytes += (head.len() - at - 4) as u64;
            break String::from_utf8_lossy(&head[9..12]).parse().unwrap();
        }
    };
    while let Ok(n @ 1..) = wire.read(&mut piece) {
        hash.update(&piece[..n]);
        bytes += n as u64;
    }
    (status, bytes, hex(hash.finish().as_ref()))
}

/// How long a plain copy with fsync and a SHA-256 of the same file take, in seconds: what the server is measured by.
pub fn copy_and_hash(dir: &Path, len: u64) -> f64 {
    let (from, to) = (dir.join("from"), dir.join("to"));
    std::io::copy(&mut Noise::new(7, len), &mut fs::File::create(&from).unwrap()).unwrap();
    let began = Instant::now();
    let mut source = fs::File::open(&from).unwrap();
    let mut target = fs::File::create(&to).unwrap();
    std::io::copy(&mut source, &mut target).unwrap();
    target.sync_all().unwrap();
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let mut piece = vec![0; 256 * 1024];
    let mut file = fs::File::open(&to).unwrap();
    while let Ok(n @ 1..) = file.read(&mut piece) {
        hash.update(&piece[..n]);
    }
    let _ = hash.finish();
    let took = began.elapsed().as_secs_f64();
    fs::remove_file(from).unwrap();
    fs::remove_file(to).unwrap();
    took
}
