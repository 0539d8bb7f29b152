//! Icon sets (marti-http.md 10): a zip is handed in, its pictures are listed and given out, by place or for a type of
//! event. Sets have no groups, as in TAK Server: everybody the listener lets in sees them; users who may write hand them
//! in, a set is replaced and removed by who handed it in and by administrators.
mod upload;

use std::{
    fs::File,
    io::{BufReader, Cursor},
};

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::envelope;
use crate::{
    archive,
    http::{
        answer::{Answer, HandlerError},
        auth::{Auth, Identity, Role},
        call::Call,
        listener::Listeners,
        native::{Book, Native},
        url::base_url,
    },
    observe::clock,
    store::devices::iconset::{self, Iconset, Place},
};

/// The zip.
const BODY: u64 = 64 << 20;

/// Its routes.
pub fn routes(book: &mut Book) {
    if !book.config().marti.iconsets {
        return;
    }
    let (json, text, png) = ("application/json", "text/plain", "image/png");
    book.on(Method::POST, "/Marti/api/iconset", Listeners::TAK, Auth::Login, post)
        .about("Hands in an icon set: a zip with iconset.xml")
        .upload(&["file"])
        .takes("multipart/form-data", BODY)
        .answers(200, json)
        .answers(400, json)
        .answers(503, json);
    book.on(Method::GET, "/Marti/api/iconset/all/uid", Listeners::TAK, Auth::User, uids)
        .about("Uids of all icon sets")
        .answers(200, json);
    book.on(Method::DELETE, "/Marti/api/iconset/{uid}", Listeners::TAK, Auth::Login, delete)
        .about("Removes an icon set")
        .answers(200, "")
        .answers(404, json);
    book.on(Method::GET, "/Marti/api/iconseturl/{uid}", Listeners::TAK, Auth::User, urls)
        .about("URLs of the pictures of an icon set")
        .answers(200, json)
        .answers(404, json);
    book.on(Method::GET, "/Marti/api/icon/{uid}/{group}/{name}", Listeners::TAK, Auth::User, icon)
        .about("One picture")
        .answers(200, png)
        .answers(404, json);
    for (path, endpoint, kind) in [
        ("/Marti/api/iconurl", icon_url as crate::http::native::Endpoint, text),
        ("/Marti/api/iconimage", icon_image, png),
    ] {
        book.on(Method::GET, path, Listeners::TAK, Auth::User, endpoint)
            .about("The picture for a path in an icon set, else for a type of event")
            .query("iconsetpath", "string", false)
            .query("cotType", "string", false)
            .query("relative", "boolean", false)
            .answers(200, kind)
            .answers(404, json);
    }
}

fn post(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let who = &call.identity;
    if who.role == Role::ReadOnly {
        return Err(HandlerError::forbidden("your account may only read"));
    }
    let busy = || HandlerError::new(StatusCode::SERVICE_UNAVAILABLE, "others hand in their icons; try again");
    let _turn = archive::turn().ok_or_else(busy)?;
    let read = match call.body.path() {
        Some(path) => File::open(path).map_err(|e| e.to_string()).and_then(|f| upload::read(BufReader::new(f))),
        None => call.body.bytes(BODY).map_err(|e| e.to_string()).and_then(|b| upload::read(Cursor::new(b))),
    };
    let (set, icons) = read.map_err(HandlerError::bad_request)?;
    let set = Iconset { owner: owner(who), updated_at: clock::now_ms(), ..set };
    match iconset::put(&native.db, &set, icons, who.role == Role::Admin)? {
        true => Ok(envelope(native, "String", json!(set.uid))),
        false => Err(HandlerError::forbidden("an icon set with this uid belongs to somebody else")),
    }
}

fn owner(who: &Identity) -> String {
    who.user.as_deref().unwrap_or_default().to_owned()
}

fn uids(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    Ok(envelope(native, "String", json!(iconset::uids(&native.db)?)))
}

fn delete(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let set = iconset::get(&native.db, call.params.get("uid").unwrap_or_default())?.ok_or_else(missing)?;
    if set.owner != owner(&call.identity) && call.identity.role != Role::Admin {
        return Err(HandlerError::forbidden("only its owner and administrators remove an icon set"));
    }
    iconset::remove(&native.db, &set.uid)?;
    Ok(Answer::empty(StatusCode::OK))
}

fn missing() -> HandlerError {
    HandlerError::not_found("there is no such icon")
}

fn urls(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let uid = call.params.get("uid").unwrap_or_default();
    iconset::get(&native.db, uid)?.ok_or_else(missing)?;
    let base = base_url(native, &call);
    let all = iconset::icons(&native.db, uid)?;
    let all: Vec<_> = all.iter().map(|place| Value::String(format!("{base}{}", path(place)))).collect();
    Ok(Answer::json(&Value::Array(all)))
}

/// Where a picture is on this server.
fn path(place: &Place) -> String {
    let parts = [&place.iconset, &place.folder, &place.name].map(|part| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        part.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect::<String>()
    });
    format!("/Marti/api/icon/{}", parts.join("/"))
}

fn icon(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let part = |name| call.params.get(name).unwrap_or_default().to_owned();
    png(native, &Place { iconset: part("uid"), folder: part("group"), name: part("name") })
}

fn png(native: &Native, place: &Place) -> Result<Answer, HandlerError> {
    Ok(Answer::bytes("image/png", iconset::png(&native.db, place)?.ok_or_else(missing)?))
}

fn icon_url(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let place = wanted(native, &call)?;
    let relative = call.query.get_any_case("relative").is_some_and(|r| r.eq_ignore_ascii_case("true"));
    let base = if relative { String::new() } else { base_url(native, &call) };
    Ok(Answer::bytes("text/plain", format!("{base}{}", path(&place))))
}

fn icon_image(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    png(native, &wanted(native, &call)?)
}

/// In order: the picture at the path; the one of the path's set for the type, or the set's own for the side the type is
/// on; the one of any set for the type.
fn wanted(native: &Native, call: &Call) -> Result<Place, HandlerError> {
    let said = |name| call.query.get_any_case(name).unwrap_or_default().trim();
    let (path, kind) = (said("iconsetpath"), said("cotType"));
    let mut parts = path.splitn(3, '/');
    let mut part = || parts.next().unwrap_or_default().to_owned();
    let place = Place { iconset: part(), folder: part(), name: part() };
    if iconset::png(&native.db, &place)?.is_some() {
        return Ok(place);
    }
    if kind.is_empty() {
        return Err(missing());
    }
    if let Some(set) = iconset::get(&native.db, &place.iconset)? {
        let for_side = || match default_of(&set, kind) {
            Some(name) => iconset::find(&native.db, &set.uid, None, Some(name)),
            None => Ok(None),
        };
        let found = iconset::find(&native.db, &set.uid, Some(kind), None)?;
        if let Some(found) = found.map_or_else(for_side, |found| Ok(Some(found)))? {
            return Ok(found);
        }
    }
    iconset::for_type(&native.db, kind)?.ok_or_else(missing)
}

/// `a-f-…` is friendly, and so on.
fn default_of<'a>(set: &'a Iconset, kind: &str) -> Option<&'a str> {
    let side = match kind.split('-').nth(1)? {
        "f" => &set.default_friendly,
        "h" => &set.default_hostile,
        "n" => &set.default_neutral,
        "u" => &set.default_unknown,
        _ => &None,
    };
    side.as_deref()
}

#[cfg(test)]
mod tests;
