//! Map layers and feeds in the body of a mission (mission.md 3.2.1): what is stored becomes what was sent. An entry without a
//! uid is a new one, one that is sent again keeps its creator and its time.
//!
//! Order: [`named`] gives uids before the transaction (inside it there are none), [`equal`] writes: what went, then what is
//! new or another, each with its change. What must not happen: two entries with one uid; a filter that cannot be read.
use std::collections::{HashMap, HashSet};

use crate::{
    desk::Desk,
    draft::Draft,
    edits,
    feed::Filter,
    model::{ChangeKind, Feed, MapLayer, Mission, Stamp, Subject},
    refusal::Refusal,
    routes::maplayers as routes,
    store::{feeds, maplayers},
    write::{After, Write},
};

/// The draft with a uid for every entry, each once: of two with the same the later one counts.
///
/// # Errors
/// 400: a feed without `dataFeedUid`, or with a filter that cannot be read.
pub fn named(desk: &Desk, mut draft: Draft) -> Result<Draft, Refusal> {
    let uid = |sent: &str| match sent.trim() {
        "" => desk.host.uuid(),
        uid => uid.to_owned(),
    };
    let layers = draft.map_layers.map(|all| {
        let plain = all.into_iter().map(|layer| MapLayer { uid: uid(&layer.uid), ..routes::plain(layer) });
        once(plain.collect(), |layer| &layer.uid)
    });
    let feeds = draft.feeds.map(|all| {
        let checked = all.into_iter().map(|feed| checked(Feed { uid: uid(&feed.uid), ..feed }));
        Ok::<_, Refusal>(once(checked.collect::<Result<_, _>>()?, |feed| &feed.uid))
    });
    (draft.map_layers, draft.feeds) = (layers, feeds.transpose()?);
    Ok(draft)
}

fn checked(mut feed: Feed) -> Result<Feed, Refusal> {
    if feed.data_feed_uid.trim().is_empty() {
        return Err(Refusal::Bad("a feed of the body has no dataFeedUid".into()));
    }
    if feed.name.is_empty() {
        feed.name.clone_from(&feed.data_feed_uid);
    }
    Filter::of(&feed).map_err(Refusal::Bad)?;
    Ok(feed)
}

fn once<T>(all: Vec<T>, uid: fn(&T) -> &String) -> Vec<T> {
    let last: HashMap<String, usize> = all.iter().enumerate().map(|(at, one)| (uid(one).clone(), at)).collect();
    let numbered = all.into_iter().enumerate();
    numbered.filter(|(at, one)| last.get(uid(one)) == Some(at)).map(|(_, one)| one).collect()
}

/// The stored ones become those of the draft; what it does not speak of stays. Is anything another than before?
///
/// # Errors
/// The database.
pub fn equal(w: &mut Write<'_, '_>, mission: &Mission, draft: &Draft, author: &str) -> Result<bool, Refusal> {
    let mut changed = false;
    if let Some(sent) = &draft.feeds {
        changed |= equal_feeds(w, mission, sent, author)?;
    }
    if let Some(sent) = &draft.map_layers {
        changed |= equal_layers(w, mission, sent, author)?;
    }
    Ok(changed)
}

fn equal_layers(w: &mut Write<'_, '_>, mission: &Mission, sent: &[MapLayer], author: &str) -> Result<bool, Refusal> {
    let stored: Vec<_> = maplayers::of_mission(w.tx, mission.id)?.into_iter().map(|l| (l.uid.clone(), l)).collect();
    let kept: HashSet<&str> = sent.iter().map(|l| l.uid.as_str()).collect();
    let mut changed = false;
    for (gone, _) in stored.iter().filter(|(uid, _)| !kept.contains(uid.as_str())) {
        changed |= routes::remove(w, mission, gone, author)?;
    }
    let stored: HashMap<String, MapLayer> = stored.into_iter().collect();
    for layer in sent {
        let now = Some(Stamp(w.now));
        let Some(before) = stored.get(&layer.uid) else {
            let creator_uid = if author.is_empty() { layer.creator_uid.clone() } else { author.to_owned() };
            let layer = MapLayer { creator_uid, create_time: now, modified_time: now, ..layer.clone() };
            maplayers::put(w.tx, mission.id, &layer)?;
            w.change(mission, ChangeKind::AddContent, author, Subject::MapLayer(layer))?;
            changed = true;
            continue;
        };
        let MapLayer { creator_uid, create_time, modified_time, .. } = before.clone();
        let same = MapLayer { creator_uid, create_time, modified_time, ..layer.clone() };
        if same != *before {
            let layer = MapLayer { modified_time: now, ..same };
            maplayers::put(w.tx, mission.id, &layer)?;
            edits::map_layer(w, mission, &layer, author)?;
            changed = true;
        }
    }
    Ok(changed)
}

fn equal_feeds(w: &mut Write<'_, '_>, mission: &Mission, sent: &[Feed], author: &str) -> Result<bool, Refusal> {
    let stored = feeds::of_mission(w.tx, mission.id)?;
    let kept: HashSet<&str> = sent.iter().map(|f| f.uid.as_str()).collect();
    let mut changed = false;
    for gone in stored.iter().filter(|s| !kept.contains(s.uid.as_str())) {
        feeds::remove(w.tx, mission.id, &gone.uid)?;
        w.change(mission, ChangeKind::DeleteDataFeed, author, Subject::Feed(gone.clone()))?;
        changed = true;
    }
    let stored: HashMap<&str, &Feed> = stored.iter().map(|f| (f.uid.as_str(), f)).collect();
    for feed in sent {
        let before = stored.get(feed.uid.as_str());
        if before == Some(&feed) {
            continue;
        }
        feeds::put(w.tx, mission.id, feed, author)?;
        changed = true;
        if before.is_some() {
            w.then(After::Feeds);
            edits::feed(w, mission, feed, author)?;
        } else {
            w.change(mission, ChangeKind::CreateDataFeed, author, Subject::Feed(feed.clone()))?;
        }
    }
    Ok(changed)
}
