//! `/Marti/ErrorLog`: what ATAK hands in after a crash (marti-http.md 10): a zip in base64, each of whose files becomes a
//! row. Whoever the listener lets in may hand one in; only administrators read and remove. The zip is not believed
//! (`archive`), names lose their folders, and all logs together have a limit: a phone in a loop cannot fill the disk.
use std::{
    fs::File,
    io::{self, Read, Seek, Write},
};

use axum::http::{HeaderValue, Method, StatusCode, header};
use base64::{
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    read::DecoderReader,
};
use fts_plugin_api::cot::format_time;
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::{
    archive::{self, Archive, Limits},
    files::name,
    http::{
        answer::{Answer, HandlerError, Stored},
        auth::Auth,
        body::Body,
        call::Call,
        listener::Listeners,
        native::{Book, Native},
    },
    observe::clock,
    store::devices::error_log::{self, Log, Sender},
};

/// The body: base64 of a zip (marti-http.md 2.5).
const BODY: u64 = 64 << 20;
/// What one zip may inflate to: its files are stored in one transaction.
const INFLATED: u64 = 64 << 20;
/// All stored logs together.
const ALL: u64 = 1 << 30;
/// Characters of what a device says about itself.
const WORD: usize = 255;

/// Android leaves the padding out at times.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Its routes.
pub fn routes(book: &mut Book) {
    if !book.config().marti.error_log {
        return;
    }
    let (path, text) = ("/Marti/ErrorLog", "text/plain");
    book.on(Method::POST, path, Listeners::TAK, Auth::User, post)
        .about("Hands in error logs: a zip in base64")
        .query("uid", "string", true)
        .query("callsign", "string", false)
        .query("platform", "string", false)
        .query("majorVersion", "string", false)
        .query("minorVersion", "string", false)
        .takes(text, BODY)
        .answers(200, "")
        .answers(400, text)
        .answers(503, text)
        .answers(507, text);
    book.on(Method::GET, path, Listeners::TAK, Auth::RoleAdmin, get)
        .about("Error logs: id is a number, several with commas, or ALL")
        .query("id", "string", true)
        .answers(200, text)
        .answers(200, "application/zip")
        .answers(400, text)
        .answers(404, text);
    book.on(Method::DELETE, path, Listeners::TAK, Auth::RoleAdmin, delete)
        .about("Removes error logs")
        .query("id", "string", true)
        .answers(200, "")
        .answers(400, text)
        .answers(404, text);
}

fn post(native: &Native, mut call: Call) -> Result<Answer, HandlerError> {
    let said = |name| call.query.get_any_case(name).unwrap_or_default().chars().take(WORD).collect::<String>();
    let sender = Sender {
        uid: said("uid"),
        callsign: said("callsign"),
        platform: said("platform"),
        major_version: said("majorVersion"),
        minor_version: said("minorVersion"),
        user: call.identity.user.as_deref().unwrap_or("anonymous").to_owned(),
    };
    if sender.uid.is_empty() {
        return Err(HandlerError::bad_request("uid: the device the logs are of"));
    }
    let zip = decoded(native, &mut call.body)?;
    let busy = || HandlerError::new(StatusCode::SERVICE_UNAVAILABLE, "others hand in their logs; try again");
    let _turn = archive::turn().ok_or_else(busy)?;
    let files = unpacked(zip).map_err(HandlerError::bad_request)?;
    let more: u64 = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    if error_log::bytes(&native.db)?.saturating_add(more) > ALL {
        return Err(HandlerError::new(StatusCode::INSUFFICIENT_STORAGE, "the server keeps no more error logs"));
    }
    error_log::add(&native.db, &sender, clock::now_ms(), files)?;
    Ok(Answer::empty(StatusCode::OK))
}

