//! Newcomers: right after presence each gets the active alerts it would have got had it been there, with new times
//! (b.5, 3; RULE-38), also after a restart of the server.
//!
//! Not its own alert (it never gets that back), and not one that named other receivers; what named a mission or the like
//! comes with the next repeat, because only the router knows who is in it.
use fts_plugin_api::{
    cot::Cot,
    sdk::{ClientEvent, ClientInfo},
    tracing,
};

use crate::{
    alert::Alert,
    desk::Desk,
    reach,
    wire::{self, Copy},
};

/// What this client event is answered with.
pub fn greet(desk: &Desk, event: &ClientEvent) -> Vec<Cot> {
    let ClientEvent::Ready(client) = event else { return Vec::new() };
    let now = desk.host.now();
    let mut shown = Vec::new();
    for alert in desk.table.active().iter().filter(|a| is_for(a, client, desk.config.radius_km)) {
        match wire::refreshed(alert, now, desk.config.stale.ms(), Copy::Newcomer) {
            Ok(copy) => shown.push(copy),
            Err(error) => tracing::error!(uid = %alert.uid, "an emergency could not be shown to a newcomer: {error}"),
        }
    }
    shown
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
