//! Finds the event of an item that somebody puts into a mission by its uid alone (M-17), and waits for one that has not
//! come yet: iTAK streams it and names it at the same moment (mission.md 5.6).
//!
//! A request waits up to three seconds, and only a few do at the same time. What has not come by then is in the mission
//! without an event, and is completed when it comes within ten minutes ([`complete`]).
//!
//! What must not happen: an event comes into a mission through somebody who could not read it. So it counts only when it
//! was sent into a group that the asker receives, or by the asker to itself, or is in a mission that the asker may read.
use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicUsize, atomic::Ordering::SeqCst, mpsc},
    time::{Duration, Instant},
};

use fts_plugin_api::{
    cot::Cot,
    sdk::{Event, HistoryAsk, Result},
    tracing,
};

use crate::{
    adding::{self, Item, What},
    caller::Caller,
    desk::Desk,
    items,
    model::Mission,
    past,
    store::{cot, missions, uids},
};

/// How long a request waits.
const PATIENCE: Duration = Duration::from_secs(3);
/// Requests that wait at the same time: each holds a thread.
const WAITERS: usize = 4;
/// How long an item is completed afterwards, ms.
const LATER: i64 = 600_000;
/// Items that are remembered for it, and looked for at a time: this is done on the worker.
const MOST: usize = 1_000;
const AT_ONCE: usize = 100;
/// A request that names more unknown items than these does not wait for them.
const WORTH: usize = 64;

/// What somebody may read.
#[derive(Clone, Debug, Default)]
pub struct Eyes {
    admin: bool,
    groups: Vec<String>,
    user: String,
    /// Its own device: it is connected, or was a member, with this user.
    device: Option<String>,
}

impl Eyes {
    /// Of a caller that says it is this device.
    ///
    /// # Errors
    /// `Gone`.
    pub fn of(desk: &Desk, caller: &Caller, receives: &[String], device: &str) -> Result<Self> {
        let connected = desk.host.clients().uid(device)?.filter(|client| client.user == caller.user);
        let device = connected.filter(|_| !device.is_empty()).map(|client| client.uid);
        Ok(Self { admin: caller.admin, groups: receives.to_vec(), user: caller.user.clone(), device })
    }

    /// Does it receive one of these groups?
    pub fn share(&self, groups: &[String]) -> bool {
        self.admin || groups.iter().any(|g| self.groups.contains(g))
    }

    /// The user; "" = nobody.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Did this user store it itself?
    pub fn is_user(&self, user: &str) -> bool {
        !user.is_empty() && user == self.user
    }

    /// May it read this event, sent into these groups?
    fn reads(&self, cot: &Cot, groups: &[String]) -> bool {
        let mut dests = cot.details("marti").flat_map(|m| m.children().filter(|e| e.name() == "dest")).peekable();
        if self.admin || dests.peek().is_none() {
            return self.share(groups);
        }
        dests.all(|dest| dest.attr("uid").is_some_and(|uid| self.device.as_deref() == Some(&*uid)))
    }
}

/// An item that is in a mission without its event.
struct Waiting {
    mission: i64,
    item: Item,
    creator: String,
    eyes: Eyes,
    until: i64,
}

/// What is waited for.
#[derive(Default)]
pub struct Awaited {
    later: Mutex<VecDeque<Waiting>>,
    waiters: AtomicUsize,
}

