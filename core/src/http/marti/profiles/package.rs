//! A profile as a client takes it: a data package with each file in a folder of its own, and the preferences the server
//! adds of itself, as TAK Server does, where channels are on.
use axum::http::HeaderValue;
use time::{OffsetDateTime, PrimitiveDateTime, format_description::BorrowedFormatItem, macros::format_description};

use crate::{
    http::{
        answer::{Answer, HandlerError},
        call::Call,
        native::Native,
    },
    identity::packages::{
        self,
        manifest::{self, Manifest},
        preferences::{self, APP, Entry as Preference},
        zip,
    },
};

/// A file of a package.
pub struct Entry {
    name: String,
    bytes: Vec<u8>,
}

impl Entry {
    /// Under the last part of its name.
    pub fn of(name: &str, bytes: Vec<u8>) -> Self {
        Self { name: name.rsplit('/').next().unwrap_or(name).to_owned(), bytes }
    }
}

/// The package; its uid is the same for the same server and name.
pub fn zipped(server_id: &str, name: &str, entries: &[Entry]) -> Result<Vec<u8>, HandlerError> {
    let files: Vec<_> = entries.iter().enumerate().map(|(n, e)| (format!("file{n}/{}", e.name), &e.bytes)).collect();
    let listed = files.iter().map(|(name, _)| name.clone()).collect();
    let text = Manifest::new(packages::uid(server_id, name, "profile"), name, listed).text().into_bytes();
    let mut all = vec![(manifest::ENTRY.to_owned(), &text)];
    all.extend(files);
    zip::write(&all).map_err(|e| HandlerError::internal(e.to_string()))
}

/// Teams ATAK knows; another one would be shown as none.
const TEAMS: [&str; 14] = [
    "White",
    "Yellow",
    "Orange",
    "Magenta",
    "Red",
    "Maroon",
    "Purple",
    "Dark Blue",
    "Blue",
    "Cyan",
    "Teal",
    "Green",
    "Dark Green",
    "Brown",
];

/// What the server knows of the caller, where channels are on: that they are, and the team of the account.
pub fn of_itself(native: &Native, call: &Call) -> Result<Vec<Entry>, HandlerError> {
    if !native.accounts.channels_on() {
        return Ok(Vec::new());
    }
    let mut entries = Vec::new();
    let user = call.identity.user_id.map(|id| native.accounts.user_by_id(id)).transpose()?.flatten();
    let team = user.and_then(|u| u.team_label).and_then(|t| TEAMS.into_iter().find(|k| k.eq_ignore_ascii_case(&t)));
    if let Some(team) = team {
        let team = vec![("locationTeam", Preference::Text(team.to_owned()))];
        entries.push(Entry::of("user-profile.pref", preferences::text(&[(APP, team)]).into_bytes()));
    }
    let on = || Preference::Text("true".to_owned());
    let mut channels = vec![("prefs_enable_channels".to_owned(), on())];
    if let Some(host) = host(call) {
        channels.push((format!("prefs_enable_channels_host-{host}"), on()));
    }
    entries.push(Entry::of("enable-channels.pref", preferences::text(&[(APP, channels)]).into_bytes()));
    Ok(entries)
}

/// The host as the client wrote it, without port.
fn host(call: &Call) -> Option<&str> {
    let host = call.host.as_deref()?;
    Some(match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    })
}

/// One file as it is, with the type its name says.
pub fn raw(name: &str, bytes: Vec<u8>) -> Answer {
    let kind = mime_guess::from_path(name).first_raw().unwrap_or("application/octet-stream");
    let last = name.rsplit('/').next().unwrap_or(name);
    let plain: String = last.chars().filter(|c| c.is_ascii_graphic() && *c != '"').collect();
    let answer = Answer::bytes(kind, bytes);
    match HeaderValue::from_str(&format!("attachment; filename=\"{plain}\"")) {
        Ok(value) => answer.with(axum::http::header::CONTENT_DISPOSITION, value),
        Err(_) => answer,
    }
}

/// RFC 1123, always GMT.
const DATE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// A time as HTTP writes it.
pub fn date(ms: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(ms.div_euclid(1_000)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(DATE).unwrap_or_default()
}

/// The other way round, ms UTC.
pub fn read_date(text: &str) -> Option<i64> {
    let time = PrimitiveDateTime::parse(text.trim(), DATE).ok()?;
    Some(time.assume_utc().unix_timestamp() * 1_000)
}
