//! [`Diary`]: what handlers saw, in order, for tests to read. Kept in memory: a new generation begins with an empty one.
use std::sync::Mutex;

use serde_json::{Value, json};

/// See the file's head.
#[derive(Default)]
pub struct Diary(Mutex<Vec<Value>>);

impl Diary {
    /// One more; `what` says which handler.
    pub fn note(&self, what: &str, seen: Value) {
        self.all().push(json!({"what": what, "seen": seen}));
    }

    /// What is in it of these, `""` = everything.
    pub fn read(&self, what: &str) -> Vec<Value> {
        let all = self.all();
        all.iter().filter(|n| what.is_empty() || n["what"] == what).cloned().collect()
    }

    /// How many notes.
    pub fn len(&self) -> usize {
        self.all().len()
    }

    fn all(&self) -> std::sync::MutexGuard<'_, Vec<Value>> {
        // A handler that panics while it writes leaves a whole list behind.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
