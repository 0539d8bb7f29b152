//! Newcomers: right after presence each gets the active alerts it would have got had it been there, with new times
//! (b.5, 3; RULE-38), also after a restart of the server.
//!
//! A server that replays presence at once calls a connection ready before it has told who it is, and so before anybody
//! knows whether an alert is its own, names it or is near it: such a one waits here until it has. Who never tells gets
//! repeats only. Not shown: one's own alert, and one that named other receivers; what named a mission or the like comes
//! with the next repeat, because only the router knows who is in it. What must not happen: an alert that is cancelled
//! while it is shown stays on the newcomer's map for ever.
use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use fts_plugin_api::{
    sdk::{ClientEvent, ClientInfo, Send},
    tracing,
};

use crate::{
    alert::Alert,
    desk::Desk,
    reach,
    wire::{self, Copy},
};

/// Connections that are ready and have not told who they are.
#[derive(Debug, Default)]
pub struct Door(Mutex<HashSet<u64>>);

impl Door {
    /// Is it this connection's turn with this event?
    fn opens(&self, event: &ClientEvent) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            ClientEvent::Ready(client) if client.uid.is_empty() => {
                waiting.insert(client.conn);
                false
            }
            ClientEvent::Ready(_) => true,
            ClientEvent::Identified(client) => waiting.remove(&client.conn),
            ClientEvent::Gone { client, .. } => {
                waiting.remove(&client.conn);
                false
            }
            _ => false,
        }
    }
}

/// Takes a client event.
pub fn greet(desk: &Desk, door: &Door, event: &ClientEvent) {
    let client = match event {
        // It may have told who it is since the host wrote this down, and then nothing would tell again.
        ClientEvent::Ready(client) if client.uid.is_empty() => {
            let now = desk.host.clients().conn(client.conn).ok().flatten();
            ClientEvent::Ready(now.unwrap_or_else(|| client.clone()))
        }
        other => other.clone(),
    };
    if door.opens(&client)
        && let ClientEvent::Ready(client) | ClientEvent::Identified(client) = &client
    {
        show(desk, client);
    }
}

fn show(desk: &Desk, client: &ClientInfo) {
    let now = desk.host.now();
    for alert in desk.table.active().iter().filter(|a| is_for(a, client, desk.config.radius_km)) {
        match wire::refreshed(alert, now, desk.config.stale.ms(), Copy::Newcomer) {
            Ok(copy) => desk.send(copy, Send::conn(client.conn)),
            Err(error) => tracing::error!(uid = %alert.uid, "an emergency could not be shown to a newcomer: {error}"),
        }
        desk.take_back_if_over(alert);
    }
}

fn is_for(alert: &Alert, client: &ClientInfo, radius_km: f64) -> bool {
    let own = !alert.sender.uid.is_empty() && alert.sender.uid == client.uid;
    let dests = alert.dests();
    // Named receivers get it whatever the radius.
    let radius_km = if dests.is_empty() { radius_km } else { 0.0 };
    let named = dests.is_empty() || dests.iter().any(|(kind, name)| is_named(kind, name, client));
    !own && named && reach::reaches(radius_km, (alert.lat, alert.lon), &alert.groups, client)
}

fn is_named(kind: &str, name: &String, client: &ClientInfo) -> bool {
    match kind {
        "callsign" => *name == client.callsign,
        "uid" => *name == client.uid,
        "group" => client.groups_out.contains(name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{START_A, alert_a};
    use fts_plugin_api::sdk::Position;

    fn newcomer(uid: &str, group: &str) -> ClientInfo {
        ClientInfo {
            uid: uid.into(),
            callsign: "DELTA".into(),
            groups_out: vec![group.into()],
            ..ClientInfo::default()
        }
    }

    #[test]
    fn the_door_opens_once_for_each_when_it_is_ready_and_known() {
        let door = Door::default();
        let (stranger, known) = (ClientInfo { conn: 7, ..ClientInfo::default() }, newcomer("D", "red"));
        let ready = |client: &ClientInfo| ClientEvent::Ready(client.clone());
        let identified = |client: &ClientInfo| ClientEvent::Identified(client.clone());
        assert!(!door.opens(&identified(&known)), "not ready yet");
        assert!(door.opens(&ready(&known)));
        assert!(!door.opens(&ready(&stranger)));
        let told = ClientInfo { conn: 7, ..known };
        assert!(door.opens(&identified(&told)) && !door.opens(&identified(&told)), "a new callsign is no newcomer");
        assert!(!door.opens(&ready(&stranger)));
        door.opens(&ClientEvent::Gone { client: stranger, reason: String::new() });
        assert!(door.0.lock().unwrap().is_empty());
    }

    #[test]
    fn members_of_the_groups_are_shown_it_the_sender_is_not() {
        let alert = alert_a(&["red"], 1);
        assert!(is_for(&alert, &newcomer("D", "red"), 0.0));
        assert!(!is_for(&alert, &newcomer("D", "blue"), 0.0));
        assert!(!is_for(&alert, &newcomer("ANDROID-11aa", "red"), 0.0));
    }

    #[test]
    fn the_radius_counts() {
        let alert = alert_a(&["red"], 1);
        let at = |lat: f64| {
            let position = Some(Position { lat, lon: 24.94, ..Position::default() });
            is_for(&alert, &ClientInfo { position, ..newcomer("D", "red") }, 5.0)
        };
        assert!(at(60.18) && !at(60.5));
        assert!(is_for(&alert, &newcomer("D", "red"), 5.0), "no position");
    }

    #[test]
    fn named_receivers_only() {
        let to = |dest: &str| Alert {
            text: START_A.replace("</detail>", &format!("<marti><dest {dest}/></marti></detail>")),
            ..alert_a(&["red"], 1)
        };
        let shown = |dest: &str| is_for(&to(dest), &newcomer("D", "red"), 0.0);
        assert!(shown("callsign=\"DELTA\"") && shown("uid=\"D\"") && shown("group=\"red\""));
        assert!(!shown("callsign=\"ECHO\"") && !shown("mission=\"M\""));
        assert!(!is_for(&to("callsign=\"DELTA\""), &newcomer("D", "blue"), 0.0), "groups hold for names, too");
    }
}
