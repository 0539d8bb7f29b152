//! The history on a database of its own, driven as the router drives it.
mod durable;
mod people;
mod rows;

use std::time::Duration;

use bytes::Bytes;
use fts_plugin_api::{
    cot::{Class, Cot, format_time},
    message::{HistoryAsk, StoredEvent, TrackPoint, TrackQuery},
};

use super::{
    endpoints::EndpointQuery,
    query::{Area, Search, Window},
    *,
};
use crate::{
    directory::{Arrival, Bits},
    store::{
        journal::{Limits, Origin, Record},
        rows::Value,
    },
};

/// The keys as they are when nobody sets them.
pub fn storage() -> crate::config::Storage {
    config(&[]).storage
}

/// A configuration with these keys.
pub fn config(set: &[&str]) -> Config {
    let dir = std::env::temp_dir();
    let sources = crate::config::Sources {
        data_dir: Some(dir.clone()),
        cwd: dir,
        set: set.iter().map(ToString::to_string).collect(),
        ..crate::config::Sources::default()
    };
    crate::config::load(&sources).unwrap().config
}

/// Nothing is too old.
pub const FOR_EVER: [&str; 4] =
    ["retention.cot=\"0s\"", "retention.chat=\"0s\"", "retention.tracks=\"0s\"", "retention.sessions=\"0s\""];

/// A history that records.
pub struct Bed(pub Arc<History>);

impl Bed {
    pub fn new(set: &[&str]) -> Self {
        Self::on(crate::store::core::temporary().unwrap(), set, None)
    }

    pub fn on(db: Database, set: &[&str], journal: Option<&Arc<Journal>>) -> Self {
        // The events of these tests are of 2023.
        let all: Vec<&str> = FOR_EVER.iter().chain(set).copied().collect();
        let running = Arc::new(ArcSwap::from_pointee(config(&all)));
        let history = History::new(db, running, Arc::new(Directory::default())).unwrap();
        history.begin(journal).unwrap();
        Self(history)
    }

    /// An event as the router hands it over.
    pub fn put(&self, text: &str, received: i64, groups: &[&str], readers: Option<&[&str]>) {
        self.put_journaled(text, received, groups, readers, 0);
    }

    pub fn put_journaled(&self, text: &str, received: i64, groups: &[&str], readers: Option<&[&str]>, journal: u64) {
        let names = &self.0.directory.groups;
        let state = Cot::parse(text.to_owned()).unwrap().class() == Class::State;
        self.0.events(vec![Kept {
            text: Bytes::copy_from_slice(text.as_bytes()),
            received,
            state,
            journal,
            groups: Bits::of(groups.iter().map(|g| names.bit(g))),
            readers: readers.map(|r| r.iter().map(ToString::to_string).collect()),
            client: None,
            store: true,
        }]);
    }

    pub fn settled(&self) -> &Arc<History> {
        assert!(self.0.flush(Duration::from_secs(20)));
        &self.0
    }

    pub fn count(&self, table: &str) -> i64 {
        let rows = self.settled().db.query(&format!("SELECT count(*) AS n FROM {table}"), &[]).unwrap();
        rows.first().unwrap().int("n")
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.0.stop();
    }
}

pub const NOW: i64 = 1_700_000_000_000;

pub fn event(uid: &str, kind: &str, at: i64, detail: &str) -> String {
    let (time, stale) = (format_time(at), format_time(at + 300_000));
    format!(
        r#"<event version="2.0" uid="{uid}" type="{kind}" how="m-g" time="{time}" start="{time}" stale="{stale}"><point lat="45.5" lon="-75.25" hae="70.5" ce="10.0" le="9999999.0"/><detail>{detail}</detail></event>"#
    )
}

pub fn sa(uid: &str, at: i64) -> String {
    event(uid, "a-f-G-U-C", at, r#"<contact callsign="A" endpoint="*:-1:stcp"/>"#)
}

pub fn reach(groups: &[&str], user: &str) -> Reach {
    Reach { groups: Some(groups.iter().map(ToString::to_string).collect()), user: Some(user.to_owned()) }
}

pub fn everything(history: &Arc<History>, uid: &str) -> Vec<i64> {
    let mut all = history.all(uid, Window::ALL, &Reach::everything(), None).unwrap();
    let mut found = Vec::new();
    loop {
        let page = all.page().unwrap();
        if page.is_empty() {
            return found;
        }
        found.extend(page.iter().map(|e| e.received));
    }
}

pub fn chat(message: &str, id: &str, room: &str, from: &str, at: i64) -> String {
    let detail = format!(
        r#"<__chat id="{id}" senderCallsign="X" chatroom="{room}" parent="RootContactGroup"><chatgrp id="{id}" uid0="{from}" uid1="{id}"/></__chat><remarks>hi</remarks><marti><dest callsign="{room}"/></marti>"#
    );
    event(message, "b-t-f", at, &detail)
}
