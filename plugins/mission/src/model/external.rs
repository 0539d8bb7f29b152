//! [`External`]: a record of another tool that a mission points to (mission.md 1.6).
use serde::{Deserialize, Serialize};

use super::or_default;

/// See the file's head. The caller chooses the uid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct External {
    /// Within the mission; chosen by the caller.
    #[serde(deserialize_with = "or_default")]
    pub uid: String,
    /// For people.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// Whose record it is, such as `ExCheck`.
    #[serde(deserialize_with = "or_default")]
    pub tool: String,
    /// Where its data is.
    #[serde(deserialize_with = "or_default")]
    pub url_data: String,
    /// Where it is shown.
    #[serde(deserialize_with = "or_default")]
    pub url_view: String,
    /// For people.
    #[serde(deserialize_with = "or_default")]
    pub notes: String,
}

impl External {
    /// As a change shows it: both URLs carry the change's token. What is stored stays as it is.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        let tokened = |url: &str| if token.is_empty() { url.to_owned() } else { format!("{url}?token={token}") };
        Self { url_data: tokened(&self.url_data), url_view: tokened(&self.url_view), ..self.clone() }
    }
}
