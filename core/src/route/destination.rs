//! Destination kinds of `<dest>` that the core does not resolve itself: `mission`, `mission-guid` and whatever a plugin
//! brings. A kind nobody bound adds no receiver and is counted; it never widens to a broadcast (RULE-54).

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;

use super::Source;
use crate::directory::Bits;

/// What a binding says about one destination.
#[derive(Clone, Debug)]
pub enum Resolved {
    /// The slots that get it; groups are not applied (RULE-56). Must be read after the roster of the same pass.
    Audience(Arc<Bits>),
    /// The sender may not send there.
    NotWriter,
    /// No such name.
    Unknown,
}

/// Resolves destinations of one kind. Called on the sender's task: quick, no waiting.
pub trait Binding: Send + Sync {
    /// Who gets an event of this source for the destination called `name`.
    fn resolve(&self, name: &str, source: &Source<'_>) -> Resolved;
}

/// The table of kinds. A kind belongs to one owner.
#[derive(Default)]
pub struct Destinations {
    kinds: RwLock<HashMap<String, Arc<dyn Binding>>>,
}

impl Destinations {
    /// Binds an attribute name of `<dest>`. False when somebody has it already.
    pub fn bind(&self, kind: &str, binding: Arc<dyn Binding>) -> bool {
        let mut kinds = self.kinds.write();
        if kinds.contains_key(kind) {
            return false;
        }
        kinds.insert(kind.to_owned(), binding);
        true
    }

    /// Takes a kind back.
    pub fn unbind(&self, kind: &str) {
        self.kinds.write().remove(kind);
    }

    /// The binding of a kind.
    pub fn get(&self, kind: &str) -> Option<Arc<dyn Binding>> {
        self.kinds.read().get(kind).cloned()
    }
}
