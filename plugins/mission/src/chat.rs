//! Chats of missions (mission.md 5.5): the room of a chat is named by host and mission (`HOST-8443-ssl-NAME`), and a client
//! files a message only where that name is its own. So it is rewritten: to the public host before the event is held and
//! stored, and to the host of the request where events are read back. One message to several missions has one room: the
//! name its sender wrote stays, so that nobody is told of a mission that the sender did not tell them of.
use fts_plugin_api::{
    cot::{Element, Splices, escape_attr},
    sdk::{Cx, Event, Verdict},
};

use crate::desk::Desk;

/// Between host and mission.
const BEFORE_NAME: &str = "-8443-ssl-";

/// The room of a mission on this host.
pub fn room(host: &str, mission: &str) -> String {
    format!("{host}{BEFORE_NAME}{mission}")
}

/// On the sender's task, before anything else looks at the event: only memory is asked.
pub fn rewrite(desk: &Desk, event: &Event<'_>, _: &Cx<'_>) -> Verdict {
    let host = &desk.host.server().public_host;
    if host.is_empty() {
        return Verdict::Pass;
    }
    let dests = event.details("marti").flat_map(|m| m.children().filter(|e| e.name() == "dest"));
    let named = |dest: Element<'_>| {
        let by = |kind: &str| desk.roll.name_of(kind, &dest.attr(kind)?);
        by("mission").or_else(|| by("mission-guid"))
    };
    let names: Vec<String> = dests.into_iter().filter_map(named).collect();
    let name = match &names[..] {
        [first, rest @ ..] if rest.iter().all(|name| name == first) => Some(first.clone()),
        several => written(event).filter(|name| several.contains(name)),
    };
    let text = name.and_then(|name| rehost(event, &room(host, &name)));
    text.map_or(Verdict::Pass, Verdict::Replace)
}

/// The mission in whose room its sender put it.
fn written(event: &Event<'_>) -> Option<String> {
    let id = event.detail("__chat")?.attr("id")?;
    id.split_once(BEFORE_NAME).map(|(_, name)| name.to_owned())
}

/// The event with another room; None when it is no chat, or is in that room already.
pub fn rehost(event: &Event<'_>, room: &str) -> Option<Vec<u8>> {
    let chat = event.detail("__chat")?;
    let group = chat.child("chatgrp");
    let mut splices = Splices::new();
    let with = escape_attr(room);
    let mut set = |element: &Element<'_>, attr: &str| {
        let there = element.attr(attr).is_some_and(|value| value != room);
        if there {
            splices.replace(element.attr_span(attr), &with);
        }
    };
    set(&chat, "id");
    if let Some(group) = group {
        set(&group, "uid1");
        set(&group, "id");
    }
    if splices.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(event.text().len() + 64);
    splices.apply(event.text().as_bytes(), &event.spans(), &mut out);
    Some(out)
}
