//! The service `alerts`: active emergencies. Provided by the emergency plugin.
use serde::{Deserialize, Serialize};

use super::Service;
pub use crate::message::Alert;

/// See the file's head.
pub struct Alerts;

/// What can be asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Ask {
    /// Active alerts.
    List,
    /// Raises one; the answer holds it.
    Start(Alert),
    /// Cancels one: (uid, by whom).
    Cancel {
        /// Event uid.
        uid: String,
        /// For the record.
        by: String,
    },
}

/// What is answered.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Answer {
    /// The alerts asked for, or the one that was raised or cancelled (none: it is not there).
    pub alerts: Vec<Alert>,
}

impl Service for Alerts {
    const NAME: &'static str = "alerts";
    type Ask = Ask;
    type Answer = Answer;
}
