//! The file of `fts mission export` and `import`: a zip with one member, the lines the plugin writes (rows of the mission,
//! then the content of its files). Neither is ever whole in memory.
//!
//! Export: the mission is looked up, its lines go into a new file beside the wanted one, which gets its name when the last
//! line is there. What must not happen: a file that is there is replaced; others than the owner may read it (it holds the
//! hash of the mission's password); an export that was cut off looks like a whole one.
use std::{
    fs::File,
    io::{self, BufReader, BufWriter, ErrorKind, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

use super::talk;
use crate::cli::{
    Global,
    output::text,
    remote::{self, encode},
};

/// The member of the zip file.
const MEMBER: &str = "mission.jsonl";
/// Bytes read at once.
const PIECE: usize = 256 << 10;
/// Pieces on their way to the server.
const AHEAD: usize = 4;
/// The last line is shorter.
const TAIL: usize = 64;

fn failed(path: &Path, error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("fts: {}: {error}", path.display());
    ExitCode::FAILURE
}

fn there(path: &Path) -> ExitCode {
    failed(path, &"there is such a file already; name another one with --output")
}

/// Writes one; what was written where.
///
/// # Errors
/// The exit code; what is wrong was printed.
pub fn export(global: &Global, mission: &str, to: Option<&Path>, files: bool) -> Result<Value, ExitCode> {
    let found = talk::ask(global, "GET", &super::at(mission))?;
    let path = to.map_or_else(|| PathBuf::from(file_name(&text(&found["name"]))), Path::to_owned);
    if path.symlink_metadata().is_ok() {
        return Err(there(&path));
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let kept = tempfile::NamedTempFile::new_in(folder).map_err(|e| failed(&path, &e))?;
    let dir = global.data_dir()?;
    // By guid: another of the same name may be made meanwhile.
    let uri = format!("{}/export?files={files}", super::at(&text(&found["guid"])));
    remote::runtime()?.block_on(async {
        let mut lines = match talk::send(&dir, "GET", &uri, Body::empty()).await {
            Ok(lines) => lines,
            Err(error) => return Err(talk::explain(&dir, &error).await),
        };
        let mut zip = Packed::new(kept.as_file()).map_err(|e| failed(&path, &e))?;
        while let Some(frame) = lines.frame().await {
            let frame = frame.map_err(|e| failed(&path, &format!("the server broke off: {e}")))?;
            if let Ok(data) = frame.into_data() {
                zip.write(&data).map_err(|e| failed(&path, &e))?;
            }
        }
        zip.finish().map_err(|e| failed(&path, &e))
    })?;
    let bytes = kept.as_file().metadata().map_err(|e| failed(&path, &e))?.len();
    kept.persist_noclobber(&path).map_err(|e| match e.error.kind() {
        ErrorKind::AlreadyExists => there(&path),
        _ => failed(&path, &e.error),
    })?;
    Ok(json!({"file": path, "bytes": bytes, "guid": found["guid"], "name": found["name"]}))
}

/// A name for a file, whatever the mission is called.
fn file_name(mission: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "-_. ".contains(c) { c } else { '_' };
    let name: String = mission.chars().take(60).map(plain).collect();
    let name = name.trim_matches(['.', ' ']).replace(' ', "_");
    format!("{}.mission.zip", if name.is_empty() { "mission" } else { &name })
}

/// The zip file while it is written.
struct Packed<'a> {
    zip: ZipWriter<BufWriter<&'a File>>,
    /// The end of what came.
    tail: Vec<u8>,
}

impl<'a> Packed<'a> {
    fn new(file: &'a File) -> io::Result<Self> {
        let mut zip = ZipWriter::new(BufWriter::new(file));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).large_file(true);
        zip.start_file(MEMBER, options)?;
        Ok(Self { zip, tail: Vec::new() })
    }

    fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.tail.extend_from_slice(&data[data.len().saturating_sub(TAIL)..]);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
        self.zip.write_all(data)
    }

    fn finish(self) -> io::Result<()> {
        let last = self.tail.strip_suffix(b"\n").and_then(|t| t.rsplit(|b| *b == b'\n').next());
        if !last.is_some_and(|line| line.starts_with(b"{\"end\":")) {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "the server broke off: the last line is missing"));
        }
        let file = self.zip.finish()?.into_inner()?;
        file.sync_all()
    }
}

