//! GeoChat without a recognised destination (cot.md RULE-62) and the notice that a chat found nobody (RULE-63).
//!
//! Rooms that mean everyone are broadcast; a team, a role, the named members, a uid or a callsign get it alone. What
//! must not happen: a private chat that was not addressed properly becomes public.

use fts_plugin_api::cot::{Attr, Cot, Element, Span, Splices};

use super::{Address, Reason, Router, Source, address::ALL_STREAMING};
use crate::directory::{Client, Found};

const TEAMS: [&str; 14] = [
    "White",
    "Yellow",
    "Orange",
    "Magenta",
    "Red",
    "Maroon",
    "Purple",
    "Dark Blue",
    "Blue",
    "Cyan",
    "Teal",
    "Green",
    "Dark Green",
    "Brown",
];
const ROLES: [&str; 8] = ["Team Member", "Team Lead", "HQ", "Sniper", "Medic", "Forward Observer", "RTO", "K9"];

/// Receivers of a chat or receipt that names none; None = everyone.
pub(super) fn address(router: &Router, cot: &Cot, source: &Source<'_>) -> Option<Address> {
    let chat = cot.detail("__chat").or_else(|| cot.detail("__chatreceipt"))?;
    let id = chat.attr("id").unwrap_or_default();
    let room = chat.attr("chatroom").unwrap_or_default();
    let everyone = ["All Chat Rooms", ALL_STREAMING];
    if everyone.contains(&&*id) || everyone.contains(&&*room) {
        return None;
    }
    let parent = chat.attr("parent").unwrap_or_default();
    let own = source.own_conn();
    if parent == "TeamGroups" || TEAMS.contains(&&*id) {
        return Some(those(router, own, &format!("team {id}"), |c| *c.who().team == *id));
    }
    if ROLES.contains(&&*id) {
        return Some(those(router, own, &format!("role {id}"), |c| *c.who().role == *id));
    }
    let index = router.directory.index();
    let members = members(&chat);
    let mut address = Address::of(Found::new(), format!("room {room}"));
    for uid in members.iter().map(|m| &**m) {
        address.add(index.uid(uid), own);
    }
    if !address.clients.is_empty() {
        return Some(address);
    }
    for name in [&id, &room] {
        address.add(index.uid(name), own);
        address.add(index.callsign(name), own);
    }
    // One named peer that is not there is a private chat, too: it finds nobody and the sender hears so. A single uid1
    // that equals the conversation's id is how ATAK writes that.
    let private = !address.clients.is_empty() || address.own || (members.len() == 1 && *members[0] == *id);
    if private {
        return Some(address);
    }
    metrics::counter!("fts_chat_unknown_room_total").increment(1);
    None
}

/// `uid1`, `uid2`, … of chatgrp: the members besides the sender (uid0).
fn members<'a>(chat: &Element<'a>) -> Vec<std::borrow::Cow<'a, str>> {
    let Some(group) = chat.child("chatgrp") else { return Vec::new() };
    let numbered = |name: &str| name.strip_prefix("uid").and_then(|n| n.parse::<u32>().ok()).is_some_and(|n| n > 0);
    let listed = group.attributes().filter(|(name, _)| numbered(name));
    listed.map(|(_, value)| fts_plugin_api::cot::unescape(value)).collect()
}

fn those(router: &Router, own: u64, said: &str, wanted: impl Fn(&Client) -> bool) -> Address {
    let roster = router.directory.roster();
    let found = roster.clients().filter(|c| c.conn != own && wanted(c)).cloned().collect();
    Address::of(found, said)
}

/// The copy that tells the sender nobody got its chat: same uid and detail, this type, no `marti`, no tag of ours.
pub(super) fn failure(cot: &Cot, flow_tag: &str, kind: &str) -> Option<Vec<u8>> {
    if !fails_loudly(cot.kind()) {
        return None;
    }
    let (text, spans) = (cot.text(), cot.spans());
    let mut edit = Splices::new();
    edit.set_attr(spans, Attr::Type, kind);
    edit.remove_detail(text, spans, "marti");
    if let Some(tags) = cot.detail("_flow-tags_") {
        let value = tags.attr_span(flow_tag);
        if value.is_some() && tags.attributes().count() == 1 {
            edit.replace(tags.whole(), "");
        } else if value.is_some() {
            // ` NAME="VALUE"`: the space before the name up to the closing quote.
            let name = flow_tag.len() as u32 + 3;
            edit.replace(Span { start: value.start - name, end: value.end + 1 }, "");
        }
    }
    let mut out = Vec::with_capacity(text.len());
    edit.apply(text, spans, &mut out);
    Some(out)
}

/// Receipts and the failure notice itself fail silently (RULE-63).
fn fails_loudly(kind: &str) -> bool {
    kind.starts_with("b-t-f") && !matches!(kind, "b-t-f-s" | "b-t-f-p" | "b-t-f-d" | "b-t-f-r")
}

impl Router {
    /// Nobody named got this chat: the sender alone hears so.
    pub(super) fn tell_failure(&self, cot: &Cot, source: &Source<'_>) {
        let Some(client) = source.client() else { return };
        let policy = self.policy();
        // Kept for who is away: it is pending, not failed (RULE-64).
        let kind = if policy.config.cot.store_forward_chat { "b-t-f-p" } else { "b-t-f-s" };
        if let Some(notice) = failure(cot, &policy.flow_tag, kind) {
            self.send_to(client, super::Made::reliable(notice));
            Reason::NoReceiver.count(1);
        }
    }
}
