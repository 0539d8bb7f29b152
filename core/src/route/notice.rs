//! What an event means to the server itself, before anybody gets it: identity, presence, map items for newcomers,
//! acknowledgements asked for, goodbyes. Happens on the reader's task, in the order of arrival, so that a session knows
//! at the end of a read whether it is bound.
use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, LazyLock, atomic::Ordering::Relaxed},
};

use fts_plugin_api::cot::{Attr, Cot, Millis, Repairs};

use super::{
    Batch, Done, Reason, Router, Source,
    address::ALL_STREAMING,
    hooks::{Outgoing, Table},
    turn::{Draft, Staged},
};
use crate::{
    directory::{Client, Identified, Latest, Leave},
    observe::meters::meters,
    wire::{Event, Head, proto},
};

pub(super) static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Types whose newer event of the same uid may replace an older one in an overfull queue although both are reliable.
pub(super) fn replaceable(kind: &str, addressed: bool) -> bool {
    !addressed && (kind.starts_with("a-") || kind.starts_with("b-m-") || kind.starts_with("u-") || kind == "b-i-v")
}

impl Batch<'_> {
    /// An admitted event with its number and place in presence; None = it goes nowhere.
    pub(super) fn staged(
        &self,
        buf: &bytes::Bytes,
        draft: Draft,
        hooks: &Table,
        also: &mut Vec<Outgoing>,
        done: &mut Done,
    ) -> Option<Staged> {
        let (mut staged, mut repairs) = self.plain(buf, draft);
        if let Some(client) = self.source.client().filter(|c| c.read_only()) {
            self.only_identifies(client, &staged, done);
            return None;
        }
        if hooks.may_intercept(&staged.cot) && !self.source.internal() {
            (staged, repairs) = self.intercept(staged, repairs, hooks, also)?;
        }
        self.hold(&mut staged);
        self.notice(&mut staged, &repairs, done).then_some(staged)
    }

    /// An admitted event with its number, and nothing of what it means to anybody.
    pub(super) fn plain(&self, buf: &bytes::Bytes, draft: Draft) -> (Staged, Repairs) {
        let cot = Cot::from_parts(buf.slice(draft.text.clone()), draft.spans);
        let head = Head {
            id: self.router.next_id(),
            conn: self.source.own_conn(),
            received: self.now,
            class: cot.class(),
            replaceable: replaceable(cot.kind(), draft.form != draft.text),
            hop: self.source.plugin().map_or(0, |from| from.hop),
            uid_hash: HASHER.hash_one(cot.raw(Attr::Uid)),
            bundle: 0,
        };
        let form = buf.slice(draft.form);
        (Staged { head, presence: 0, cot, form, frame: draft.frame, more: None }, draft.repairs)
    }

    /// A user of the role readonly only receives: its position says who it is, so that others find it, and nothing it
    /// says goes anywhere (identity.md 7).
    fn only_identifies(&self, client: &Arc<Client>, staged: &Staged, done: &mut Done) {
        if staged.cot.is_sa() {
            self.identify(client, &staged.cot, done);
        }
        Reason::Looking.count(1);
        self.router.why.dropped(staged, &self.source, self.now, Reason::Looking);
    }

    /// False = the connection must end.
    fn identify(&self, client: &Arc<Client>, sa: &Cot, done: &mut Done) -> bool {
        match self.router.directory.identify(client, sa, self.policy.config.cot.duplicate_uid) {
            Identified::Bound => {
                done.bound = true;
                self.told_who(client);
            }
            Identified::Rejected => {
                done.rejected = true;
                client.end(Leave::Rejected);
                return false;
            }
            Identified::Changed => self.told_who(client),
            Identified::Again | Identified::Contact => {}
        }
        true
    }

    /// False = the event goes nowhere.
    fn notice(&self, staged: &mut Staged, repairs: &Repairs, done: &mut Done) -> bool {
        let router = self.router;
        if !self.source.internal() {
            self.count(staged.cot.kind());
        }
        let keys = &self.policy.config.cot;
        let is_sa = staged.cot.is_sa();
        if let Some(client) = self.source.client() {
            if is_sa {
                if !self.identify(client, &staged.cot, done) {
                    return false;
                }
                if !client.incognito.load(Relaxed) {
                    self.keep(staged, repairs);
                }
            }
            // Incognito: only what names a callsign goes out (cot.md 8).
            if client.incognito.load(Relaxed) && !names_callsign(&staged.cot) {
                Reason::Incognito.count(1);
                router.why.dropped(staged, &self.source, self.now, Reason::Incognito);
                return false;
            }
        } else if matches!(self.source, Source::Datagram { .. }) && is_sa {
            self.keep(staged, repairs);
        }
        match staged.cot.kind() {
            "t-x-d-d" => router.goodbye(&staged.cot, &self.source),
            "b-f-t-r" => router.note_ack_request(&staged.cot, &self.source, self.now),
            kind if keys.replay_map_items && !is_sa && is_map_item(kind) && !has_dest(&staged.cot) => {
                router.directory.items.put(self.latest(staged, repairs));
            }
            _ => {}
        }
        let head = &staged.head;
        if staged.form.len() > proto::MAX_PAYLOAD && router.limits.first_big(head.uid_hash, self.now) {
            tracing::warn!(event = "cot.oversize", uid = %staged.cot.uid(), bytes = staged.form.len(), "event over 65536 bytes: ATAK cannot receive it");
        }
        true
    }

    /// Who is told of connections knows it before the next event of this read asks for what this client may.
    fn told_who(&self, client: &Arc<Client>) {
        if let Some(watch) = self.router.watch.get() {
            watch.identified(client);
        }
        if let Some(history) = self.router.history.get() {
            history.identified(client);
        }
    }

    /// A copy in a buffer of its own, for shelves.
    fn latest(&self, staged: &Staged, repairs: &Repairs) -> Latest {
        let ttl = self.policy.config.cot.max_persist_ttl.as_millis() as Millis;
        let expires = repairs.stale.max(self.now + 60_000).min(self.now.saturating_add(ttl));
        let event = Event::whole(staged.head, bytes::Bytes::copy_from_slice(&staged.form));
        event.set_proto_from(staged.frame.as_ref());
        Latest {
            uid: staged.cot.uid().as_ref().into(),
            event: Arc::new(event),
            conn: self.source.conn(),
            send: self.source.send_groups().into_owned(),
            time: repairs.time,
            expires,
        }
    }

    fn keep(&self, staged: &mut Staged, repairs: &Repairs) {
        let (latest, presence) = (self.latest(staged, repairs), &self.router.directory.presence);
        let send = latest.send.clone();
        staged.presence = presence.put(latest).unwrap_or(0);
        // Its groups may have changed in between: nobody outside of the new ones is shown it.
        if let Some(client) = self.source.client().filter(|c| c.groups().send != send) {
            presence.regroup(client.conn, &client.groups().send);
        }
    }

    fn count(&self, kind: &str) {
        let family = match kind.as_bytes().first() {
            Some(b'a') => 0,
            Some(b'b') => 1,
            Some(b't') => 2,
            Some(b'u') => 3,
            _ => 4,
        };
        meters().family[family].increment(1);
        self.router.totals.received.fetch_add(1, Relaxed);
    }
}

