//! M-04: common operational pictures: the missions of one tool (`plugins.mission.cop_tool`), and the folders their paths
//! make. Without such a tool both are empty.
use fts_plugin_api::sdk::{GET, Request};
use serde::Serialize;

use crate::{
    answer::{self, Answer},
    book::Book,
    caller::Caller,
    desk::Desk,
    model::Mission,
    params, present,
    refusal::Refusal,
    store::missions,
};

const NODE: &str = "CopHierarchyNode";
/// Levels of folders; a path that goes deeper ends there. Each level is a call when the tree is written.
const DEEPEST: usize = 64;

/// Paths of this family.
pub fn register(book: &mut Book<'_, '_>) {
    book.plain(GET, "/cops", list);
    book.plain(GET, "/cops/hierarchy", hierarchy);
}

fn list(desk: &Desk, request: &mut Request, caller: &Caller) -> Answer {
    let mut found = pictures(desk, caller)?;
    if let Some(path) = params::filled(request, "path") {
        found.retain(|m| parts(&m.path).eq(parts(path)));
    }
    let number = |name: &str, absent: usize| -> Result<usize, Refusal> {
        let n = params::number(request, name)?;
        n.map_or(Ok(absent), |n| usize::try_from(n).map_err(|_| Refusal::Bad(format!("{name} is a number from 0"))))
    };
    let (offset, size) = (number("offset", 0)?, number("size", usize::MAX)?);
    let found: Vec<_> = found.into_iter().skip(offset).take(size).collect();
    Ok(answer::ok(desk, answer::MISSION, present::list(desk, &found, caller, &desk.config.cop_tool)?))
}

fn hierarchy(desk: &Desk, _: &mut Request, caller: &Caller) -> Answer {
    Ok(answer::ok(desk, NODE, tree(pictures(desk, caller)?.iter().map(|m| m.path.as_str()))))
}

fn pictures(desk: &Desk, caller: &Caller) -> Result<Vec<Mission>, Refusal> {
    let tool = &desk.config.cop_tool;
    if tool.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = missions::of_tool(&desk.host.sql(), tool)?;
    found.retain(|m| caller.sees(m) && !m.invite_only);
    Ok(found)
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').map(str::trim).filter(|part| !part.is_empty())
}

#[derive(Debug, Default, PartialEq, Serialize)]
struct Node {
    name: String,
    children: Vec<Node>,
}

/// The folders of these paths, by name.
fn tree<'a>(paths: impl Iterator<Item = &'a str>) -> Vec<Node> {
    let mut roots: Vec<Node> = Vec::new();
    for path in paths {
        let mut level = &mut roots;
        for part in parts(path).take(DEEPEST) {
            let at = level.binary_search_by(|n| n.name.as_str().cmp(part)).unwrap_or_else(|at| {
                level.insert(at, Node { name: part.to_owned(), children: Vec::new() });
                at
            });
            level = &mut level[at].children;
        }
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_make_folders_each_once() {
        let node = |name: &str, children| Node { name: name.to_owned(), children };
        let found = tree(["/b", "a/y", "a/x/", "", "a"].into_iter());
        assert_eq!(found, [node("a", vec![node("x", vec![]), node("y", vec![])]), node("b", vec![])]);
        let (mut deep, mut levels) = (tree(["a/".repeat(2_000_000).as_str()].into_iter()), 0);
        while let Some(node) = deep.pop() {
            (deep, levels) = (node.children, levels + 1);
        }
        assert_eq!(levels, DEEPEST);
    }
}
