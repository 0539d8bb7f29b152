//! Events that clients send to missions (mission.md 5.2): the host has checked that the sender may write, and holds them.
//!
//! First all that wait are stored in one transaction: item, event, change. Then all are released in one step, in order: the
//! notice to every live member, the sender included, and behind it the event to the others. Both with the pen
//! ([`crate::write`]): nobody's notice overtakes. One that comes again after a crash is known by its journal number and
//! stored once. When the batch cannot be stored, each is tried alone, so that one bad event takes no other with it. When
//! the database is busy or the disk full, the event and those behind it are put off. What must not happen: an event
//! released before it is stored; a release to somebody who is in none of its missions.
use std::collections::{BTreeSet, HashMap};

use fts_plugin_api::{
    cot::Cot,
    sdk::{Error, Event, Going, Held, Result, Send, Target},
    tracing,
};

use crate::{
    desk::Desk,
    items::{self, Added, NewCot},
    model::Mission,
    refusal::Refusal,
    roll,
    store::missions,
    write::{After, Write},
};

/// One destination of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Dest {
    kind: String,
    name: String,
    path: Option<String>,
    after: Option<String>,
}

/// What a held event becomes: guids of the missions that took it, and what follows.
type Stored = (Vec<String>, Vec<After>);

/// Takes what waits.
pub fn take(desk: &Desk, held: Vec<Held<'_>>) -> Result<()> {
    let jobs: Vec<_> = held.iter().map(|h| Job::of(h)).collect();
    let mut waiting = held;
    match store(desk, &jobs, |stored| release_all(desk, std::mem::take(&mut waiting), stored)) {
        Ok(done) => return done,
        Err(refusal) if refusal.is_passing() => return put_off(desk, waiting, &refusal),
        Err(_) => {}
    }
    let mut first = Ok(());
    let mut rest = waiting.into_iter().zip(&jobs);
    while let Some((held, job)) = rest.next() {
        let (uid, journal) = (held.event.uid().into_owned(), held.journal_id());
        let mut one = vec![held];
        let done = match store(desk, std::slice::from_ref(job), |s| release_all(desk, std::mem::take(&mut one), s)) {
            Ok(done) => done,
            Err(refusal) if refusal.is_passing() => {
                return put_off(desk, one.into_iter().chain(rest.map(|(held, _)| held)), &refusal);
            }
            Err(refusal) => {
                tracing::error!(
                    event = "mission.not_stored", %uid, journal,
                    "an event for a mission could not be stored and goes nowhere: {refusal}"
                );
                desk.host.count("not_stored_total", &[], 1);
                one.into_iter().try_for_each(Held::discard)
            }
        };
        first = first.and(done);
    }
    first
}

/// They come again after a pause, in their order.
fn put_off<'a>(desk: &Desk, held: impl IntoIterator<Item = Held<'a>>, refusal: &Refusal) -> Result<()> {
    let mut done = Ok(());
    let mut many = 0;
    for held in held {
        many += 1;
        done = done.and(held.later());
    }
    tracing::warn!(
        event = "mission.put_off",
        many,
        "events for missions cannot be stored now and come again: {refusal}"
    );
    desk.host.count("put_off_total", &[], many);
    done
}

/// What is needed of a held event inside the transaction.
struct Job {
    dests: Vec<Dest>,
    new: Option<NewCot>,
    /// Who sent it.
    user: String,
}

impl Job {
    fn of(held: &Held<'_>) -> Self {
        let cot =
            items::stripped(held.event).inspect_err(|e| tracing::error!(event = "mission.not_stored", "{e}")).ok();
        let new = cot.map(|cot| NewCot {
            cot,
            creator_uid: held.route.source.uid.clone(),
            received: held.route.received,
            path: None,
            after: None,
            journal: held.journal_id(),
        });
        Self { dests: dests(held.event, &held.route.dests), new, user: held.route.source.user.clone() }
    }
}

/// Destinations that the router let pass, with what their `<dest>` says beside the name.
fn dests(event: &Event<'_>, passed: &[(String, String)]) -> Vec<Dest> {
    let mut all: Vec<Dest> = Vec::new();
    for (kind, name) in passed {
        let elements = event.details("marti").flat_map(|m| m.children().filter(|e| e.name() == "dest"));
        let named = |e: &fts_plugin_api::cot::Element<'_>| e.attr(kind).is_some_and(|value| value == name.as_str());
        let dest = elements.into_iter().find(named);
        let attr = |name: &str| dest.as_ref()?.attr(name).map(|v| v.into_owned()).filter(|v| !v.is_empty());
        all.push(Dest { kind: kind.clone(), name: name.clone(), path: attr("path"), after: attr("after") });
    }
    all
}

