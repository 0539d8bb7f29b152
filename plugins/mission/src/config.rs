//! [`Config`]: the table `[plugins.mission]` (operations.md 3.2), with its defaults and what its types cannot say.
//!
//! 0 means "never" or "off", as everywhere in the configuration. What must not happen: another file reads a key in a way
//! of its own, or has a default of its own.
use std::fmt;

use fts_plugin_api::sdk::{Error, Period, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// See the file's head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Passwords are neither set nor checked over plain HTTP (mission.md 2.5).
    pub password_requires_tls: bool,
    /// Only an owner deletes a mission; else whoever may write.
    pub delete_requires_owner: bool,
    /// A PUT may change the groups of a mission without saying `allowGroupChange=true`.
    pub allow_group_change: bool,
    /// An item belongs to one mission only, and its events are dropped unless they are for that mission (5.3).
    pub strict_uid_membership: bool,
    /// Map items of one mission.
    pub max_uids: usize,
    /// Files of one mission.
    pub max_contents: usize,
    /// A mission package, unpacked.
    pub max_package_bytes: Size,
    /// Changes of one item by one author within it are one change (7.3); 0 = off.
    pub coalesce_changes: Period,
    /// How long a change stays listed that is not the newest of its item; 0 = for ever.
    pub change_history: Period,
    /// File notices go to so many members at first, and to one more with each finished download (4.6); 0 = to all at once.
    pub concurrent_downloads: usize,
    /// Adds the element `contentHash` to file notices (4.3).
    pub notify_content_hash: bool,
    /// A mission ends so long after it was made; 0 = never.
    pub ttl: Period,
    /// The tool whose missions are common operational pictures; "" = `/Marti/api/cops` is empty.
    pub cop_tool: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            password_requires_tls: false,
            delete_requires_owner: true,
            allow_group_change: false,
            strict_uid_membership: false,
            max_uids: 16_384,
            max_contents: 4_096,
            max_package_bytes: Size(1 << 30),
            coalesce_changes: Period::default(),
            change_history: Period::default(),
            concurrent_downloads: 0,
            notify_content_hash: false,
            ttl: Period::default(),
            cop_tool: String::new(),
        }
    }
}

impl Config {
    /// # Errors
    /// The key and what is wrong with its value.
    pub fn check(&self) -> Result<()> {
        for (key, value) in [("max_uids", self.max_uids), ("max_contents", self.max_contents)] {
            if value == 0 {
                return Err(Error::config(key, "must be at least 1, or no mission can hold anything"));
            }
        }
        if self.concurrent_downloads > MOST_DOWNLOADS {
            let why = format!("must be 0 (all members are told at once) to {MOST_DOWNLOADS}");
            return Err(Error::config("concurrent_downloads", why));
        }
        if self.max_package_bytes.0 == 0 {
            return Err(Error::config("max_package_bytes", "must be more than 0, or no package can be loaded"));
        }
        Ok(())
    }
}

/// More at a time than this is no limit.
const MOST_DOWNLOADS: usize = 10_000;

/// Bytes as operators write them: `"1GiB"`, `"64MiB"`, or a plain number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

const UNITS: [(&str, u64); 5] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1), ("", 1)];

impl Size {
    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let number: u64 = text[..at].parse().ok()?;
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == text[at..].trim())?;
        number.checked_mul(*unit).map(Self)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().find(|(_, unit)| self.0 != 0 && self.0.is_multiple_of(*unit));
        match whole {
            Some((name, unit)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct AsWritten;
        impl de::Visitor<'_> for AsWritten {
            type Value = Size;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size like \"64MiB\", \"1GiB\", or a number of bytes")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                Size::read(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Size, E> {
                Ok(Size(n))
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Size, E> {
                u64::try_from(n).map(Size).map_err(|_| E::invalid_value(de::Unexpected::Signed(n), &self))
            }
        }
        from.deserialize_any(AsWritten)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_book_and_pass_the_check() {
        let config: Config = serde_json::from_str("{}").unwrap();
        assert_eq!(config, Config::default());
        config.check().unwrap();
        assert_eq!(
            serde_json::to_value(&config).unwrap(),
            serde_json::json!({
                "password_requires_tls": false, "delete_requires_owner": true, "allow_group_change": false,
                "strict_uid_membership": false, "max_uids": 16384, "max_contents": 4096, "max_package_bytes": "1GiB",
                "coalesce_changes": "0", "change_history": "0", "concurrent_downloads": 0,
                "notify_content_hash": false, "ttl": "0", "cop_tool": ""
            })
        );
    }

    #[test]
    fn the_documented_file_holds_every_key_with_its_default() {
        let file = include_str!("../../../config/fts.toml");
        let table = file.split("# [plugins.mission]").nth(1).unwrap().split("\n\n").next().unwrap();
        let mut keys = serde_json::Map::new();
        for (key, value) in table.lines().filter_map(|line| line.strip_prefix("# ")?.split_once(" = ")) {
            // What goes on in the next line is no key.
            if key.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
                let value = value.split('#').next().unwrap().trim();
                keys.insert(key.to_owned(), serde_json::from_str(value).unwrap());
            }
        }
        let all = serde_json::to_value(Config::default()).unwrap();
        assert!(keys.keys().eq(all.as_object().unwrap().keys()), "{keys:?}");
        assert_eq!(serde_json::from_value::<Config>(keys.into()).unwrap(), Config::default());
    }

    #[test]
    fn sizes_write_as_they_read_and_wrong_values_name_their_key() {
        for (text, bytes) in [("1GiB", 1 << 30), ("64MiB", 64 << 20), ("3B", 3), ("1000KiB", 1_024_000)] {
            assert_eq!((Size::read(text), Size(bytes).to_string().as_str()), (Some(Size(bytes)), text));
        }
        assert!(Size::read("1GB").is_none() && Size::read("-1").is_none());
        for key in ["max_uids", "max_contents", "max_package_bytes"] {
            let config: Config = serde_json::from_value(serde_json::json!({ key: 0 })).unwrap();
            let failure = fts_plugin_api::abi::Failure::from(config.check().unwrap_err());
            assert_eq!(failure.place.as_str(), key);
        }
        for (most, good) in [(1, true), (MOST_DOWNLOADS, true), (MOST_DOWNLOADS + 1, false)] {
            assert_eq!(Config { concurrent_downloads: most, ..Config::default() }.check().is_ok(), good);
        }
    }
}