/// Reads one; the mission it has become.
///
/// # Errors
/// The exit code; what is wrong was printed.
pub fn import(global: &Global, path: &Path, name: Option<&str>, copy: bool) -> Result<Value, ExitCode> {
    let zip = open(path).map_err(|e| failed(path, &e))?;
    let dir = global.data_dir()?;
    let name = name.map(|name| format!("&name={}", encode(name))).unwrap_or_default();
    let uri = format!("{}?copy={copy}{name}", talk::MISSIONS);
    remote::runtime()?.block_on(async {
        let (to, mut pieces) = mpsc::channel(AHEAD);
        let reading = tokio::task::spawn_blocking(move || read(zip, &to));
        let body = Body::from_stream(futures_util::stream::poll_fn(move |cx| pieces.poll_recv(cx)));
        let answer = async { talk::json(talk::send(&dir, "POST", &uri, body).await?).await };
        let answer = answer.await;
        // When the file is at fault, the server's answer says less.
        match reading.await {
            Ok(Err(error)) => return Err(failed(path, &error)),
            Err(error) => return Err(failed(path, &error)),
            Ok(Ok(())) => {}
        }
        match answer {
            Ok(mission) => Ok(mission),
            Err(error) => Err(talk::explain(&dir, &error).await),
        }
    })
}

type Unpacked = ZipArchive<BufReader<File>>;

fn open(path: &Path) -> io::Result<Unpacked> {
    let strange = |e: String| {
        let said = format!("this is no file of fts mission export: {e}");
        io::Error::new(ErrorKind::InvalidData, said)
    };
    let mut zip = ZipArchive::new(BufReader::new(File::open(path)?)).map_err(|e| strange(e.to_string()))?;
    zip.by_name(MEMBER).map_err(|_| strange(format!("it has no {MEMBER}")))?;
    Ok(zip)
}

/// Gives the lines, piece by piece, until all are told or nobody listens. An error goes both ways: the server must not
/// take what came for the whole.
fn read(mut zip: Unpacked, to: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    let told = (|| {
        let mut member = zip.by_name(MEMBER)?;
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            Read::by_ref(&mut member).take(PIECE as u64).read_to_end(&mut piece)?;
            if piece.is_empty() || to.blocking_send(Ok(piece.into())).is_err() {
                return Ok(());
            }
        }
    })();
    told.map_err(|error: io::Error| {
        let said = format!("the file is damaged: {error}");
        let _ = to.blocking_send(Err(io::Error::new(error.kind(), said.clone())));
        io::Error::new(error.kind(), said)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(lines: &[&str]) -> io::Result<tempfile::NamedTempFile> {
        let file = tempfile::NamedTempFile::new()?;
        let mut zip = Packed::new(file.as_file())?;
        lines.iter().try_for_each(|line| zip.write(line.as_bytes()))?;
        zip.finish()?;
        Ok(file)
    }

    fn unpacked(path: &Path) -> io::Result<Vec<u8>> {
        let (to, mut from) = mpsc::channel(1_000);
        read(open(path)?, &to)?;
        drop(to);
        let mut all = Vec::new();
        while let Ok(piece) = from.try_recv() {
            all.extend_from_slice(&piece?);
        }
        Ok(all)
    }

    #[test]
    fn what_is_written_is_read_and_half_of_it_is_refused() {
        let long = format!("{{\"bytes\":\"{}\"}}\n", "x".repeat(3 * PIECE));
        let file = packed(&["{\"fts_mission\":1}\n", &long, "{\"e", "nd\":1}\n"]).unwrap();
        let text = String::from_utf8(unpacked(file.path()).unwrap()).unwrap();
        assert_eq!(text, format!("{{\"fts_mission\":1}}\n{long}{{\"end\":1}}\n"));
        for half in [&["{\"fts_mission\":1}\n"][..], &[], &["{\"end\":1}"], &[&long]] {
            assert_eq!(packed(half).unwrap_err().kind(), ErrorKind::UnexpectedEof, "{half:?}");
        }
    }

    #[test]
    fn a_strange_or_damaged_file_is_named_as_such() {
        let strange = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(strange.path(), "{}").unwrap();
        assert!(open(strange.path()).unwrap_err().to_string().contains("no file of fts mission export"));
        let file = packed(&["{\"text\":\"0123456789\"}\n", "{\"end\":1}\n"]).unwrap();
        let mut bytes = std::fs::read(file.path()).unwrap();
        // In the middle of the deflated text, behind the head of the member.
        bytes[30 + MEMBER.len() + 30] ^= 0x55;
        std::fs::write(file.path(), bytes).unwrap();
        assert!(unpacked(file.path()).unwrap_err().to_string().contains("the file is damaged"));
    }

    #[test]
    fn names_of_files_lead_nowhere() {
        assert_eq!(file_name("Flood North"), "Flood_North.mission.zip");
        assert_eq!(file_name("../a\\b:c"), "_a_b_c.mission.zip");
        assert_eq!(file_name(" . "), "mission.mission.zip");
    }
}