/// One transaction, and `release` with what follows from it, before anybody else writes: so notices of events and of
/// requests leave in the order of their changes (4.6). It need not wait for the disk: the journal has the events. Notices
/// are kept with their event, because they leave with it.
fn store<T>(desk: &Desk, jobs: &[Job], release: impl FnOnce(Vec<Stored>) -> T) -> Result<T, Refusal> {
    desk.write_held(
        |w| {
            let mut known = HashMap::new();
            jobs.iter().map(|job| store_one(desk, w, job, &mut known)).collect()
        },
        |stored, _| release(stored),
    )
}

fn store_one(
    desk: &Desk,
    w: &mut Write<'_, '_>,
    job: &Job,
    known: &mut HashMap<String, Option<Mission>>,
) -> Result<Stored, Refusal> {
    let (mut taken, mut seen) = (Vec::new(), Vec::new());
    let Some(new) = &job.new else { return Ok(Stored::default()) };
    job.user.clone_into(&mut w.user);
    for dest in &job.dests {
        let meant = desk.roll.meant(w.tx, (&dest.kind, &dest.name), (&new.creator_uid, &job.user))?;
        // Each mission once, by whatever it is called.
        let Some(guid) = meant.filter(|guid| !seen.contains(guid)) else { continue };
        seen.push(guid.clone());
        if !known.contains_key(&guid) {
            known.insert(guid.clone(), missions::by_guid(w.tx, &guid)?);
        }
        // Deleted since the router looked: nobody is a member any more.
        let Some(Some(mission)) = known.get(&guid) else { continue };
        let new = NewCot { path: dest.path.clone(), after: dest.after.clone(), ..new.clone() };
        match items::add_cot(w, &desk.config, mission, &new)? {
            Added::Refused(why) => {
                note_refused(mission, &new.cot, why);
            }
            Added::New(_) | Added::Merged | Added::Before => taken.push(guid),
        }
    }
    Ok((taken, w.take()))
}

fn note_refused(mission: &Mission, cot: &Cot, why: &str) {
    tracing::warn!(event = "mission.refused", mission = %mission.guid, uid = %cot.uid(), "an event goes nowhere: {why}");
}

/// All of them, in order and in one step; then what else follows.
fn release_all(desk: &Desk, held: Vec<Held<'_>>, stored: Vec<Stored>) -> Result<()> {
    let (mut going, mut rest, mut first) = (Vec::with_capacity(held.len()), Vec::new(), Ok(()));
    for (held, (guids, after)) in held.into_iter().zip(stored) {
        let (notices, others): (Vec<_>, Vec<_>) = after.into_iter().partition(|what| matches!(what, After::Notice(_)));
        rest.extend(others);
        if guids.is_empty() {
            first = first.and(held.discard());
            continue;
        }
        match ready(desk, held, &guids, notices) {
            Ok(ready) => going.push(ready),
            Err(error) => first = first.and(undelivered(error)),
        }
    }
    if !going.is_empty() {
        match Held::release_all(&desk.host, going) {
            Err(error) => first = first.and(undelivered(error)),
            Ok(refused) => {
                for (id, why) in refused {
                    first = first.and(undelivered(Error::new(format!("event {id} of the journal: {why}"))));
                }
            }
        }
    }
    rest.into_iter().for_each(|what| desk.carry_out(what));
    first
}

fn undelivered(error: Error) -> Result<()> {
    tracing::error!(event = "mission.undone", "a stored event was not delivered: {error}");
    Err(error)
}

fn ready<'h>(desk: &Desk, held: Held<'h>, guids: &[String], notices: Vec<After>) -> Result<Going<'h>> {
    let target = match guids {
        [guid] => roll::live(guid),
        several => {
            let mut conns = BTreeSet::new();
            for guid in several {
                conns.extend(desk.roll.connected(guid)?);
            }
            Target::Conns(conns.into_iter().collect())
        }
    };
    let mut before: Vec<(Cot, Send)> = Vec::with_capacity(notices.len());
    for what in &notices {
        if let After::Notice(notice) = what {
            before.push((notice.event(desk)?, notice.how(desk)?));
        }
    }
    Ok(Going { held, before, target })
}
