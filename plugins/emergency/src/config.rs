//! [`Config`]: the table `[plugins.emergency]` (operations.md), with its defaults and what its types cannot say.
//!
//! Durations of 0 mean "never" or "off", as everywhere in the configuration. What must not happen: another file reads a
//! key in a way of its own; ages and the tick of the timer are worked out here.
use fts_plugin_api::sdk::{Error, Period, Result};
use serde::{Deserialize, Serialize};

/// Shortest period of repeats, ms.
pub const SHORTEST_REPEAT: i64 = 100;

/// Who may cancel an alert (kml-emergency-reports.md b.5, 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CancelPolicy {
    /// Anyone in the alert's groups.
    #[default]
    Any,
    /// Who raised it, or an administrator.
    Originator,
    /// Administrators.
    Admin,
}

/// See the file's head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// How far an alert reaches, km; 0 = everybody in its groups.
    pub radius_km: f64,
    /// How often it is sent again; 0 = never, as FTS.
    pub repeat: Period,
    /// Life of what is sent again.
    pub stale: Period,
    /// So long after it was last heard of an alert is cancelled; 0 = never.
    pub max_age: Period,
    /// The same for `b-a-g`; 0 = as the others.
    pub geofence_max_age: Period,
    /// See [`CancelPolicy`].
    pub cancel_policy: CancelPolicy,
    /// Alerts beyond this are relayed, but neither kept nor repeated.
    pub max_active: usize,
    /// How long alerts that are over stay listed; 0 = for ever.
    pub history: Period,
    /// Add `CALL 911 NOW` to a `b-a-o-tbl` without remarks.
    pub remark_911: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            radius_km: 0.0,
            repeat: Period::seconds(10),
            stale: Period::seconds(15),
            max_age: Period::seconds(24 * 3600),
            geofence_max_age: Period::seconds(3600),
            cancel_policy: CancelPolicy::Any,
            max_active: 10_000,
            history: Period::seconds(90 * 86_400),
            remark_911: true,
        }
    }
}

impl Config {
    /// # Errors
    /// The key and what is wrong with its value.
    pub fn check(&self) -> Result<()> {
        if !self.radius_km.is_finite() || self.radius_km < 0.0 {
            return Err(Error::config("radius_km", "must be 0 (everybody) or a distance in km"));
        }
        if (1..SHORTEST_REPEAT).contains(&self.repeat.ms()) {
            return Err(Error::config("repeat", "must be 0 (no repeats) or at least 100ms"));
        }
        if self.stale.ms() == 0 {
            return Err(Error::config("stale", "must be longer than 0, or receivers drop every repeat"));
        }
        if self.max_active == 0 {
            return Err(Error::config("max_active", "must be at least 1; disable the plugin to have no alerts at all"));
        }
        Ok(())
    }

    /// How long an alert of this type may be silent, ms; None = for ever.
    pub fn age(&self, cot_type: &str) -> Option<i64> {
        let own = if cot_type == "b-a-g" { self.geofence_max_age.ms() } else { 0 };
        let age = if own > 0 { own } else { self.max_age.ms() };
        (age > 0).then_some(age)
    }

    /// How often the timer looks, ms: each second, or as often as alerts are repeated.
    pub fn tick(&self) -> i64 {
        match self.repeat.ms() {
            0 => 1_000,
            repeat => repeat.clamp(SHORTEST_REPEAT, 1_000),
        }
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
        let written = serde_json::to_value(&config).unwrap();
        assert_eq!(
            written,
            serde_json::json!({
                "radius_km": 0.0, "repeat": "10s", "stale": "15s", "max_age": "24h", "geofence_max_age": "1h",
                "cancel_policy": "any", "max_active": 10_000, "history": "90d", "remark_911": true
            })
        );
    }

    #[test]
    fn wrong_values_name_their_key() {
        for (json, key) in [
            (r#"{"radius_km": -1}"#, "radius_km"),
            (r#"{"repeat": "5ms"}"#, "repeat"),
            (r#"{"stale": 0}"#, "stale"),
            (r#"{"max_active": 0}"#, "max_active"),
        ] {
            let config: Config = serde_json::from_str(json).unwrap();
            let failure = fts_plugin_api::abi::Failure::from(config.check().unwrap_err());
            assert_eq!(failure.place.as_str(), key);
        }
        assert!(serde_json::from_str::<Config>(r#"{"cancel_policy": "nobody"}"#).is_err());
    }

    #[test]
    fn geofences_age_by_their_own_key() {
        let config = Config::default();
        assert_eq!(config.age("b-a-g"), Some(3_600_000));
        assert_eq!(config.age("b-a-o-tbl"), Some(86_400_000));
        let never = Config { max_age: Period::default(), geofence_max_age: Period::default(), ..config };
        assert_eq!((never.age("b-a-g"), never.age("b-a-o-tbl")), (None, None));
    }
}
