//! [`Role`] and [`Permission`] (mission.md 1.8).
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::SerializeMap};

/// What a role allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// To see the mission.
    Read,
    /// To add and remove, and to edit what describes it.
    Write,
    /// To delete it with everything in it.
    Delete,
    /// To change roles and remove members.
    SetRole,
    /// To set or clear the password.
    SetPassword,
    /// To move it to other groups.
    UpdateGroups,
    /// To attach feeds.
    ManageFeeds,
    /// To arrange layers.
    ManageLayers,
}

impl Permission {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "MISSION_READ",
            Self::Write => "MISSION_WRITE",
            Self::Delete => "MISSION_DELETE",
            Self::SetRole => "MISSION_SET_ROLE",
            Self::SetPassword => "MISSION_SET_PASSWORD",
            Self::UpdateGroups => "MISSION_UPDATE_GROUPS",
            Self::ManageFeeds => "MISSION_MANAGE_FEEDS",
            Self::ManageLayers => "MISSION_MANAGE_LAYERS",
        }
    }
}

/// A member's role. Ordered: a later one allows everything that an earlier one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Looks.
    Readonly,
    /// Looks and writes.
    Subscriber,
    /// Everything.
    Owner,
}

impl Role {
    /// What a mission without a default role gives.
    pub const DEFAULT: Self = Self::Subscriber;

    /// Its name on the wire and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => "MISSION_OWNER",
            Self::Subscriber => "MISSION_SUBSCRIBER",
            Self::Readonly => "MISSION_READONLY_SUBSCRIBER",
        }
    }

    /// By name; OpenTAKServer's name of the third is taken, too.
    pub fn named(name: &str) -> Option<Self> {
        match name.trim() {
            "MISSION_OWNER" => Some(Self::Owner),
            "MISSION_SUBSCRIBER" => Some(Self::Subscriber),
            "MISSION_READONLY_SUBSCRIBER" | "MISSION_READ_ONLY" => Some(Self::Readonly),
            _ => None,
        }
    }

    /// What it allows.
    pub fn permissions(self) -> &'static [Permission] {
        use Permission as P;
        match self {
            Self::Owner => &[
                P::Read,
                P::Write,
                P::Delete,
                P::SetRole,
                P::SetPassword,
                P::UpdateGroups,
                P::ManageFeeds,
                P::ManageLayers,
            ],
            Self::Subscriber => &[P::Read, P::Write],
            Self::Readonly => &[P::Read],
        }
    }

    /// Does it allow this?
    pub fn allows(self, permission: Permission) -> bool {
        self.permissions().contains(&permission)
    }

    /// Does it allow everything that the other does?
    pub fn covers(self, other: Self) -> bool {
        other.permissions().iter().all(|p| self.allows(*p))
    }
}

/// `{"type":"MISSION_OWNER","permissions":[…]}`.
impl Serialize for Role {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(2))?;
        map.serialize_entry("type", self.name())?;
        map.serialize_entry("permissions", &self.permissions().iter().map(|p| p.name()).collect::<Vec<_>>())?;
        map.end()
    }
}

/// The object, or its name alone (FTS clients send both).
impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum AsSent {
            Name(String),
            Object {
                #[serde(rename = "type")]
                kind: String,
            },
        }
        let (AsSent::Name(name) | AsSent::Object { kind: name }) = AsSent::deserialize(from)?;
        Self::named(&name).ok_or_else(|| D::Error::custom(format!("{name:?} is no role")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_read_as_object_and_as_name_and_write_as_object() {
        for json in [r#"{"type":"MISSION_READONLY_SUBSCRIBER","permissions":["x"]}"#, r#""MISSION_READ_ONLY""#] {
            assert_eq!(serde_json::from_str::<Role>(json).unwrap(), Role::Readonly, "{json}");
        }
        assert!(serde_json::from_str::<Role>("\"MISSION_KING\"").is_err());
        assert_eq!(
            serde_json::to_string(&Role::Subscriber).unwrap(),
            r#"{"type":"MISSION_SUBSCRIBER","permissions":["MISSION_READ","MISSION_WRITE"]}"#
        );
        assert_eq!(Role::Owner.permissions().len(), 8);
    }

    #[test]
    fn a_later_role_covers_the_earlier_ones() {
        let all = [Role::Readonly, Role::Subscriber, Role::Owner];
        for a in all {
            for b in all {
                assert_eq!(a.covers(b), a >= b, "{a:?} {b:?}");
            }
        }
    }
}
