//! The file of `fts mission export` and `import`: an archive zip, made and read by the plugin, carried here. It is never
//! whole in memory.
//!
//! Export: the mission is looked up, the zip goes into a new file beside the wanted one, which gets its name when the zip
//! is whole. What must not happen: a file that is there is replaced; others than the owner may read it (it holds the
//! hash of the mission's password); an export that was cut off looks like a whole one.
use std::{
    fs::File,
    io::{self, BufReader, ErrorKind, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use zip::ZipArchive;

use super::talk;
use crate::{
    cli::{
        Global,
        output::text,
        remote::{self, encode},
    },
    http::local::LocalError,
};

/// The last member of the zip file but one: with it the whole history.
const MEMBER: &str = "MANIFEST/mission.jsonl";
/// Bytes read at once.
const PIECE: usize = 256 << 10;
/// Pieces on their way to the server.
const AHEAD: usize = 4;

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
    let mut kept = tempfile::NamedTempFile::new_in(folder).map_err(|e| failed(&path, &e))?;
    let dir = global.data_dir()?;
    // By guid: another of the same name may be made meanwhile.
    let uri = format!("{}/export?files={files}", super::at(&text(&found["guid"])));
    remote::runtime()?.block_on(async {
        let mut pieces = match talk::send(&dir, "GET", &uri, Body::empty()).await {
            Ok(pieces) => pieces,
            Err(error) => return Err(talk::explain(&dir, &error).await),
        };
        while let Some(frame) = pieces.frame().await {
            let frame = frame.map_err(|e| failed(&path, &format!("the server broke off: {e}")))?;
            if let Ok(data) = frame.into_data() {
                kept.write_all(&data).map_err(|e| failed(&path, &e))?;
            }
        }
        kept.as_file().sync_all().and_then(|()| whole(kept.path())).map_err(|e| failed(&path, &e))
    })?;
    let bytes = kept.as_file().metadata().map_err(|e| failed(&path, &e))?.len();
    kept.persist_noclobber(&path).map_err(|e| match e.error.kind() {
        ErrorKind::AlreadyExists => there(&path),
        _ => failed(&path, &e.error),
    })?;
    Ok(json!({"file": path, "bytes": bytes, "guid": found["guid"], "name": found["name"]}))
}

/// The directory of a zip is at its end: who can read it has all of it.
fn whole(path: &Path) -> io::Result<()> {
    let broken = |why: String| io::Error::new(ErrorKind::UnexpectedEof, format!("the server broke off: {why}"));
    let zip = ZipArchive::new(BufReader::new(File::open(path)?)).map_err(|e| broken(e.to_string()))?;
    match zip.index_for_name(MEMBER) {
        Some(_) => Ok(()),
        None => Err(broken(format!("{MEMBER} is missing in what it sent"))),
    }
}

/// A name for a file, whatever the mission is called.
fn file_name(mission: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "-_. ".contains(c) { c } else { '_' };
    let name: String = mission.chars().take(60).map(plain).collect();
    let name = name.trim_matches(['.', ' ']).replace(' ', "_");
    format!("{}.mission.zip", if name.is_empty() { "mission" } else { &name })
}

/// Reads one; the mission it has become.
///
/// # Errors
/// The exit code; what is wrong was printed.
pub fn import(global: &Global, path: &Path, name: Option<&str>, copy: bool) -> Result<Value, ExitCode> {
    let file = File::open(path).map_err(|e| failed(path, &e))?;
    let dir = global.data_dir()?;
    let name = name.map(|name| format!("&name={}", encode(name))).unwrap_or_default();
    let uri = format!("{}?copy={copy}{name}", talk::MISSIONS);
    remote::runtime()?.block_on(async {
        let (to, mut pieces) = mpsc::channel(AHEAD);
        let reading = tokio::task::spawn_blocking(move || read(file, &to));
        let body = Body::from_stream(futures_util::stream::poll_fn(move |cx| pieces.poll_recv(cx)));
        let answer = async { talk::json(talk::send(&dir, "POST", &uri, body).await?).await };
        let answer = answer.await;
        // When the file cannot be read, the server's answer says less.
        match reading.await {
            Ok(Err(error)) => return Err(failed(path, &error)),
            Err(error) => return Err(failed(path, &error)),
            Ok(Ok(())) => {}
        }
        match answer {
            Ok(mission) => Ok(mission),
            // What is wrong with it, and where in it.
            Err(LocalError::Refused { status: StatusCode::BAD_REQUEST, message }) => Err(failed(path, &message)),
            Err(error) => Err(talk::explain(&dir, &error).await),
        }
    })
}

/// Gives the file, piece by piece, until all is told or nobody listens. An error goes both ways: the server must not
/// take what came for the whole.
fn read(mut file: impl Read, to: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    let told = (|| {
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            Read::by_ref(&mut file).take(PIECE as u64).read_to_end(&mut piece)?;
            if piece.is_empty() || to.blocking_send(Ok(piece.into())).is_err() {
                return Ok(());
            }
        }
    })();
    told.map_err(|error: io::Error| {
        let said = format!("the file cannot be read: {error}");
        let _ = to.blocking_send(Err(io::Error::new(error.kind(), said.clone())));
        io::Error::new(error.kind(), said)
    })
}

#[cfg(test)]
mod tests {
    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    #[test]
    fn half_a_zip_is_not_taken_for_a_whole_one() {
        let made = |member: &str| {
            let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
            zip.start_file(member, SimpleFileOptions::default()).unwrap();
            zip.write_all(b"{\"end\":1}\n").unwrap();
            zip.finish().unwrap().into_inner()
        };
        let good = made(MEMBER);
        let file = tempfile::NamedTempFile::new().unwrap();
        let checked = |bytes: &[u8]| {
            std::fs::write(file.path(), bytes).unwrap();
            whole(file.path())
        };
        checked(&good).unwrap();
        for bad in [&good[..good.len() - 1], &good[..good.len() / 2], &[], &made("other")] {
            let error = checked(bad).unwrap_err();
            assert!(error.to_string().contains("the server broke off"), "{error}");
        }
    }

    #[test]
    fn a_file_is_told_whole_and_what_cannot_be_read_is_told_to_both() {
        let bytes = vec![7; 3 * PIECE + 1];
        let (to, mut from) = mpsc::channel(1_000);
        read(&bytes[..], &to).unwrap();
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("a bad sector"))
            }
        }
        let error = read(Broken, &to).unwrap_err();
        assert_eq!(error.to_string(), "the file cannot be read: a bad sector");
        drop(to);
        let mut all = Vec::new();
        while let Ok(Ok(piece)) = from.try_recv() {
            all.extend_from_slice(&piece);
        }
        assert!(all == bytes && from.try_recv().is_err());
    }

    #[test]
    fn names_of_files_lead_nowhere() {
        assert_eq!(file_name("Flood North"), "Flood_North.mission.zip");
        assert_eq!(file_name("../a\\b:c"), "_a_b_c.mission.zip");
        assert_eq!(file_name(" . "), "mission.mission.zip");
    }
}
