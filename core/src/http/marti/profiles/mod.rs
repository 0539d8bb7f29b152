//! Device profiles (marti-http.md 7, identity.md 5.4): what a device is told at enrolment, at connect, and when one of its
//! tools asks: preferences and small files, as one data package. `store` keeps them, `admin` changes them, here they
//! are handed out.
//!
//! Order: whose groups count (those of the caller's own stream under that device uid, else the caller's), which profiles
//! fit, then the package. Nothing to tell is 204 without a body, never 404: ATAK takes that for an error. What has not
//! changed since the device last looked is not sent again, or ATAK imports the same preferences at each connect.
mod admin;
mod package;
mod store;
#[cfg(test)]
mod tests;

use axum::http::{HeaderValue, Method, StatusCode, header};
use fts_plugin_api::cot::Millis;

use self::{
    package::{Entry, zipped},
    store::{Occasion, Profile, ProfileFile},
};
use crate::{
    http::{
        answer::{Answer, HandlerError},
        auth::Auth,
        call::Call,
        listener::Listeners,
        native::{Book, Native},
    },
    observe::clock,
};

const ZIP: &str = "application/zip";

/// Its routes.
pub fn routes(book: &mut Book) {
    let mut tak = |path, endpoint, about| {
        let page = book.on(Method::GET, path, Listeners::TAK, Auth::User, endpoint).about(about);
        page.query("clientUid", "string", false).query("syncSecago", "integer", false);
        page.answers(200, ZIP).answers(204, "").answers(400, "application/json");
    };
    tak("/Marti/api/device/profile/connection", connection, "What a device is told when it has connected");
    tak("/Marti/api/device/profile/tool/{tool}", tool, "What a tool of a device is told");
    book.on(Method::GET, "/Marti/api/tls/profile/enrollment", Listeners::ENROLLMENT, Auth::Login, enrollment)
        .enrolls()
        .about("What a device is told when it has its certificate")
        .query("clientUid", "string", false)
        .answers(200, ZIP)
        .answers(204, "");
    for (path, at) in [
        ("/Marti/api/device/profile/tool/{tool}/file", Listeners::TAK),
        ("/Marti/api/tls/profile/tool/{tool}/file", Listeners::ENROLLMENT),
    ] {
        let enrolls = at == Listeners::ENROLLMENT;
        let page = book.on(Method::GET, path, at, Auth::User, tool_file);
        if enrolls {
            page.enrolls();
        }
        page.about("Files of a tool by their paths").query("relativePath", "string", true);
        page.query("clientUid", "string", false).query("syncSecago", "integer", false);
        page.answers(200, "application/octet-stream").answers(304, "").answers(400, "application/json");
    }
    admin::routes(book);
}

/// Profiles are off: as if there were none of these routes.
fn on(native: &Native) -> Result<(), HandlerError> {
    match native.config().marti.device_profiles {
        true => Ok(()),
        false => Err(HandlerError::not_found("device profiles are switched off (marti.device_profiles)")),
    }
}

fn connection(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    on(native)?;
    let missing = || HandlerError::bad_request("syncSecago and clientUid are required");
    let ago = ago(&call)?.ok_or_else(missing)?;
    device(&call).ok_or_else(missing)?;
    let mut entries = entries(native, &call, &Occasion::Connection, ago)?;
    // Only where the device has never looked: these have no time of their own.
    if ago < 0 {
        entries.extend(package::of_itself(native, &call)?);
    }
    answer(native, "Connection", &entries)
}

fn enrollment(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    on(native)?;
    let mut entries = entries(native, &call, &Occasion::Enrollment, -1)?;
    entries.extend(package::of_itself(native, &call)?);
    answer(native, "Enrollment", &entries)
}

fn tool(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    on(native)?;
    let (tool, ago) = (call.params.get("tool").unwrap_or_default().to_owned(), ago(&call)?.unwrap_or(-1));
    let entries = entries(native, &call, &Occasion::Tool(tool.clone()), ago)?;
    answer(native, &tool, &entries)
}

