//! The answer to `fts why`: for each event found and each client, delivered or not, and which rule decided.

use std::sync::Arc;

use fts_plugin_api::cot::Millis;
use serde::Serialize;

use super::{Decision, Entry, Outcome, Reason, Record};
use crate::{
    directory::{Client, Directory, Gone},
    observe::clock,
};

/// What is asked: one event's uid, or what one sender's events did at one receiver. Names are uids or callsigns.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct Query {
    pub event: Option<String>,
    pub from: Option<String>,
    pub to: Option<String>,
    /// Only events younger than this, ms.
    pub last_ms: Option<i64>,
}

/// One event of the answer.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct WhyEvent {
    pub uid: String,
    pub kind: String,
    pub from_uid: String,
    pub from_callsign: String,
    pub conn: u64,
    pub at_ms: Millis,
    pub source: String,
    pub decision: String,
    /// The plugin that decided; "" = none did.
    pub plugin: String,
    /// Its handler.
    pub handler: String,
    pub clients: Vec<WhyClient>,
}

/// One client of the answer. `outcome`: delivered | queued | not_delivered; `rule` names what decided.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct WhyClient {
    pub conn: u64,
    pub uid: String,
    pub callsign: String,
    pub outcome: &'static str,
    pub rule: &'static str,
    pub form: &'static str,
    pub at_ms: Option<Millis>,
    pub detail: String,
}

/// Newest events answered for.
const MOST: usize = 50;

struct Seen {
    client: Arc<Client>,
    gone: Option<(Millis, &'static str)>,
}

impl Record {
    /// Looks the record through. Returns events newest last.
    pub fn answer(&self, directory: &Directory, query: &Query) -> Vec<WhyEvent> {
        let since = query.last_ms.map_or(i64::MIN, |ms| clock::now_ms() - ms);
        let mut found = self.find(|e| {
            e.at >= since
                && query.event.as_ref().is_none_or(|uid| *e.uid == **uid)
                && query
                    .from
                    .as_ref()
                    .is_none_or(|name| *e.uid == **name || e.from.as_ref().is_some_and(|c| is_called(c, name)))
        });
        let skip = found.len().saturating_sub(MOST);
        found.drain(..skip);
        let here = directory.roster();
        let mut all: Vec<Seen> = here.clients().map(|c| Seen { client: c.clone(), gone: None }).collect();
        all.extend(
            directory.gone().into_iter().map(|Gone { client, why, at }| Seen { client, gone: Some((at, why.name())) }),
        );
        all.retain(|s| !s.client.internal() && query.to.as_ref().is_none_or(|name| is_called(&s.client, name)));
        found.iter().map(|entry| self.event(directory, entry, &all)).collect()
    }

    fn event(&self, directory: &Directory, entry: &Entry, all: &[Seen]) -> WhyEvent {
        let (from_uid, from_callsign, conn) = entry.from.as_ref().map_or_else(Default::default, |c| {
            let who = c.who();
            (who.uid.to_string(), who.callsign.to_string(), c.conn)
        });
        let decision = match &entry.decision {
            Decision::Broadcast => format!("broadcast into groups {}", directory.groups.names(&entry.send).join(", ")),
            Decision::Directed(to) => format!("directed to {to}"),
            Decision::Refused(reason) => match &entry.by {
                Some(by) => format!("refused: {} — {by}", reason.name()),
                None => format!("refused: {}", reason.name()),
            },
            Decision::Consumed(what) => format!("kept by the server: {what}"),
        };
        // Who came later is not part of the answer, nor who had left before.
        let there = |s: &&Seen| s.client.connected <= entry.at && s.gone.is_none_or(|(at, _)| at >= entry.at);
        WhyEvent {
            uid: entry.uid.to_string(),
            kind: entry.kind.to_string(),
            from_uid,
            from_callsign,
            conn,
            at_ms: entry.at,
            source: entry.source.to_owned(),
            decision,
            plugin: entry.by.as_ref().map_or_else(String::new, |by| by.plugin.to_string()),
            handler: entry.by.as_ref().map_or_else(String::new, |by| by.handler.to_string()),
            clients: all.iter().filter(there).map(|s| self.client(directory, entry, s)).collect(),
        }
    }

