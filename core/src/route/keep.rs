//! What the history is handed of a turn (cot.md 12.3): collected while it is delivered, put into its queue once at the end.
//!
//! One entry per event, whatever its number of receivers. Whom an addressed event went to goes along, so that nobody else
//! reads it later. Left out: what the server makes itself, what a plugin sends without `archive`, the canary's, and what
//! only members of a plugin's destination may see: that plugin keeps it.
use std::borrow::Cow;

use fts_plugin_api::cot::Class;

use super::{
    Address, Router, Source,
    deliver::send_groups,
    turn::{Ready, Staged},
};
use crate::{directory::Found, store::history::Kept};

/// What one turn keeps.
pub(super) struct Keeping {
    /// Is anything wanted at all? Asked once per turn.
    on: bool,
    kept: Vec<Kept>,
}

/// May an event of this source be in the history at all?
pub(super) fn stored(source: &Source<'_>) -> bool {
    match source {
        Source::Server { .. } => false,
        Source::Plugin(from) => from.archive,
        _ => !source.internal(),
    }
}

impl Router {
    /// For one turn.
    pub(super) fn keeping(&self) -> Keeping {
        Keeping { on: self.history.get().is_some_and(|h| h.wants()), kept: Vec::new() }
    }

    /// Notes one event. `to` = whom it was addressed to and who got it; None = everybody in its groups.
    pub(super) fn keep(&self, keeping: &mut Keeping, ready: &Ready, staged: &Staged, to: Option<(&Address, &Found)>) {
        let source = ready.source();
        if !keeping.on || !stored(&source) {
            return;
        }
        let more = staged.more.as_ref();
        let journal = more.map_or(0, |m| m.journal);
        // What its holder lets go was here when it came in.
        if more.is_some_and(|m| m.released) {
            return;
        }
        let mut groups = send_groups(staged, &source);
        let (mut readers, mut store) = (None, true);
        if let Some((address, got)) = to {
            store = !address.consumed && (!address.mission || !address.clients.is_empty());
            if !address.groups.is_empty() {
                groups = Cow::Owned(address.groups.clone());
            } else {
                let named = got.iter().filter(|c| address.clients.iter().any(|n| n.conn == c.conn));
                let sender = source.client().map(|c| c.user().to_owned());
                let mut users: Vec<String> = named.map(|c| c.user().to_owned()).chain(sender).collect();
                users.sort();
                users.dedup();
                readers = Some(users);
            }
        }
        if !store && journal == 0 {
            return;
        }
        keeping.kept.push(Kept {
            text: staged.cot.text().clone(),
            received: ready.now,
            state: staged.head.class == Class::State,
            journal,
            groups: groups.into_owned(),
            readers,
            client: source.client().cloned(),
            store,
        });
    }

    /// The turn is delivered.
    pub(super) fn kept(&self, keeping: Keeping) {
        if let Some(history) = self.history.get().filter(|_| !keeping.kept.is_empty()) {
            history.events(keeping.kept);
        }
    }
}