impl Awaited {
    fn later(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.later.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers an item until its event comes.
    pub fn remember(&self, desk: &Desk, mission: &Mission, item: Item, creator: &str, eyes: &Eyes) {
        let mut later = self.later();
        later.retain(|one| one.mission != mission.id || one.item.what != item.what);
        if later.len() >= MOST {
            tracing::warn!(event = "mission.not_awaited", mission = %mission.guid, "too many items wait for their events");
            return;
        }
        let (creator, eyes, until) = (creator.to_owned(), eyes.clone(), desk.host.now() + LATER);
        later.push_back(Waiting { mission: mission.id, item, creator, eyes, until });
    }
}

/// The newest event of each of these items that these eyes may read; waits for those that there are not.
///
/// # Errors
/// The host.
pub fn wait(desk: &Desk, eyes: &Eyes, mission: &Mission, uids: &[String]) -> Result<HashMap<String, Cot>> {
    let mut found = find(desk, eyes, mission, uids)?;
    let missing = uids.len() - found.len();
    if missing == 0 || missing > WORTH {
        return Ok(found);
    }
    let turn = Turn(&desk.awaited.waiters);
    if turn.0.fetch_add(1, SeqCst) >= WAITERS {
        return Ok(found);
    }
    let (tell, told) = mpsc::channel();
    for uid in uids.iter().filter(|uid| !found.contains_key(*uid)) {
        let tell = tell.clone();
        // Who has stopped waiting is not told.
        if let Err(error) = desk.host.history().notify(uid, PATIENCE, move |_| {
            let _ = tell.send(());
        }) {
            tracing::debug!(event = "mission.not_awaited", %uid, "an item is added without its event: {error}");
            return Ok(found);
        }
    }
    drop(tell);
    tracing::debug!(event = "mission.awaited", mission = %mission.guid, missing, "a request waits for events of its items");
    let until = Instant::now() + PATIENCE;
    loop {
        // What came before it was asked for is found at once.
        let missing: Vec<String> = uids.iter().filter(|uid| !found.contains_key(*uid)).cloned().collect();
        found.extend(in_history(desk, eyes, &missing)?.into_iter().map(|(uid, (_, cot))| (uid, cot)));
        let left = until.saturating_duration_since(Instant::now());
        if found.len() == uids.len() || left.is_zero() {
            return Ok(found);
        }
        // The other end is gone when all were told; then it is the last look.
        if told.recv_timeout(left) == Err(mpsc::RecvTimeoutError::Disconnected) {
            return Ok(found);
        }
    }
}

struct Turn<'a>(&'a AtomicUsize);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// What there is now.
fn find(desk: &Desk, eyes: &Eyes, mission: &Mission, uids: &[String]) -> Result<HashMap<String, Cot>> {
    let mut streamed = in_history(desk, eyes, uids)?;
    let sql = desk.host.sql();
    let (groups, user) = match eyes.admin {
        true => (None, None),
        false => (Some(eyes.groups.clone()), Some(eyes.user.clone())),
    };
    let mut found = HashMap::with_capacity(uids.len());
    for uid in uids {
        // Who may write into this mission may read what is in it.
        let own = cot::latest(&sql, mission.id, uid)?.map(|stored| (stored.received, stored.xml.into_bytes()));
        let ask =
            HistoryAsk { uid: uid.clone(), from: i64::MIN, to: i64::MAX, groups: groups.clone(), user: user.clone() };
        let kept = match own.is_some() || streamed.contains_key(uid) {
            true => None,
            false => past::answer(desk, &ask)?.into_iter().next().map(|e| (e.received, e.text.into_vec())),
        };
        let kept = own.or(kept).and_then(|(at, text)| Some((at, Cot::parse(text).ok()?)));
        let newest = [streamed.remove(uid), kept].into_iter().flatten().max_by_key(|(at, _)| *at);
        found.extend(newest.map(|(_, cot)| (uid.clone(), cot)));
    }
    Ok(found)
}

/// Of what the server keeps: when it was received, and the event without destinations.
fn in_history(desk: &Desk, eyes: &Eyes, uids: &[String]) -> Result<HashMap<String, (i64, Cot)>> {
    let latest = desk.host.history().latest_of(uids.iter().cloned())?;
    let read = latest.into_iter().filter_map(|event| {
        let cot = Cot::parse(event.text.into_vec()).ok()?;
        if !eyes.reads(&cot, &event.groups) {
            return None;
        }
        let plain = items::stripped(&Event::of(cot.text(), cot.spans())).ok()?;
        Some((event.uid, (event.received, plain)))
    });
    Ok(read.collect())
}

/// Completes items whose events have come since. Called every second; those that still wait
/// come last the next time.
///
/// # Errors
/// The host; the next call tries again.
pub fn complete(desk: &Desk) -> Result<()> {
    let waiting: Vec<Waiting> = {
        let mut later = desk.awaited.later();
        let some = later.len().min(AT_ONCE);
        later.drain(..some).collect()
    };
    let (now, sql) = (desk.host.now(), desk.host.sql());
    let mut left = VecDeque::new();
    let mut first = Ok(());
    for one in waiting.into_iter().filter(|one| one.until > now) {
        match complete_one(desk, &sql, &one) {
            Ok(true) => {}
            Ok(false) => left.push_back(one),
            Err(error) => {
                left.push_back(one);
                first = first.and(Err(error));
            }
        }
    }
    desk.awaited.later().append(&mut left);
    first
}

/// True = it needs nothing more.
fn complete_one(desk: &Desk, sql: &fts_plugin_api::sdk::sql::Sql<'_>, one: &Waiting) -> Result<bool> {
    let What::Uid(uid) = &one.item.what else { return Ok(true) };
    let Some(mission) = missions::by_id(sql, one.mission)? else { return Ok(true) };
    // Removed meanwhile, or it has come by itself.
    if !uids::holds(sql, mission.id, uid)? || uids::details(sql, mission.id, uid)?.is_some() {
        return Ok(true);
    }
    let found = in_history(desk, &one.eyes, std::slice::from_ref(uid))?;
    let Some((_, (_, cot))) = found.into_iter().next() else { return Ok(false) };
    let events = HashMap::from([(uid.clone(), cot)]);
    let items = std::slice::from_ref(&one.item);
    if let Err(refusal) =
        adding::write(desk, &mission, (&one.creator, one.eyes.user()), items, &events, &HashMap::new())
    {
        tracing::error!(event = "mission.not_completed", mission = %mission.guid, %uid, "an item stays without its event: {refusal}");
    }
    Ok(true)
}
