//! [`Tree`]: the folders of a mission as clients read them (mission.md 1.7): nested, siblings in the order of their links,
//! and each ITEM row folded into the list of its folder that fits what it binds.
//!
//! What must not happen: a broken link (a sibling that is gone) hides a row: those that no link reaches come last. A ring
//! of folders (an import may bring one) ends the reader: what is too deep is left out.
use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::model::{ContentItem, Layer, LayerKind, MapLayer, UidItem};

/// Levels that are read; twice as many as are written.
const DEEPEST: usize = 128;

/// One folder with all below it. What is empty is left out.
#[derive(Debug, Serialize)]
pub struct Folder {
    pub uid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(rename = "type")]
    pub kind: LayerKind,
    #[serde(rename = "parentUid", skip_serializing_if = "Option::is_none")]
    pub parent_uid: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mission_layers: Vec<Folder>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uids: Vec<UidItem>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contents: Vec<ContentItem>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maplayers: Vec<MapLayer>,
}

/// See the file's head.
pub struct Tree {
    children: HashMap<Option<String>, Vec<Layer>>,
    uids: HashMap<String, UidItem>,
    contents: HashMap<String, ContentItem>,
    maplayers: HashMap<String, MapLayer>,
}

impl Tree {
    /// Of a mission's rows and of what items may bind.
    pub fn new(rows: Vec<Layer>, uids: Vec<UidItem>, contents: Vec<ContentItem>, maplayers: Vec<MapLayer>) -> Self {
        let mut children: HashMap<_, Vec<_>> = HashMap::new();
        for row in rows {
            children.entry(row.parent_uid.clone()).or_default().push(row);
        }
        let children = children.into_iter().map(|(parent, rows)| (parent, in_order(rows))).collect();
        Self {
            children,
            uids: uids.into_iter().map(|item| (item.uid.clone(), item)).collect(),
            contents: contents.into_iter().map(|item| (item.resource.hash.clone(), item)).collect(),
            maplayers: maplayers.into_iter().map(|item| (item.uid.clone(), item)).collect(),
        }
    }

    /// Folders at the root.
    pub fn roots(&self) -> Vec<Folder> {
        let roots = self.children.get(&None).into_iter().flatten();
        roots.filter(|row| row.kind != LayerKind::Item).map(|row| self.folder(row, 1)).collect()
    }

    /// One folder of the mission.
    pub fn find(&self, uid: &str) -> Option<Folder> {
        let mut rows = self.children.values().flatten();
        rows.find(|row| row.uid == uid && row.kind != LayerKind::Item).map(|row| self.folder(row, 1))
    }

    fn folder(&self, row: &Layer, level: usize) -> Folder {
        let (kind, parent_uid) = (row.kind, row.parent_uid.clone());
        let mut folder = Folder {
            uid: row.uid.clone(),
            name: row.name.clone(),
            kind,
            parent_uid,
            mission_layers: Vec::new(),
            uids: Vec::new(),
            contents: Vec::new(),
            maplayers: Vec::new(),
        };
        for child in self.children.get(&Some(row.uid.clone())).into_iter().flatten() {
            if child.kind != LayerKind::Item {
                if level < DEEPEST {
                    folder.mission_layers.push(self.folder(child, level + 1));
                }
            } else if let Some(item) = self.uids.get(&child.uid) {
                folder.uids.push(item.clone());
            } else if let Some(item) = self.contents.get(&child.uid) {
                folder.contents.push(item.clone());
            } else if let Some(item) = self.maplayers.get(&child.uid) {
                folder.maplayers.push(item.clone());
            }
        }
        folder
    }
}

/// Siblings by their links; what no link reaches comes last, as it was added.
pub fn in_order(rows: Vec<Layer>) -> Vec<Layer> {
    let mut behind: HashMap<Option<&str>, Vec<usize>> = HashMap::new();
    // Several behind one come the newest first: each came in between.
    for (at, row) in rows.iter().enumerate().rev() {
        behind.entry(row.after.as_deref()).or_default().push(at);
    }
    let (mut order, mut seen) = (Vec::with_capacity(rows.len()), HashSet::new());
    let mut next: Vec<usize> = behind.get(&None).into_iter().flatten().rev().copied().collect();
    while let Some(at) = next.pop() {
        if seen.insert(at) {
            order.push(at);
            let followers = behind.get(&Some(rows[at].uid.as_str())).into_iter().flatten();
            next.extend(followers.rev().copied());
        }
    }
    order.extend((0..rows.len()).filter(|at| !seen.contains(at)));
    let mut rows: Vec<_> = rows.into_iter().map(Some).collect();
    order.into_iter().filter_map(|at| rows[at].take()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(uid: &str, after: Option<&str>) -> Layer {
        let after = after.map(str::to_owned);
        Layer { uid: uid.to_owned(), name: None, kind: LayerKind::Group, parent_uid: None, after }
    }

    #[test]
    fn siblings_follow_their_links_and_no_row_is_lost() {
        let order = |rows: &[(&str, Option<&str>)]| -> String {
            in_order(rows.iter().map(|(uid, after)| row(uid, *after)).collect()).into_iter().map(|r| r.uid).collect()
        };
        assert_eq!(order(&[("b", Some("c")), ("a", None), ("c", Some("a"))]), "acb");
        assert_eq!(order(&[("a", None), ("x", Some("gone")), ("b", Some("a"))]), "abx");
        assert_eq!(order(&[("a", Some("b")), ("b", Some("a"))]), "ab", "a ring ends");
    }

    #[test]
    fn a_ring_of_folders_ends() {
        let inside = |uid: &str, parent: &str| Layer { parent_uid: Some(parent.to_owned()), ..row(uid, None) };
        let tree = Tree::new(vec![inside("a", "b"), inside("b", "a")], vec![], vec![], vec![]);
        let (mut folder, mut levels) = (tree.find("a").unwrap(), 1);
        while let Some(next) = folder.mission_layers.pop() {
            (folder, levels) = (next, levels + 1);
        }
        assert_eq!((levels, tree.roots().len()), (DEEPEST, 0));
    }
}
