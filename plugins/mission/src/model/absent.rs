//! Members of JSON bodies that are there but `null`. Clients written in Java send them for what they do not have
//! (mission.md 1.1): such a member counts as one that is not there, of whatever type it is.
use serde::{Deserialize, Deserializer};

/// For `#[serde(deserialize_with = …)]` beside `#[serde(default)]`: null is the default value.
///
/// # Errors
/// What is neither null nor of this type.
pub fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(from).map(Option::unwrap_or_default)
}
