//! Small values by key that outlive the plugin; kept in its database.
use serde_bytes::ByteBuf;

use super::{Host, Result};
use crate::message::{KvSet, op};

/// Made by [`Host::kv`].
#[derive(Clone, Copy)]
pub struct Kv<'a>(pub(super) &'a Host);

impl Kv<'_> {
    /// The value of a key.
    ///
    /// # Errors
    /// The database.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.0.ask::<Option<ByteBuf>>(op::KV_GET, &key)?.map(ByteBuf::into_vec))
    }

    /// Sets a key; on disk when this returns.
    ///
    /// # Errors
    /// The database.
    pub fn set(&self, key: &str, value: impl Into<Vec<u8>>) -> Result<()> {
        self.0.ask(op::KV_SET, &KvSet { key: key.to_owned(), value: Some(ByteBuf::from(value.into())) })
    }

    /// Removes a key.
    ///
    /// # Errors
    /// The database.
    pub fn remove(&self, key: &str) -> Result<()> {
        self.0.ask(op::KV_SET, &KvSet { key: key.to_owned(), value: None })
    }

    /// Keys that begin so, sorted.
    ///
    /// # Errors
    /// The database.
    pub fn keys(&self, prefix: &str) -> Result<Vec<String>> {
        self.0.ask(op::KV_KEYS, &prefix)
    }
}