/// What stands in the body, as a file: it may be long, and many may come at once.
fn decoded(native: &Native, body: &mut Body) -> Result<File, HandlerError> {
    let disk = |error: io::Error| {
        tracing::error!(event = "db.error", %error, "an error log could not be written to a file");
        HandlerError::internal("the log could not be kept")
    };
    let mut file = tempfile::tempfile_in(native.files.tmp()).map_err(disk)?;
    let mut decoder = DecoderReader::new(Dense(body), &BASE64);
    let mut buffer = vec![0; 64 << 10];
    loop {
        // An error of the body's own file is told like this, too; it is as rare as it is unimportant to whom.
        let read = decoder.read(&mut buffer);
        match read.map_err(|e| HandlerError::bad_request(format!("the body is not base64: {e}")))? {
            0 => break,
            read => file.write_all(&buffer[..read]).map_err(disk)?,
        }
    }
    file.rewind().map_err(disk)?;
    Ok(file)
}

/// The body without its line breaks.
struct Dense<'a>(&'a mut Body);

impl Read for Dense<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.0.read(into)?;
            let mut kept = 0;
            for at in 0..read {
                if !into[at].is_ascii_whitespace() {
                    into[kept] = into[at];
                    kept += 1;
                }
            }
            // Nothing but white space is not the end.
            if kept > 0 || read == 0 {
                return Ok(kept);
            }
        }
    }
}

/// Names without folders, and contents.
fn unpacked(zip: File) -> Result<Vec<(String, Vec<u8>)>, String> {
    let limits = Limits { total: INFLATED, ..Limits::default() };
    let mut archive = Archive::open(io::BufReader::new(zip), limits).map_err(|e| e.to_string())?;
    let files = (0..archive.members().len()).map(|at| {
        let name = archive.members()[at].base().to_owned();
        archive.read(at, INFLATED).map(|bytes| (name, bytes)).map_err(|e| e.to_string())
    });
    files.collect()
}

/// Which logs are meant.
enum Wanted {
    All,
    One(i64),
    Some(Vec<i64>),
}

impl Wanted {
    fn of(call: &Call) -> Result<Self, HandlerError> {
        let text = call.query.get_any_case("id").unwrap_or_default();
        if text.eq_ignore_ascii_case("ALL") {
            return Ok(Self::All);
        }
        let ids = text.split(',').map(|id| id.trim().parse::<i64>()).collect::<Result<Vec<_>, _>>();
        match ids.as_deref() {
            Ok([id]) => Ok(Self::One(*id)),
            Ok(ids) => Ok(Self::Some(ids.to_vec())),
            Err(_) => Err(HandlerError::bad_request(format!("id {text:?}: a number, several with commas, or ALL"))),
        }
    }

    fn ids(&self) -> Option<&[i64]> {
        match self {
            Self::All => None,
            Self::One(id) => Some(std::slice::from_ref(id)),
            Self::Some(ids) => Some(ids),
        }
    }
}

fn missing() -> HandlerError {
    HandlerError::not_found("there is no such error log")
}

fn get(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let wanted = Wanted::of(&call)?;
    let logs = error_log::list(&native.db, wanted.ids())?;
    match (&wanted, logs.as_slice()) {
        (Wanted::One(_) | Wanted::Some(_), []) => Err(missing()),
        (Wanted::One(id), [log, ..]) => {
            let bytes = error_log::contents(&native.db, *id)?.ok_or_else(missing)?;
            attached(Answer::bytes("text/plain", bytes), &log.file_name)
        }
        (_, logs) => {
            let file = packed(native, logs).map_err(|e| {
                tracing::error!(event = "db.error", error = %e, "error logs could not be packed");
                HandlerError::internal("the logs could not be packed")
            })?;
            let day = format_time(clock::now_ms())[..10].replace('-', "");
            attached(Answer::file("application/zip", file), &format!("LogExport{day}.zip"))
        }
    }
}

/// All of them as `<id>_<name>` in a zip that is nowhere but in this file.
fn packed(native: &Native, logs: &[Log]) -> Result<Stored, io::Error> {
    let mut zip = ZipWriter::new(tempfile::tempfile_in(native.files.tmp())?);
    for log in logs {
        // One that was removed meanwhile is left out.
        let bytes = error_log::contents(&native.db, log.id).map_err(io::Error::other)?;
        let Some(bytes) = bytes else { continue };
        zip.start_file(format!("{}_{}", log.id, log.file_name), SimpleFileOptions::default())?;
        zip.write_all(&bytes)?;
    }
    Stored::opened(zip.finish()?, None)
}

