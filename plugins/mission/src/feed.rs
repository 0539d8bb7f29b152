//! [`Feeds`]: data feeds attached to missions, and which events pass (mission.md 3.11).
//!
//! A data feed is a listener, a plugin or a plugin's link, by its name. Of its broadcasts those that pass the filters go to
//! live members who did not get them as everybody's; they are not stored and make no change. The newest of each thing is
//! kept in memory until it is stale, for who subscribes later. Asked on the sender's task, and only about types that some
//! feed wants: with no feed attached, about nothing.
//!
//! What must not happen: an addressed event in a mission; an event of groups that whoever attached the feed does not
//! receive; the same event twice for one member.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use fts_plugin_api::{
    cot::{Attr, Cot, PointAttr},
    sdk::{self, Cx, Event, Result, Send, SourceInfo, Target},
    tracing,
};

/// Things of one feed that are remembered for newcomers.
const MOST: usize = 1_000;

use crate::{
    desk::Desk,
    model::{Feed, Seen},
    store::{Db, feeds},
};

/// What the intercept is called whose filter follows the feeds.
pub const TAP: &str = "feeds";

/// See the file's head.
#[derive(Default)]
pub struct Feeds {
    attached: RwLock<Arc<Vec<Attached>>>,
}

#[derive(Debug)]
struct Attached {
    mission: String,
    uid: String,
    feed: String,
    seen: Seen,
    filter: Filter,
    /// By uid. It outlives a change of other feeds.
    latest: Arc<Mutex<HashMap<String, Kept>>>,
}

#[derive(Debug)]
struct Kept {
    cot: Cot,
    /// ms UTC.
    stale: i64,
    groups: Vec<String>,
}

/// What passes; an empty part lets everything pass.
#[derive(Debug, Default, PartialEq)]
pub struct Filter {
    types: Vec<String>,
    /// (lon, lat), degrees.
    polygon: Vec<(f64, f64)>,
    callsign: String,
}

impl Feeds {
    /// As the rows say.
    ///
    /// # Errors
    /// The database.
    pub fn load(&self, db: &impl Db) -> Result<()> {
        let mut all = Vec::new();
        let before = self.attached();
        for (mission, feed) in feeds::all(db)? {
            match Filter::of(&feed) {
                Ok(filter) => {
                    let old = before.iter().find(|b| b.mission == mission && b.uid == feed.uid && b.seen == feed.seen);
                    let latest = old.filter(|b| b.filter == filter).map(|b| b.latest.clone()).unwrap_or_default();
                    let (uid, seen) = (feed.uid, feed.seen);
                    all.push(Attached { mission, uid, feed: feed.data_feed_uid, seen, filter, latest });
                }
                Err(why) => {
                    tracing::warn!(event = "mission.feed_off", %mission, feed = %feed.uid, "nothing of it passes: {why}");
                }
            }
        }
        *self.attached.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(all);
        Ok(())
    }

