//! [`Entry`]: an event as its rows, read once on the recorder's thread: columns, destinations, chat, point of a track.
//!
//! What it may not do: keep what its sender said is not to be kept (`marti/@archive="false"`, RULE-83), or lose a group.
use std::borrow::Cow;

use fts_plugin_api::cot::{Attr, Cot, Millis, PointAttr};
use serde_json::{Value as Json, json};

use super::kept::Kept;
use crate::store::journal::Record;

/// Where an event came from.
#[derive(Clone, Debug, Default)]
pub(super) struct From {
    pub uid: String,
    pub callsign: String,
    pub user: String,
}

/// See the file's head.
#[derive(Debug)]
pub(super) struct Entry {
    pub cot: Cot,
    pub received: Millis,
    pub journal: u64,
    /// Names, sorted.
    pub groups: Vec<String>,
    pub readers: Option<Vec<String>>,
    pub from: From,
    /// `dest` of `<marti>`: attribute and value.
    pub dests: Vec<(String, String)>,
}

impl Entry {
    /// Of a routed event; None = it is not to be kept.
    pub fn of(kept: &Kept, names: impl FnOnce(&crate::directory::Bits) -> Vec<String>) -> Option<Self> {
        let cot = Cot::parse(kept.text.clone()).ok()?;
        if !kept.store || !archived(&cot) {
            return None;
        }
        let from = kept.client.as_ref().map_or_else(From::default, |client| {
            let who = client.who();
            From { uid: who.uid.to_string(), callsign: who.callsign.to_string(), user: client.user().to_owned() }
        });
        let mut groups = names(&kept.groups);
        groups.sort();
        let readers = kept.readers.clone();
        let dests = dests(&cot);
        Some(Self { cot, received: kept.received, journal: kept.journal, groups, readers, from, dests })
    }

    /// Of a record of the journal: nobody knows any more whom it reached. `users` finds those a destination (`uid` or
    /// `callsign`) stands for; an event that was addressed is shown to them and its sender.
    pub fn of_record(record: Record, users: impl Fn(&str, &str) -> Vec<String>) -> Option<Self> {
        let cot = Cot::parse(record.bytes).ok()?;
        if !archived(&cot) {
            return None;
        }
        let origin = record.origin;
        let from = From { uid: origin.uid, callsign: origin.callsign, user: origin.user };
        let dests = dests(&cot);
        let mut groups = origin.groups;
        let named: Vec<&str> = dests.iter().filter(|(k, _)| k == "group").map(|(_, v)| v.as_str()).collect();
        let people: Vec<(&str, Cow<'_, str>)> = dests
            .iter()
            .filter(|(kind, name)| matches!(kind.as_str(), "uid" | "callsign") && name != EVERYBODY)
            .map(|(kind, name)| (kind.as_str(), Cow::Borrowed(name.as_str())))
            .chain(private_chat(&cot).filter(|_| dests.is_empty()).map(|uid| ("uid", uid)))
            .collect();
        let mut readers = None;
        if !named.is_empty() {
            groups.retain(|g| named.contains(&g.as_str()));
        } else if !people.is_empty() {
            let mut all = vec![from.user.clone()];
            all.extend(people.iter().flat_map(|(kind, name)| users(kind, name)));
            all.sort();
            all.dedup();
            readers = Some(all);
        }
        groups.sort();
        let (received, journal) = (record.received_ms, record.id);
        Some(Self { cot, received, journal, groups, readers, from, dests })
    }

    /// Its time attributes: time, start, stale; what is missing is when it was received.
    pub fn times(&self) -> [Millis; 3] {
        [Attr::Time, Attr::Start, Attr::Stale].map(|attr| self.cot.time(attr).unwrap_or(self.received))
    }

    /// Metres, or None where the sender does not know.
    pub fn metres(&self, attr: PointAttr) -> Option<f64> {
        self.cot.point(attr).filter(|n| n.is_finite() && *n < UNKNOWN)
    }

    /// Its callsign: the contact's, else the sender's.
    pub fn callsign(&self) -> String {
        let own = self.cot.detail("contact").and_then(|c| c.attr("callsign"));
        own.map_or_else(|| self.from.callsign.clone(), Cow::into_owned)
    }

    /// The destinations as JSON; None = it had none.
    pub fn dest_json(&self) -> Option<String> {
        let all: Vec<Json> = self.dests.iter().map(|(kind, name)| json!({kind.as_str(): name})).collect();
        (!all.is_empty()).then(|| Json::Array(all).to_string())
    }

    /// The uids a `t-x-d-d` with `<__forcedelete/>` deletes (RULE-70).
    pub fn deletes(&self) -> Vec<String> {
        if self.cot.kind() != "t-x-d-d" || self.cot.detail("__forcedelete").is_none() {
            return Vec::new();
        }
        self.cot.details("link").filter_map(|l| l.attr("uid")).map(Cow::into_owned).collect()
    }

    /// The text as SQLite wants it; it was checked when it came in.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.cot.text()).into_owned()
    }
}

/// 9999999 = unknown, in `<point>` and `<track>`.
const UNKNOWN: f64 = 9_999_999.0;
/// A callsign that means everybody.
const EVERYBODY: &str = "All Streaming";

/// Does its sender let it be kept (RULE-83)?
pub(crate) fn archived(cot: &Cot) -> bool {
    !cot.details("marti").any(|m| m.attr("archive").is_some_and(|a| a == "false"))
}

/// Is it for missions and the like only: what its plugin keeps, nobody else may read?
pub(crate) fn only_bound(cot: &Cot) -> bool {
    let mut any = false;
    for dest in cot.details("marti").flat_map(|m| m.children().filter(|e| e.name() == "dest")) {
        if dest.attributes().any(|(k, _)| matches!(k, "callsign" | "uid" | "group")) {
            return false;
        }
        any |= dest.attributes().any(|(k, _)| k != "publish");
    }
    any
}

fn dests(cot: &Cot) -> Vec<(String, String)> {
    let all = cot.details("marti").flat_map(|m| m.children().filter(|e| e.name() == "dest"));
    let first = |dest: fts_plugin_api::cot::Element<'_>| {
        let (kind, value) = dest.attributes().next()?;
        Some((kind.to_owned(), fts_plugin_api::cot::unescape(value).into_owned()))
    };
    all.filter_map(first).collect()
}

/// The uid a chat without a destination is for, when it is not for a room.
fn private_chat(cot: &Cot) -> Option<Cow<'_, str>> {
    let chat = super::chat::Chat::of(cot)?;
    (!chat.everyone).then_some(Cow::Owned(chat.dest_uid.unwrap_or(chat.room_id)))
}
