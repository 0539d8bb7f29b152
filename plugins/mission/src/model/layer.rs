//! [`Layer`]: a row of the folder tree of a mission (mission.md 1.7). Siblings are a linked list: `after` names the one
//! before it.
use serde::Serialize;

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LayerKind {
    /// A folder.
    Group,
    /// A folder of map items.
    Uid,
    /// A folder of files.
    Contents,
    /// A folder of map layers.
    MapLayer,
    /// Binds a uid, hash or map layer to its parent; folded into the parent's lists in answers.
    Item,
}

impl LayerKind {
    /// On the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Group => "GROUP",
            Self::Uid => "UID",
            Self::Contents => "CONTENTS",
            Self::MapLayer => "MAPLAYER",
            Self::Item => "ITEM",
        }
    }

    /// By name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Group, Self::Uid, Self::Contents, Self::MapLayer, Self::Item].into_iter().find(|k| k.name() == name)
    }
}

impl Serialize for LayerKind {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Within the mission. Of an ITEM: the uid, hash or map layer it binds.
    pub uid: String,
    /// For people.
    pub name: Option<String>,
    /// What it is.
    pub kind: LayerKind,
    /// None = at the root.
    pub parent_uid: Option<String>,
    /// The sibling immediately before it; None = it is the first.
    pub after: Option<String>,
}
