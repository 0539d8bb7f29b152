//! M-63 and M-64: data feeds are attached to missions and detached (mission.md 3.11). Which events pass is in
//! [`crate::feed`]. A filter that cannot be read is refused here: it would let everything pass, or nothing.
use fts_plugin_api::sdk::{DELETE, POST};

use crate::{
    answer::{self, Answer},
    book::Book,
    feed::Filter,
    model::{ChangeKind, Feed, Permission, Seen, Subject},
    params,
    refusal::Refusal,
    store::feeds,
    visit::Visit,
};

/// Paths of this family.
pub fn register(book: &mut Book<'_, '_>) {
    book.on(POST, "/feed", Permission::Write, attach);
    book.on(DELETE, "/feed/{uid}", Permission::Write, detach);
}

/// M-63.
fn attach(visit: &mut Visit<'_>) -> Answer {
    let text = |name: &str| params::filled(visit.request, name).unwrap_or_default().to_owned();
    let data_feed_uid = params::required(visit.request, "dataFeedUid")?.to_owned();
    let feed = Feed {
        uid: visit.desk.host.uuid(),
        name: data_feed_uid.clone(),
        data_feed_uid,
        filter_polygon: params::repeated(visit.request, "filterPolygon"),
        filter_cot_types_serialized: text("filterCotTypes"),
        filter_callsign: text("filterCallsign"),
        seen: Seen::by(visit.request.identity()),
    };
    Filter::of(&feed).map_err(Refusal::Bad)?;
    let author = visit.creator();
    visit.desk.write(|w| {
        let mission = w.fresh(&visit.mission)?;
        feeds::put(w.tx, mission.id, &feed, &author)?;
        w.change(&mission, ChangeKind::CreateDataFeed, &author, Subject::Feed(feed))
    })?;
    Ok(answer::empty())
}

/// M-64.
fn detach(visit: &mut Visit<'_>) -> Answer {
    let uid = visit.request.param("uid").to_owned();
    let author = visit.creator();
    visit.desk.write(|w| {
        let mission = w.fresh(&visit.mission)?;
        let feed = feeds::remove(w.tx, mission.id, &uid)?.ok_or_else(|| Refusal::none("feed", &uid))?;
        w.change(&mission, ChangeKind::DeleteDataFeed, &author, Subject::Feed(feed))
    })?;
    Ok(answer::empty())
}