/// Files of a tool's profiles by path: one as it is, several as a package.
fn tool_file(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    on(native)?;
    let mut paths = Vec::new();
    for asked in call.query.all("relativePath") {
        let path = asked.strip_prefix('/').and_then(path_of);
        paths.push(path.ok_or_else(|| {
            HandlerError::bad_request("relativePath: a path that begins with / and leads nowhere else")
        })?);
    }
    if paths.is_empty() {
        return Err(HandlerError::bad_request("relativePath is required"));
    }
    let tool = Occasion::Tool(call.params.get("tool").unwrap_or_default().to_owned());
    let mut found: Vec<ProfileFile> = Vec::new();
    for profile in chosen(native, &call, &tool, -1)? {
        let files = store::files(&native.db, profile.id, true)?;
        found.extend(files.into_iter().filter(|f| paths.contains(&f.name)));
    }
    found.sort_by_key(|f| paths.iter().position(|p| *p == f.name));
    found.dedup_by(|a, b| a.name == b.name);
    if found.len() < paths.iter().collect::<std::collections::BTreeSet<_>>().len() {
        return Err(HandlerError::not_found("no such file"));
    }
    let newest = found.iter().map(|f| f.updated).max().unwrap_or(0);
    let known = call.headers.get(header::IF_MODIFIED_SINCE).and_then(|v| package::read_date(v.to_str().ok()?));
    let ago = ago(&call)?.unwrap_or(-1);
    // A date has whole seconds.
    let seen = known.is_some_and(|known| newest / 1_000 * 1_000 <= known) || (ago >= 0 && newest <= since(ago));
    let modified = HeaderValue::from_str(&package::date(newest)).map_err(|e| HandlerError::internal(e.to_string()))?;
    if seen {
        return Ok(Answer::empty(StatusCode::NOT_MODIFIED).with(header::LAST_MODIFIED, modified));
    }
    let answer = match found.as_slice() {
        [one] => package::raw(&one.name, one.bytes.clone()),
        several => {
            let entries: Vec<_> = several.iter().map(|f| Entry::of(&f.name, f.bytes.clone())).collect();
            answer(native, call.params.get("tool").unwrap_or_default(), &entries)?
        }
    };
    Ok(answer.with(header::LAST_MODIFIED, modified))
}

fn answer(native: &Native, name: &str, entries: &[Entry]) -> Result<Answer, HandlerError> {
    if entries.is_empty() {
        return Ok(Answer::empty(StatusCode::NO_CONTENT));
    }
    let zip = zipped(&native.config().server.node_id, name, entries)?;
    let attachment = HeaderValue::from_static("attachment; filename=profile.zip");
    Ok(Answer::bytes(ZIP, zip).with(header::CONTENT_DISPOSITION, attachment))
}

fn entries(native: &Native, call: &Call, occasion: &Occasion, ago: i64) -> Result<Vec<Entry>, HandlerError> {
    let mut entries = Vec::new();
    for profile in chosen(native, call, occasion, ago)? {
        let files = store::files(&native.db, profile.id, true)?;
        entries.extend(files.into_iter().map(|f| Entry::of(&f.name, f.bytes)));
    }
    Ok(entries)
}

fn chosen(native: &Native, call: &Call, occasion: &Occasion, ago: i64) -> Result<Vec<Profile>, HandlerError> {
    let device = device(call).unwrap_or_default();
    let since = if ago < 0 { i64::MIN } else { since(ago) };
    Ok(store::chosen(&native.db, occasion, since, device, &groups(native, call, device))?)
}

fn since(ago: i64) -> Millis {
    clock::now_ms().saturating_sub(ago.saturating_mul(1_000))
}

/// Groups the caller receives: those of its stream with this uid, because channels are chosen per device. A uid of
/// somebody else's stream is a claim and changes nothing.
fn groups(native: &Native, call: &Call, device: &str) -> Vec<String> {
    let own = call.identity.user.as_deref().filter(|_| !call.identity.anonymous);
    let directory = &native.router.directory;
    let stream = own.and_then(|user| {
        let found = directory.index().uid(device);
        found.into_iter().find(|client| client.user().eq_ignore_ascii_case(user))
    });
    match stream {
        Some(client) => directory.groups.names(&client.groups().receive),
        None => call.identity.groups_out.clone(),
    }
}

fn device(call: &Call) -> Option<&str> {
    call.query.get_any_case("clientUid").filter(|uid| !uid.is_empty())
}

fn ago(call: &Call) -> Result<Option<i64>, HandlerError> {
    let text = call.query.get_any_case("syncSecago").filter(|t| !t.is_empty());
    let bad = |_| HandlerError::bad_request("syncSecago: a whole number of seconds");
    text.map(|t| t.trim().parse::<i64>().map_err(bad)).transpose()
}

/// A relative path with parts that lead nowhere else; None = it is none.
fn path_of(text: &str) -> Option<String> {
    let good = |part: &str| !part.is_empty() && part != "." && part != "..";
    let fine = text.len() <= 255 && !text.contains('\\') && !text.chars().any(char::is_control);
    (fine && text.split('/').all(good)).then(|| text.to_owned())
}
