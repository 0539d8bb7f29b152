//! The bytes of a stored file (marti-http.md 6.7): whole, from an offset, a range, or only their head. The host streams
//! them from the disk; here the row is found and the headers are made. Uploads are untrusted and share their origin with
//! web pages: always an attachment, and the type is not guessed.
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};

use super::{named, number, said, sight};
use crate::{
    files::{FileError, Resource, name},
    http::{
        answer::{Answer, Content, HandlerError},
        auth::Auth,
        call::Call,
        listener::Listeners,
        native::{Book, Native},
    },
};

/// Its routes. The second is what FreeTAKServer put into its URLs, and FTS-UI still does.
pub fn routes(book: &mut Book) {
    book.on(Method::GET, "/Marti/sync/content", Listeners::TAK, Auth::User, content)
        .about("A stored file")
        .query("hash", "string", false)
        .query("uid", "string", false)
        .query("offset", "string", false)
        .query("length", "string", false)
        .query("feedName", "string", false)
        .answers(200, "application/octet-stream")
        .answers(206, "application/octet-stream")
        .answers(304, "")
        .answers(400, "text/plain")
        .answers(404, "text/plain")
        .answers(416, "");
    book.on(Method::GET, "/Marti/api/sync/metadata/{hash}/tool", Listeners::TAK, Auth::User, by_path)
        .about("The same file, at an old address")
        .query("offset", "string", false)
        .answers(200, "application/octet-stream")
        .answers(206, "application/octet-stream")
        .answers(304, "")
        .answers(404, "application/json")
        .answers(416, "");
    book.on(Method::GET, "/Marti/api/files/{hash}", Listeners::TAK, Auth::User, by_path)
        .about("A stored file")
        .query("offset", "string", false)
        .answers(200, "application/octet-stream")
        .answers(206, "application/octet-stream")
        .answers(304, "")
        .answers(404, "application/json")
        .answers(416, "");
}

pub(super) fn content(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let Some(name) = named(&call) else { return Err(HandlerError::bad_request("hash or uid is missing")) };
    send(native, &call, name, said(&call, &["feedName"]))
}

pub(super) fn by_path(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    send(native, &call, call.params.get("hash").unwrap_or_default().trim(), None)
}

/// `feed` = what it is fetched for: plugins are told when it was fetched to its end.
fn send(native: &Native, call: &Call, name: &str, feed: Option<&str>) -> Result<Answer, HandlerError> {
    let user = call.identity.user.as_deref().unwrap_or_default();
    let found = native.files.find_for(name, &sight(call), user)?;
    let mut file = native.files.open_content(&found).map_err(|error| match error {
        FileError::Missing(_) => FileError::NotFound,
        error => error,
    })?;
    // What is no number counts as nothing, as in TAK Server.
    let asked = |name| number::<u64>(call, &[name]).unwrap_or_default();
    let (mut status, mut range, mut to_the_end) = (StatusCode::OK, None, true);
    let (offset, length) = (asked("offset"), asked("length"));
    if offset.is_some() || length.is_some() {
        let from = offset.unwrap_or(0).min(found.size);
        file = file.part(from, length.unwrap_or(u64::MAX));
        to_the_end = from + file.len() >= found.size;
        // ATAK takes nothing but 200, also for the rest of a file; only a length asks for less than that.
        if from + file.len() < found.size && !file.is_empty() {
            status = StatusCode::PARTIAL_CONTENT;
            range = Some(format!("bytes {from}-{}/{}", from + file.len() - 1, found.size));
        }
    }
    if let Some(then) = feed.and_then(|feed| native.files.fetched(&found.hash, feed, user)).filter(|_| to_the_end) {
        file = file.then(then);
    }
    let mut answer = Answer { status, headers: axum::http::HeaderMap::new(), content: Content::File(file) };
    for (name, value) in heads(&found) {
        answer = answer.with(name, value);
    }
    if let Some(range) = range.and_then(|r| HeaderValue::from_str(&r).ok()) {
        answer = answer.with(header::CONTENT_RANGE, range);
    }
    Ok(answer)
}

fn heads(file: &Resource) -> Vec<(HeaderName, HeaderValue)> {
    let value = |text: &str| HeaderValue::from_str(text).ok();
    let mime = value(&name::content_type(&file.mime_type)).filter(|v| !v.is_empty());
    let mime = mime.unwrap_or_else(|| HeaderValue::from_static("application/octet-stream"));
    let modified = time::OffsetDateTime::from_unix_timestamp(file.submission_time.div_euclid(1_000)).ok();
    let modified = modified.and_then(|at| value(&http_date(at)));
    let shown = if file.name.is_empty() { file.hash.as_str() } else { &file.name };
    let mut heads = vec![
        (header::CONTENT_TYPE, mime),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (HeaderName::from_static("api-version"), HeaderValue::from_static("3")),
    ];
    heads.extend(value(&name::disposition(shown)).map(|v| (header::CONTENT_DISPOSITION, v)));
    heads.extend(modified.map(|v| (header::LAST_MODIFIED, v)));
    heads
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(at: time::OffsetDateTime) -> String {
    let day = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][usize::from(at.weekday().number_days_from_monday())];
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months[usize::from(u8::from(at.month())) - 1];
    let (hour, minute, second) = at.to_hms();
    format!("{day}, {:02} {month} {} {hour:02}:{minute:02}:{second:02} GMT", at.day(), at.year())
}
