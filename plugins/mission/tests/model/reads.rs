//! What a client reads, against the model: lists, its invitations, and every path of a mission.
use std::collections::{BTreeMap, BTreeSet};

use super::{Mission, Role, World};
use crate::scene;

/// Every path that shows something of a mission to readers.
const READS: [&str; 10] = [
    "",
    "/role",
    "/cot",
    "/changes",
    "/layers",
    "/log",
    "/contacts",
    "/subscriptions",
    "/subscriptions/roles",
    "/invitations",
];

impl World {
    /// Only what is open, in sight and of the old default role is listed, with what is in it.
    pub fn list(&self, by: usize) {
        let client = &self.clients[by];
        let answer = scene::answered(&self.must(by, "GET", "/Marti/api/missions", None, 200), 200);
        let listed = answer["data"].as_array().unwrap().iter().map(|m| (scene::text(&m["guid"]), items(m)));
        let shown =
            |m: &&Mission| !m.dead && client.sees(m) && !m.invite_only && !m.password && m.default == Role::Subscriber;
        let wanted = self.missions.iter().filter(shown).map(|m| (m.guid.clone(), m.items.clone()));
        assert_eq!(listed.collect::<BTreeMap<_, _>>(), wanted.collect::<BTreeMap<_, _>>(), "{client:?}");
    }

    /// One's own, and with them nobody else's token.
    pub fn invitations(&self, by: usize) {
        let client = &self.clients[by];
        let path = format!("/Marti/api/missions/invitations?clientUid={}", client.uid);
        let answer = scene::answered(&self.must(by, "GET", &path, None, 200), 200);
        let found = answer["data"].as_array().unwrap().iter();
        let found: BTreeSet<_> =
            found.map(|i| [&i["missionGuid"], &i["type"], &i["invitee"]].map(scene::text)).collect();
        let mut wanted = BTreeSet::new();
        for m in &self.missions {
            for (kind, invitee, _) in m.invitations_of(client, self.holds(by)) {
                wanted.insert([m.guid.clone(), kind.to_owned(), invitee]);
            }
        }
        assert_eq!(found, wanted, "{client:?}");
    }

    pub fn read(&self, by: usize, mission: usize) {
        let (client, m) = (&self.clients[by], &self.missions[mission]);
        let status = self.status(by, mission, m.role(client), Role::Readonly);
        for suffix in READS {
            let path = format!("{}{suffix}?creatorUid={}", self.path(mission), client.uid);
            let answer = self.must(by, "GET", &path, None, status);
            if status == 200 && suffix.is_empty() {
                assert_eq!(items(&scene::answered(&answer, 200)["data"][0]), m.items, "{client:?}");
            }
            if status == 200 && suffix == "/cot" {
                let text = answer.text();
                m.items.iter().for_each(|item| assert!(text.contains(item), "{item} is missing"));
                assert_eq!(text.matches("<event ").count(), m.items.len(), "{text}");
                assert!(!text.contains("<marti"), "{text}");
            }
        }
    }
}

/// Uids of what a mission shows.
fn items(mission: &serde_json::Value) -> BTreeSet<String> {
    mission["uids"].as_array().unwrap().iter().map(|u| scene::text(&u["data"])).collect()
}