fn attached(answer: Answer, file_name: &str) -> Result<Answer, HandlerError> {
    let value = HeaderValue::from_str(&name::disposition(file_name));
    Ok(match value {
        Ok(value) => answer.with(header::CONTENT_DISPOSITION, value),
        Err(_) => answer,
    })
}

fn delete(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let wanted = Wanted::of(&call)?;
    let gone = error_log::remove(&native.db, wanted.ids())?;
    match (wanted, gone) {
        (Wanted::One(_) | Wanted::Some(_), 0) => Err(missing()),
        _ => Ok(Answer::empty(StatusCode::OK)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use base64::Engine;

    use super::*;
    use crate::http::marti::bed::{Ask, Bed};

    fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in members {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    /// As Android writes it: lines of 76 characters.
    fn base64(bytes: &[u8]) -> String {
        let text = base64::engine::general_purpose::STANDARD.encode(bytes);
        text.as_bytes().chunks(76).map(|l| format!("{}\n", std::str::from_utf8(l).unwrap())).collect()
    }

    fn posted(body: impl Into<bytes::Bytes>) -> Ask {
        let target = "/?platform=a&uid=U1&callsign=A&majorVersion=5&minorVersion=3";
        Ask::new("POST", target).header("content-encoding", "UTF-8").body(body)
    }

    #[test]
    fn m15_33_a_log_is_handed_in_read_and_removed() {
        let bed = Bed::new();
        let noise: Vec<u8> = (0..9_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let body = base64(&zip(&[("a.txt", &noise), ("deep/er/b.txt", b"two")]));
        assert!(body.lines().count() > 10);
        let reply = posted(body).of(&bed, post).unwrap();
        assert_eq!((reply.status, reply.bytes.len(), reply.header("content-type")), (200, 0, ""));
        let all = Ask::get("/?id=ALL").of(&bed, get).unwrap();
        assert_eq!(all.header("content-type"), "application/zip");
        assert!(all.header("content-disposition").contains("LogExport20"), "{}", all.header("content-disposition"));
        let mut archive = Archive::open(Cursor::new(all.bytes), Limits::default()).unwrap();
        let names: Vec<_> = archive.members().iter().map(|m| m.name.clone()).collect();
        assert_eq!(names, ["1_a.txt", "2_b.txt"]);
        assert_eq!(archive.read(0, 1 << 20).unwrap(), noise);
        let one = Ask::get("/?id=2").of(&bed, get).unwrap();
        assert_eq!((one.header("content-type"), one.text().as_str()), ("text/plain", "two"));
        assert!(one.header("content-disposition").starts_with("attachment"));
        assert_eq!(Ask::new("DELETE", "/?id=1,7").of(&bed, delete).unwrap().status, 200);
        assert_eq!([Ask::get("/?id=1").refused(&bed, get), Ask::get("/?id=x").refused(&bed, get)], [404, 400]);
        assert_eq!(Ask::new("DELETE", "/?id=1").refused(&bed, delete), 404);
        assert_eq!(Ask::new("DELETE", "/?id=ALL").of(&bed, delete).unwrap().status, 200);
        assert_eq!(Ask::get("/").refused(&bed, get), 400);
    }

    #[test]
    fn m15_33_what_is_no_zip_in_base64_is_refused() {
        let bed = Bed::new();
        for body in [&b"not base64!"[..], b"", b"aGVsbG8=", &zip(&[("a", b"1")])] {
            assert_eq!(posted(body.to_vec()).refused(&bed, post), 400);
        }
        let good = base64(&zip(&[("a", b"1")]));
        assert_eq!(Ask::new("POST", "/").body(good.clone()).refused(&bed, post), 400, "without a uid");
        let unpadded = good.replace(['=', '\n'], "");
        assert_eq!(posted(unpadded).of(&bed, post).unwrap().status, 200);
    }

    #[test]
    fn m11_5_a_bomb_is_refused() {
        let bed = Bed::new();
        assert_eq!(posted(base64(&zip(&[("a", &vec![0; 3 << 20])]))).refused(&bed, post), 400);
        assert_eq!(posted(base64(&zip(&[("ok", b"1"), ("../b", b"2")]))).refused(&bed, post), 400);
        assert!(error_log::list(&bed.native.db, None).unwrap().is_empty());
    }
}
