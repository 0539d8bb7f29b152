//! Groups (cot.md 10): names become bit positions, a connection has a set it may send into and one it receives from.
//!
//! `__ANON__` is bit 2 as in TAK Server; 1 is reserved for the health canary, whose group nobody else can be put in.
//! Positions are never reused: the accounts hold them in the database (`place`), and are asked for those of names seen
//! here first (`keep`). A name they cannot store gets a position of this run only, far above theirs. Team colours are no
//! groups (RULE-79).

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use parking_lot::RwLock;

use super::Bits;

/// The group of everybody who has no other.
pub const ANON: &str = "__ANON__";
/// The canary's group: refused from configuration.
pub const CANARY: &str = "__CANARY__";

/// What one connection may do: `send` = TAK's IN set, `receive` = TAK's OUT set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// Groups whose members see what this connection sends.
    pub send: Bits,
    /// Groups whose traffic this connection sees.
    pub receive: Bits,
}

/// Asked for the position of a name that is new; None = it cannot be stored.
pub type Keeper = Box<dyn Fn(&str) -> Option<u32> + Send + Sync>;

/// Names of all groups known to this process.
#[derive(Default)]
pub struct GroupNames {
    table: RwLock<Table>,
    keeper: OnceLock<Keeper>,
}

struct Table {
    by_name: HashMap<Arc<str>, u32>,
    by_bit: Vec<Option<Arc<str>>>,
}

/// Positions nobody stores begin here.
const SPARE: usize = 4_096;

impl Default for Table {
    fn default() -> Self {
        let mut table = Self { by_name: HashMap::new(), by_bit: Vec::new() };
        table.put(CANARY, 1);
        table.put(ANON, 2);
        table
    }
}

impl Table {
    fn put(&mut self, name: &str, bit: u32) {
        let (name, at): (Arc<str>, usize) = (name.into(), bit as usize);
        if self.by_bit.len() <= at {
            self.by_bit.resize(at + 1, None);
        }
        self.by_bit[at] = Some(name.clone());
        self.by_name.insert(name, bit);
    }
}

impl GroupNames {
    /// From now on new names are stored by this one. It may ask a database.
    pub fn keep(&self, keeper: Keeper) {
        let _ = self.keeper.set(keeper);
    }

    /// The stored position of a group. One that is known keeps what it has: connections have it already.
    pub fn place(&self, name: &str, bit: u32) {
        let mut table = self.table.write();
        if !table.by_name.contains_key(name) {
            table.put(name, bit);
        }
    }

    /// The bit of a group, allocated at first use.
    pub fn bit(&self, name: &str) -> u32 {
        if let Some(bit) = self.find(name) {
            return bit;
        }
        let kept = self.keeper.get().map(|keeper| keeper(name));
        let mut table = self.table.write();
        if let Some(bit) = table.by_name.get(name) {
            return *bit;
        }
        let bit = match kept {
            Some(Some(bit)) => bit,
            Some(None) => table.by_bit.len().max(SPARE) as u32,
            None => table.by_bit.len() as u32,
        };
        table.put(name, bit);
        bit
    }

    /// The bit of a group that exists.
    pub fn find(&self, name: &str) -> Option<u32> {
        self.table.read().by_name.get(name).copied()
    }

    /// Same groups in both directions.
    pub fn both(&self, names: &[String]) -> Groups {
        let bits = Bits::of(names.iter().map(|n| self.bit(n)));
        Groups { send: bits.clone(), receive: bits }
    }

    /// Every group but the server's own: whom an event for everybody goes to.
    pub fn all(&self) -> Bits {
        let table = self.table.read();
        Bits::of(table.by_name.iter().filter(|(name, _)| &***name != CANARY).map(|(_, bit)| *bit))
    }

    /// Names of a set, for people.
    pub fn names(&self, set: &Bits) -> Vec<String> {
        let table = self.table.read();
        set.iter().filter_map(|b| table.by_bit.get(b as usize)?.as_ref().map(|n| n.to_string())).collect()
    }
}