    fn client(&self, directory: &Directory, entry: &Entry, seen: &Seen) -> WhyClient {
        let client = &seen.client;
        let who = client.who();
        let form = if client.proto.load(std::sync::atomic::Ordering::Relaxed) { "protobuf" } else { "xml" };
        let mut answer = WhyClient {
            conn: client.conn,
            uid: who.uid.to_string(),
            callsign: who.callsign.to_string(),
            outcome: "not_delivered",
            rule: "",
            form: "",
            at_ms: None,
            detail: String::new(),
        };
        drop(who);
        if came_later(entry, client) {
            if entry.presence != 0 && entry.presence <= client.out.replay_to() {
                (answer.outcome, answer.form, answer.detail) =
                    ("delivered", form, "with the replay for newcomers".into());
            } else {
                (answer.rule, answer.detail) =
                    ("gone", "it connected in the same moment, just after this event".into());
            }
        } else if let Some((rule, detail)) = kept_away(directory, entry, client) {
            (answer.rule, answer.detail) = (rule, detail);
        } else if let Some((outcome, at)) = self.outcome_of(entry.id, client.conn) {
            answer.at_ms = Some(at);
            (answer.rule, answer.detail) = lost(outcome);
        } else if let Some(tick) = client.out.wrote(entry.id) {
            (answer.outcome, answer.form, answer.at_ms) = ("delivered", form, Some(clock::tick_to_ms(tick)));
        } else if client.out.holds(entry.id) {
            if let Some((at, why)) = seen.gone {
                (answer.rule, answer.at_ms, answer.detail) = gone(at, why);
            } else {
                let depth = client.out.depth();
                answer.outcome = "queued";
                answer.rule = "queue";
                answer.detail = format!("{} events, {} bytes wait; the client reads slowly", depth.items, depth.bytes);
            }
        } else if seen.gone.is_none() && client.figures.blocked_since.load(std::sync::atomic::Ordering::Relaxed) != 0 {
            (answer.outcome, answer.rule) = ("queued", "queue");
            answer.detail = "it is being written and the socket takes nothing; the client reads slowly".into();
        } else if let Some(tick) = self.turn_of(entry.id) {
            (answer.outcome, answer.form, answer.at_ms) = ("delivered", form, Some(clock::tick_to_ms(tick)));
        } else if let Some((at, why)) = seen.gone {
            (answer.rule, answer.at_ms, answer.detail) = gone(at, why);
        } else {
            (answer.outcome, answer.form, answer.detail) =
                ("delivered", form, "longer ago than write times are kept".into());
        }
        answer
    }
}

/// Within one millisecond only the audience tells who was there first: in reach by its groups, yet not in it.
fn came_later(entry: &Entry, client: &Client) -> bool {
    matches!(entry.decision, Decision::Broadcast)
        && entry.reach.as_ref().is_some_and(|reach| !reach.contains(client.slot))
        && entry.send.meets(&client.groups().receive)
}

/// Decisions taken before the client's queue.
fn kept_away(directory: &Directory, entry: &Entry, client: &Client) -> Option<(&'static str, String)> {
    if entry.from.as_ref().is_some_and(|c| c.conn == client.conn) {
        return Some(("self", "nobody gets its own event back".into()));
    }
    let groups = || {
        let sends = directory.groups.names(&entry.send).join(", ");
        let receives = directory.groups.names(&client.groups().receive).join(", ");
        Some(("group", format!("the sender may send to {{{sends}}}, this client receives {{{receives}}}")))
    };
    match &entry.decision {
        Decision::Refused(Reason::Stale) => {
            Some(("stale", "its stale time was past when it arrived (cot.ignore_stale)".into()))
        }
        Decision::Refused(reason) => {
            let by = entry.by.as_ref().map_or_else(|| "when it arrived".to_owned(), |by| format!("by the plugin {by}"));
            Some((reason.name(), format!("refused {by}")))
        }
        Decision::Consumed(what) => Some(("consumed", what.clone())),
        Decision::Broadcast => match &entry.reach {
            Some(reach) if !reach.contains(client.slot) => groups(),
            _ => None,
        },
        Decision::Directed(to) => {
            if entry.given.contains(&client.conn) {
                None
            } else if entry.named.contains(&client.conn) {
                groups()
            } else {
                Some(("destination", format!("directed to {to}")))
            }
        }
    }
}

fn gone(at: Millis, why: &str) -> (&'static str, Option<Millis>, String) {
    ("gone", Some(at), format!("the connection ended ({why}) before it was written"))
}

fn lost(outcome: Outcome) -> (&'static str, String) {
    match outcome {
        Outcome::Conflated => {
            ("conflated", "a newer state of the same uid took its place: the client reads slowly".into())
        }
        Outcome::Queue => ("queue", "dropped as one of the oldest positions of an overfull queue".into()),
        Outcome::Held(Reason::Offered) => ("oversize", "over 65536 bytes: offered as a file (cot.oversize)".into()),
        Outcome::Held(Reason::Rate) => ("filter", "cot.rate.per_uid_delivery".into()),
        Outcome::Held(_) => ("filter", "outside of what this client asked to see (t-x-c-f)".into()),
        Outcome::TooBig => ("oversize", "over 65536 bytes as protobuf".into()),
    }
}

/// Is this client known by that name: uid, callsign, contact's uid or callsign, connection number?
pub fn is_called(client: &Client, name: &str) -> bool {
    let who = client.who();
    *who.uid == *name
        || who.callsign.eq_ignore_ascii_case(name)
        || who.contacts.iter().any(|c| *c.uid == *name || c.callsign.eq_ignore_ascii_case(name))
        || client.conn.to_string() == name
        || (!name.is_empty() && client.user() == name)
        || client.cert.as_ref().is_some_and(|c| c.common_name == name)
}