    fn attached(&self) -> Arc<Vec<Attached>> {
        self.attached.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the server must ask about: every type that passes some filter.
    pub fn wanted(&self) -> sdk::Filter {
        let mut types: Vec<String> = Vec::new();
        for one in self.attached().iter() {
            if one.filter.types.is_empty() {
                return sdk::types(["*"]);
            }
            let patterns = one.filter.types.iter();
            types.extend(patterns.map(|p| p.split_once('*').map_or_else(|| p.clone(), |(head, _)| format!("{head}*"))));
        }
        types.sort_unstable();
        types.dedup();
        sdk::types(types)
    }

    /// Somebody became a live member: it gets the newest of each thing that it is not shown anyway.
    ///
    /// # Errors
    /// `Gone`, `Busy`.
    pub fn greet(&self, desk: &Desk, mission: &str, client_uid: &str, user: &str) -> Result<()> {
        let attached = self.attached();
        if !attached.iter().any(|one| one.mission == mission) {
            return Ok(());
        }
        let Some(client) = desk.host.clients().uid(client_uid)?.filter(|c| c.user == user) else { return Ok(()) };
        let now = desk.host.now();
        for one in attached.iter().filter(|one| one.mission == mission) {
            let unseen = |k: &&Kept| k.stale > now && !client.groups_out.iter().any(|g| k.groups.contains(g));
            let events: Vec<Cot> = one.kept().values().filter(unseen).map(|k| k.cot.clone()).collect();
            for cot in events {
                desk.host.cot().send(&cot, Send::conn(client.conn))?;
            }
        }
        Ok(())
    }

    /// Adds what an event's way into missions needs; the event itself goes on unchanged.
    pub fn pass(&self, desk: &Desk, event: &Event<'_>, cx: &Cx<'_>) {
        if event.detail("marti").is_some() || event.kind().starts_with("t-") {
            return;
        }
        let source = cx.source();
        let mut conns: Vec<u64> = Vec::new();
        for one in self.attached().iter().filter(|one| one.takes(source, event)) {
            one.keep(event, &source.groups, desk.host.now());
            conns.extend(desk.roll.connected(&one.mission).unwrap_or_default());
        }
        conns.sort_unstable();
        conns.dedup();
        conns.retain(|conn| *conn != source.conn && !gets_it(desk, *conn, source));
        if !conns.is_empty() {
            cx.also(&event.to_cot(), Send::to(Target::Conns(conns)));
        }
    }
}

impl Attached {
    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<String, Kept>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the event in place of the one before; over the limit new things are not remembered.
    fn keep(&self, event: &Event<'_>, groups: &[String], now: i64) {
        let Some(stale) = event.time(Attr::Stale) else { return };
        let uid = event.uid();
        let mut kept = self.kept();
        if kept.len() >= MOST && !kept.contains_key(&*uid) {
            kept.retain(|_, k| k.stale > now);
            if kept.len() >= MOST {
                return;
            }
        }
        kept.insert(uid.into_owned(), Kept { cot: event.to_cot(), stale, groups: groups.to_vec() });
    }

    fn takes(&self, source: &SourceInfo, event: &Event<'_>) -> bool {
        let named = [&source.listener, &source.plugin, &source.link].into_iter().any(|name| *name == self.feed);
        named && self.seen.covers(&source.groups) && self.filter.lets(event)
    }
}

/// Does this connection get the event as everybody's?
fn gets_it(desk: &Desk, conn: u64, source: &SourceInfo) -> bool {
    // Who is not there any more gets nothing either way.
    let client = desk.host.clients().conn(conn).ok().flatten();
    client.is_none_or(|c| c.groups_out.iter().any(|g| source.groups.contains(g)))
}

impl Filter {
    /// Of an attached feed.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn of(feed: &Feed) -> std::result::Result<Self, String> {
        let types = match feed.filter_cot_types_serialized.trim() {
            "" => Vec::new(),
            text => serde_json::from_str::<Vec<String>>(text)
                .map_err(|e| format!("filterCotTypes is no JSON array of types: {e}"))?,
        };
        if let Some(bad) = types.iter().find(|t| t.matches('*').count() > 1) {
            return Err(format!("filterCotTypes: {bad:?} has more than one *"));
        }
        let polygon = feed.filter_polygon.iter().filter(|p| !p.trim().is_empty());
        let polygon = polygon.map(|p| point(p)).collect::<std::result::Result<Vec<_>, _>>()?;
        if !polygon.is_empty() && polygon.len() < 3 {
            return Err("filterPolygon has fewer than three points".to_owned());
        }
        Ok(Self { types, polygon, callsign: feed.filter_callsign.clone() })
    }

