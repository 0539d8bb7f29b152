//! [`Chat`]: what a GeoChat says, for the table `chat` (cot.md 6, RULE-65).
use fts_plugin_api::cot::Cot;

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chat {
    pub sender_uid: String,
    pub sender_callsign: String,
    pub room: String,
    pub room_id: String,
    /// A room everybody is in.
    pub everyone: bool,
    /// The one it is for; None = a room.
    pub dest_uid: Option<String>,
    pub dest_callsign: Option<String>,
    pub text: String,
}

/// Rooms everybody is in.
const EVERYONE: [&str; 3] = ["All Chat Rooms", "All Streaming", "Streaming"];

impl Chat {
    /// Of an event of the family `b-t-f` with a `__chat`; receipts and everything else are none.
    pub fn of(cot: &Cot) -> Option<Self> {
        if !cot.kind().starts_with("b-t-f") {
            return None;
        }
        let chat = cot.detail("__chat")?;
        let text = |name: &str| chat.attr(name).unwrap_or_default().into_owned();
        let (room, room_id) = (text("chatroom"), text("id"));
        let everyone = EVERYONE.iter().any(|n| *n == room || *n == room_id);
        let group = chat.child("chatgrp");
        let member = |n: &str| group.as_ref().and_then(|g| g.attr(n)).map(std::borrow::Cow::into_owned);
        let link = || cot.detail("link").and_then(|l| l.attr("uid")).unwrap_or_default().into_owned();
        // ATAK writes a conversation of two as one other member whose uid is the conversation's id.
        let two = !everyone && member("uid2").is_none() && member("uid1").is_none_or(|uid| uid == room_id);
        let direct = two && text("parent") != "TeamGroups" && text("parent") != "UserGroups";
        let dests = cot.details("marti").flat_map(|m| m.children()).filter_map(|d| d.attr("callsign")).next();
        Some(Self {
            sender_uid: member("uid0").unwrap_or_else(link),
            sender_callsign: text("senderCallsign"),
            everyone,
            dest_uid: direct.then(|| room_id.clone()),
            dest_callsign: direct.then(|| dests.map_or_else(|| room.clone(), std::borrow::Cow::into_owned)),
            text: cot.detail("remarks").map(|r| r.inner_text().into_owned()).unwrap_or_default(),
            room,
            room_id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cot(detail: &str) -> Cot {
        let head = r#"<event version="2.0" uid="GeoChat.A.B.m" type="b-t-f" how="h-g-i-g-o"><point lat="0" lon="0"/>"#;
        Cot::parse(format!("{head}<detail>{detail}</detail></event>")).unwrap()
    }

    #[test]
    fn rooms_conversations_and_groups() {
        let of = |id: &str, room: &str, parent: &str, members: &str| {
            let text = format!(
                r#"<__chat id="{id}" senderCallsign="ALICE" chatroom="{room}" parent="{parent}"><chatgrp id="{id}" uid0="A" {members}/></__chat><link uid="A"/><remarks>a &lt; b</remarks>"#
            );
            Chat::of(&cot(&text)).unwrap()
        };
        let all = of("All Chat Rooms", "All Chat Rooms", "RootContactGroup", r#"uid1="All Chat Rooms""#);
        assert!(all.everyone && all.dest_uid.is_none() && all.text == "a < b" && all.sender_uid == "A");
        let direct = of("B", "BOB", "RootContactGroup", r#"uid1="B""#);
        assert_eq!((direct.dest_uid.as_deref(), direct.dest_callsign.as_deref()), (Some("B"), Some("BOB")));
        assert!(of("Red", "Red", "TeamGroups", "").dest_uid.is_none());
        assert!(of("7f", "ours", "UserGroups", r#"uid1="B" uid2="C""#).dest_uid.is_none());
        assert!(Chat::of(&cot(r#"<__chatreceipt id="B"/>"#)).is_none(), "a receipt is no message");
    }
}