/// Types that `cot.replay_map_items` shows to newcomers (RULE-39).
pub fn is_map_item(kind: &str) -> bool {
    kind.starts_with("a-")
        || kind.starts_with("b-m-p")
        || matches!(kind, "b-m-r" | "b-r-f-h-c" | "u-d-c" | "u-d-r" | "u-d-f")
        || kind.starts_with("u-d-c-")
}

pub(super) fn has_dest(cot: &Cot) -> bool {
    cot.details("marti").any(|m| m.children().any(|d| d.attributes().next().is_some()))
}

fn names_callsign(cot: &Cot) -> bool {
    cot.details("marti")
        .any(|m| m.children().any(|d| d.name() == "dest" && d.attr("callsign").is_some_and(|c| c != ALL_STREAMING)))
}

impl Router {
    /// A deleted item is not shown to newcomers any more; a contact that says goodbye is gone (RULE-44, 70).
    fn goodbye(&self, cot: &Cot, source: &Source<'_>) {
        for uid in cot.details("link").filter_map(|l| l.attr("uid")) {
            self.directory.items.remove(&uid, None);
            if let Some(client) = source.client()
                && (*client.who().uid == *uid || client.who().contacts.iter().any(|c| *c.uid == *uid))
            {
                self.directory.forget_contact(client, &uid);
            }
        }
    }
}