    /// Does it let an event pass?
    pub fn lets(&self, event: &Event<'_>) -> bool {
        let kind = event.kind();
        (self.types.is_empty() || self.types.iter().any(|pattern| fits(pattern, kind)))
            && (self.polygon.is_empty() || self.inside(event))
            && (self.callsign.is_empty()
                || event
                    .detail("contact")
                    .and_then(|c| c.attr("callsign"))
                    .is_some_and(|c| c == self.callsign.as_str()))
    }

    /// Even-odd rule.
    fn inside(&self, event: &Event<'_>) -> bool {
        let (Some(lat), Some(lon)) = (event.point(PointAttr::Lat), event.point(PointAttr::Lon)) else { return false };
        let mut inside = false;
        let mut last = self.polygon[self.polygon.len() - 1];
        for &(x, y) in &self.polygon {
            let (last_x, last_y) = last;
            if (y > lat) != (last_y > lat) && lon < (last_x - x) * (lat - y) / (last_y - y) + x {
                inside = !inside;
            }
            last = (x, y);
        }
        inside
    }
}

/// `x,y` or `x y`.
fn point(text: &str) -> std::result::Result<(f64, f64), String> {
    let mut numbers = text.split([',', ' ']).filter(|n| !n.is_empty()).map(|n| n.parse::<f64>());
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(x)), Some(Ok(y)), None) if x.is_finite() && y.is_finite() => Ok((x, y)),
        _ => Err(format!("filterPolygon: {text:?} is no point like -63.5,44.5")),
    }
}

/// A type, with at most one `*` for anything.
fn fits(pattern: &str, kind: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == kind,
        Some((head, tail)) => kind.len() >= head.len() + tail.len() && kind.starts_with(head) && kind.ends_with(tail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, lat: f64, lon: f64) -> Cot {
        let text = format!(
            "<event version=\"2.0\" uid=\"u\" type=\"{kind}\" how=\"m-g\" time=\"2026-03-01T10:00:00Z\" \
             start=\"2026-03-01T10:00:00Z\" stale=\"2026-03-01T10:00:20Z\"><point lat=\"{lat}\" lon=\"{lon}\" \
             hae=\"0\" ce=\"1\" le=\"1\"/><detail><contact callsign=\"AIS\"/></detail></event>"
        );
        Cot::parse(text).unwrap()
    }

    fn lets(feed: &Feed, cot: &Cot) -> bool {
        Filter::of(feed).unwrap().lets(&Event::of(cot.text(), cot.spans()))
    }

    #[test]
    fn filters_look_at_type_place_and_callsign() {
        let (ship, tank) = (event("a-f-S-X", 44.5, -63.5), event("a-h-G", 50.0, 8.0));
        let all = Feed::default();
        assert!(lets(&all, &ship) && lets(&all, &tank));
        let ships = Feed { filter_cot_types_serialized: r#"["a-*-S-X","b-m-p"]"#.into(), ..Feed::default() };
        assert!(lets(&ships, &ship) && !lets(&ships, &tank));
        let square = ["-64,44", "-63,44", "-63 45", "-64,45"].map(str::to_owned).to_vec();
        let here = Feed { filter_polygon: square, ..Feed::default() };
        assert!(lets(&here, &ship) && !lets(&here, &tank));
        let other = Feed { filter_callsign: "ais".into(), ..Feed::default() };
        assert!(!lets(&other, &ship) && lets(&Feed { filter_callsign: "AIS".into(), ..other }, &ship));
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_refused() {
        for (types, polygon) in [("{}", vec![]), ("[\"a-*-*\"]", vec![]), ("", vec!["1,2", "3,4"]), ("", vec!["x"; 3])]
        {
            let filter_polygon = polygon.into_iter().map(str::to_owned).collect();
            let feed = Feed { filter_cot_types_serialized: types.into(), filter_polygon, ..Feed::default() };
            assert!(Filter::of(&feed).is_err(), "{feed:?}");
        }
        assert!(!fits("a-*-a", "a-a"), "the two ends do not share a letter");
    }
}
