//! Members are told of a new file a few at a time (mission.md 4.6, `plugins.mission.concurrent_downloads`): the first N by
//! their connections' age, and one more with each download that somebody finished ([`FETCHED`]). Who added the file has
//! it, is told at once and counts for none of them.
//!
//! Everything here runs with the pen ([`Desk::pen`]), so members and files do not change meanwhile: [`offer`], [`withdraw`]
//! and [`close`] from the write path behind the commit, the others take it. What cannot be sent now is sent with the next
//! [`tick`]. The lists are in memory: after a crash nobody is told the rest, and members read `/changes` when they come
//! again; before a reload everybody is told ([`stop`]).
//!
//! What must not happen: a notice reaches somebody who is no member at that moment, or is of a file that is gone.
use std::sync::{Mutex, MutexGuard, PoisonError};

use fts_plugin_api::{
    message,
    sdk::{Error, Fetched, Result},
    tracing,
};

use crate::{
    desk::Desk,
    notice::To,
    store::contents,
    turns::{Offer, Round, Turns},
};

/// See the file's head. Lock order: pen, then this, then roll.
#[derive(Default)]
pub struct Downloads(Mutex<Turns>);

impl Downloads {
    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file was added: a round begins. With the pen.
///
/// # Errors
/// `Gone`.
pub fn offer(desk: &Desk, offer: &Offer) -> Result<()> {
    let mut conns = desk.roll.connected(&offer.guid)?;
    let author = match offer.author.is_empty() {
        true => None,
        false => desk.host.clients().uid(&offer.author)?.map(|client| client.conn),
    };
    // The author first, the others as they connected.
    conns.sort_by_key(|conn| (Some(*conn) != author, *conn));
    let authors = conns.iter().filter(|conn| Some(**conn) == author).count();
    let owed = desk.config.concurrent_downloads.saturating_add(authors);
    let mut turns = desk.downloads.turns();
    if turns.begin(Round::new(offer, conns, owed, desk.host.now())) {
        tracing::warn!(
            event = "mission.downloads",
            "too many wait to be told of files: all who wait longest are told now"
        );
    }
    pay(desk, &mut turns);
    Ok(())
}

/// A file was taken out. With the pen.
pub fn withdraw(desk: &Desk, guid: &str, hash: &str) {
    desk.downloads.turns().withdraw(guid, hash);
}

/// A mission was deleted. With the pen.
pub fn close(desk: &Desk, guid: &str) {
    desk.downloads.turns().close(guid);
}

/// Somebody has fetched a file to its end.
///
/// # Errors
/// Not what a server publishes.
pub fn fetched(desk: &Desk, bytes: &[u8]) -> Result<()> {
    let fetched: Fetched = message::unpack(bytes).map_err(|e| Error::new(e.to_string()))?;
    let _pen = desk.pen();
    let mut turns = desk.downloads.turns();
    turns.fetched(&fetched.feed, &fetched.sha256);
    pay(desk, &mut turns);
    Ok(())
}

/// Whose time is over is told, and what could not be sent is sent.
pub fn tick(desk: &Desk) {
    if desk.downloads.turns().is_empty() {
        return;
    }
    let _pen = desk.pen();
    let mut turns = desk.downloads.turns();
    let late = turns.expire(desk.host.now());
    if late > 0 {
        tracing::debug!(
            event = "mission.downloads",
            members = late,
            "downloads take too long: the others are told now"
        );
    }
    pay(desk, &mut turns);
}

/// The lists are about to go, the members stay.
pub fn stop(desk: &Desk) {
    if desk.downloads.turns().is_empty() {
        return;
    }
    let _pen = desk.pen();
    let mut turns = desk.downloads.turns();
    turns.open_all();
    pay(desk, &mut turns);
}

/// Tells everybody whose turn it is.
fn pay(desk: &Desk, turns: &mut Turns) {
    turns.pay(|round| {
        pay_one(desk, round).unwrap_or_else(|error| {
            tracing::warn!(event = "mission.downloads", mission = %round.guid, "members are told of a file later: {error}");
            true
        })
    });
}

/// False = there is nothing to be told any more.
fn pay_one(desk: &Desk, round: &mut Round) -> Result<bool> {
    if !contents::holds(&desk.host.sql(), round.id, &round.hash)? {
        return Ok(false);
    }
    let mut members = desk.roll.connected(&round.guid)?;
    members.sort_unstable();
    let next = round.next(&members);
    if next.is_empty() {
        return Ok(true);
    }
    let sent = round.notice.to(To::Conns(next.clone())).send(desk);
    if sent.is_err() {
        round.back(next);
    }
    sent.map(|()| true)
}
