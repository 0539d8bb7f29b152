//! Map layers and data feeds that other plugins add and take away, and everything beside contents that they read.
//!
//! What must not happen: a feed that a plugin attaches lets pass what the mission's own groups do not see, unless the
//! plugin names the groups.
use fts_plugin_api::sdk::{
    Error,
    missions::{Answer, By, Feed, Folder},
};

use super::{Done, one, sign};
use crate::{
    desk::Desk,
    edits,
    feed::Filter,
    model::{self, ChangeKind, Layer, MapLayer, Mission, Seen, Stamp, Subject},
    refusal::Refusal,
    routes::maplayers as routes,
    store::{feeds, layers, logs, maplayers},
    window::Window,
    write::After,
};

/// A map layer: a new one is a change, one that is there is written over.
pub fn put_map_layer(desk: &Desk, mission: &Mission, json: &str, by: &By) -> Done {
    let sent: MapLayer =
        serde_json::from_str(json).map_err(|e| Refusal::Bad(format!("the map layer cannot be read: {e}")))?;
    let sent = routes::plain(sent);
    if sent.uid.is_empty() {
        return Err(Refusal::Bad("a map layer needs a uid".into()));
    }
    desk.write(|w| {
        sign(w, by);
        let mission = w.fresh(mission)?;
        let before = maplayers::find(w.tx, mission.id, &sent.uid)?;
        let is_new = before.is_none();
        let MapLayer { creator_uid, create_time, .. } = before.unwrap_or_default();
        let own = [&sent.creator_uid, &creator_uid, &by.author].into_iter().find(|uid| !uid.is_empty());
        let layer = MapLayer {
            creator_uid: own.cloned().unwrap_or_default(),
            create_time: create_time.or(sent.create_time).or(Some(Stamp(by.at.unwrap_or(w.now)))),
            modified_time: Some(Stamp(w.now)),
            ..sent
        };
        maplayers::put(w.tx, mission.id, &layer)?;
        match is_new {
            true => drop(w.change(&mission, ChangeKind::AddContent, &by.author, Subject::MapLayer(layer))?),
            false => edits::map_layer(w, &mission, &layer, &by.author)?,
        }
        Ok(one(&mission))
    })
}

/// It goes.
pub fn remove_map_layer(desk: &Desk, mission: &Mission, uid: &str, by: &By) -> Done {
    desk.write(|w| {
        sign(w, by);
        let mission = w.fresh(mission)?;
        if routes::remove(w, &mission, uid, &by.author)? {
            Ok(one(&mission))
        } else {
            Err(Refusal::none("map layer", uid))
        }
    })
}

/// A feed: a new one is a change, of one that is there the filters are others.
pub fn put_feed(desk: &Desk, mission: &Mission, feed: Feed, by: &By) -> Done {
    let feed = planned(mission, feed)?;
    desk.write(|w| {
        sign(w, by);
        let mission = w.fresh(mission)?;
        let is_new = !feeds::of_mission(w.tx, mission.id)?.iter().any(|f| f.uid == feed.uid);
        feeds::put(w.tx, mission.id, &feed, &by.author)?;
        if is_new {
            w.change(&mission, ChangeKind::CreateDataFeed, &by.author, Subject::Feed(feed))?;
        } else {
            w.then(After::Feeds);
            edits::feed(w, &mission, &feed, &by.author)?;
        }
        Ok(one(&mission))
    })
}

fn planned(mission: &Mission, feed: Feed) -> Result<model::Feed, Refusal> {
    let Feed { uid, data_feed_uid, name, filter_polygon, filter_cot_types, filter_callsign, groups, .. } = feed;
    if uid.is_empty() || data_feed_uid.is_empty() {
        return Err(Refusal::Bad("a feed needs a uid and the data feed's name".into()));
    }
    let groups = if groups.is_empty() { mission.groups.clone() } else { groups };
    if groups.is_empty() {
        return Err(Refusal::Bad("the mission is in all groups: name those whose events pass".into()));
    }
    let filter_cot_types_serialized = match filter_cot_types.is_empty() {
        true => String::new(),
        false => serde_json::to_string(&filter_cot_types).map_err(Error::from)?,
    };
    let name = if name.is_empty() { data_feed_uid.clone() } else { name };
    let seen = Seen::Groups(groups);
    let feed =
        model::Feed { uid, data_feed_uid, name, filter_polygon, filter_cot_types_serialized, filter_callsign, seen };
    Filter::of(&feed).map_err(Refusal::Bad)?;
    Ok(feed)
}

/// It is detached.
pub fn remove_feed(desk: &Desk, mission: &Mission, uid: &str, by: &By) -> Done {
    desk.write(|w| {
        sign(w, by);
        let mission = w.fresh(mission)?;
        let feed = feeds::remove(w.tx, mission.id, uid)?.ok_or_else(|| Refusal::none("feed", uid))?;
        w.change(&mission, ChangeKind::DeleteDataFeed, &by.author, Subject::Feed(feed))?;
        Ok(one(&mission))
    })
}

/// Log, folders, map layers, feeds.
pub fn all(desk: &Desk, mission: &Mission) -> Done {
    let (sql, id) = (desk.host.sql(), mission.id);
    let whole = Window { from: i64::MIN, to: i64::MAX };
    let log = logs::of_mission(&sql, id, whole)?.iter().map(serde_json::to_string).collect::<Result<_, _>>();
    let maps = maplayers::of_mission(&sql, id)?.iter().map(serde_json::to_string).collect::<Result<_, _>>();
    Ok(Answer {
        log: log.map_err(Error::from)?,
        map_layers: maps.map_err(Error::from)?,
        folders: layers::of_mission(&sql, id)?.into_iter().map(folder).collect(),
        feeds: feeds::of_mission(&sql, id)?.into_iter().map(attached).collect(),
        ..one(mission)
    })
}

fn folder(layer: Layer) -> Folder {
    let Layer { uid, name, kind, parent_uid, after } = layer;
    Folder { uid, name: name.unwrap_or_default(), kind: kind.name().to_owned(), parent_uid, after }
}

fn attached(feed: model::Feed) -> Feed {
    let model::Feed { uid, data_feed_uid, name, filter_polygon, filter_cot_types_serialized, filter_callsign, seen } =
        feed;
    // What cannot be read lets nothing pass; it was refused when it was attached.
    let filter_cot_types = serde_json::from_str(&filter_cot_types_serialized).unwrap_or_default();
    let (groups, all_groups) = match seen {
        Seen::All => (Vec::new(), true),
        Seen::Groups(groups) => (groups, false),
    };
    Feed { uid, data_feed_uid, name, filter_polygon, filter_cot_types, filter_callsign, groups, all_groups }
}
