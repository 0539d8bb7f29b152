//! [`Kind`]: the emergencies ATAK knows (kml-emergency-reports.md b.1): CoT type, text, and the name TAK Server's
//! example configuration repeats them under. Other `b-a-*` types with an `emergency` element are alerts, too; they are
//! named as they name themselves.

/// The type of a cancel.
pub const CANCEL: &str = "b-a-o-can";
/// What is added to a 911 alert without remarks, as FTS does.
pub const REMARK_911: &str = "CALL 911 NOW";
/// The type of a 911 alert.
pub const TYPE_911: &str = "b-a-o-tbl";

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// CoT type.
    pub cot_type: &'static str,
    /// `emergency@type`, and the name REST callers use.
    pub text: &'static str,
    /// `repeatType` of the repeater API.
    pub repeat: &'static str,
}

/// All of them.
pub const KINDS: [Kind; 5] = [
    Kind { cot_type: TYPE_911, text: "911 Alert", repeat: "911" },
    Kind { cot_type: "b-a-o-pan", text: "Ring The Bell", repeat: "RingTheBell" },
    Kind { cot_type: "b-a-o-opn", text: "In Contact", repeat: "TroopsInContact" },
    Kind { cot_type: "b-a-g", text: "Geo-fence Breached", repeat: "GeoFenceBreach" },
    Kind { cot_type: "b-a-o-c", text: "Custom", repeat: "Custom" },
];

impl Kind {
    /// By CoT type.
    pub fn of(cot_type: &str) -> Option<&'static Self> {
        KINDS.iter().find(|k| k.cot_type == cot_type)
    }

    /// By the name a REST caller gives: case and space around it do not matter (rest-api.md 4.1).
    pub fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|k| k.text.eq_ignore_ascii_case(name.trim()))
    }

    /// The names, for an error.
    pub fn names() -> String {
        KINDS.map(|k| k.text).join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types_are_found() {
        let found = |name| Kind::named(name).map(|k| k.cot_type);
        assert_eq!(found("911 Alert"), Some("b-a-o-tbl"));
        assert_eq!(found(" in contact "), Some("b-a-o-opn"));
        assert_eq!(found("Foo"), None);
        assert_eq!(Kind::of("b-a-g").unwrap().text, "Geo-fence Breached");
        assert!(Kind::of(CANCEL).is_none());
        assert_eq!(Kind::names(), "911 Alert, Ring The Bell, In Contact, Geo-fence Breached, Custom");
    }
}
