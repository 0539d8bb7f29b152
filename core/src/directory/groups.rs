//! Groups (cot.md 10): names become bit positions, a connection has a set it may send into and one it receives from.
//!
//! `__ANON__` is bit 2 as in TAK Server; 1 is reserved for the health canary, whose group nobody else can be put in.
//! Positions are never reused. Team colours are no groups (RULE-79).

use std::{collections::HashMap, sync::Arc};

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

/// Names of all groups known to this process.
#[derive(Debug)]
pub struct GroupNames {
    table: RwLock<Table>,
}

#[derive(Debug)]
struct Table {
    by_name: HashMap<Arc<str>, u32>,
    by_bit: Vec<Option<Arc<str>>>,
}

impl Default for GroupNames {
    fn default() -> Self {
        let mut table = Table { by_name: HashMap::new(), by_bit: vec![None, Some(CANARY.into()), Some(ANON.into())] };
        table.by_name.insert(CANARY.into(), 1);
        table.by_name.insert(ANON.into(), 2);
        Self { table: RwLock::new(table) }
    }
}

impl GroupNames {
    /// The bit of a group, allocated at first use.
    pub fn bit(&self, name: &str) -> u32 {
        if let Some(bit) = self.find(name) {
            return bit;
        }
        let mut table = self.table.write();
        if let Some(bit) = table.by_name.get(name) {
            return *bit;
        }
        let bit = table.by_bit.len() as u32;
        let name: Arc<str> = name.into();
        table.by_bit.push(Some(name.clone()));
        table.by_name.insert(name, bit);
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
