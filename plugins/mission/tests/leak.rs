//! An event with a mission destination never reaches a client outside that mission, and no member misses it: random worlds
//! (missions, members, roles, groups, borrowed uids, reconnects) against a small model, more than 10 000 events.
//!
//! The last tests show that the check fails when the writer check is passed by, and when it says yes to the wrong ones.
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use fts_plugin_api::{
    sdk::{Identity, Role, SourceInfo, SourceKind},
    testkit::{Client, MockHost},
};
use fts_plugin_mission::Mission;
use proptest::{prelude::*, test_runner::TestRunner};
use scene::{NOW, marker, text};

/// Client uid, user. The last borrows the uid of the first.
const PEOPLE: [(&str, &str); 6] = [("U0", "u0"), ("U1", "u1"), ("U2", "u2"), ("U3", "u2"), ("U4", "u4"), ("U0", "u5")];
const GROUPS: [&str; 3] = ["G0", "G1", "G2"];
const ROLES: [&str; 3] = ["MISSION_READONLY_SUBSCRIBER", "MISSION_SUBSCRIBER", "MISSION_OWNER"];

#[derive(Clone, Debug)]
enum Op {
    Create { who: usize, name: usize, groups: u8, role: usize, closed: bool },
    Join { who: usize, mission: usize, knows: bool },
    Leave { who: usize, mission: usize, keep: bool },
    SetRole { whom: usize, mission: usize, role: Option<usize> },
    Delete { mission: usize },
    Reconnect { who: usize },
    Regroup { who: usize, groups: u8 },
    Restart,
    Send { who: usize, dests: Vec<(usize, bool)>, callsign: Option<usize> },
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let who = || 0..PEOPLE.len();
    let mission = || 0..8_usize;
    let op = prop_oneof![
        3 => (who(), 0..3_usize, 0..8_u8, 0..3_usize, prop::bool::weighted(0.2))
            .prop_map(|(who, name, groups, role, closed)| Op::Create { who, name, groups, role, closed }),
        6 => (who(), mission(), prop::bool::weighted(0.8)).prop_map(|(who, mission, knows)| Op::Join { who, mission, knows }),
        2 => (who(), mission(), any::<bool>()).prop_map(|(who, mission, keep)| Op::Leave { who, mission, keep }),
        2 => (who(), mission(), prop::option::of(0..3_usize))
            .prop_map(|(whom, mission, role)| Op::SetRole { whom, mission, role }),
        1 => mission().prop_map(|mission| Op::Delete { mission }),
        1 => who().prop_map(|who| Op::Reconnect { who }),
        1 => (who(), 0..8_u8).prop_map(|(who, groups)| Op::Regroup { who, groups }),
        1 => prop::bool::weighted(0.3).prop_map(|yes| if yes { Op::Restart } else { Op::Reconnect { who: 0 } }),
        40 => (who(), prop::collection::vec((mission(), any::<bool>()), 1..3), prop::option::weighted(0.2, who()))
            .prop_map(|(who, dests, callsign)| Op::Send { who, dests, callsign }),
    ];
    prop::collection::vec(op, 120..200)
}

/// A mission as the model knows it.
struct Known {
    guid: String,
    name: usize,
    /// (uid, user) → role, live.
    members: BTreeMap<(String, String), (usize, bool)>,
    uids: BTreeSet<String>,
}

/// What the worlds were like.
#[derive(Clone, Debug, Default)]
struct Counts {
    /// Events.
    sent: usize,
    /// Those that some mission took, and those that none took.
    taken: usize,
    refused: usize,
    /// Clients that got an event, and that must not.
    received: usize,
    kept_out: usize,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.taken += other.taken;
        self.refused += other.refused;
        self.received += other.received;
        self.kept_out += other.kept_out;
    }
}

struct World {
    host: MockHost,
    conns: Vec<u64>,
    groups: Vec<Vec<String>>,
    missions: Vec<Known>,
    counts: Counts,
    /// The native check of who may send is left out.
    broken: bool,
}

fn named(mask: u8) -> Vec<String> {
    GROUPS.iter().enumerate().filter(|(n, _)| mask & (1 << n) != 0).map(|(_, g)| (*g).to_owned()).collect()
}

fn member(who: usize) -> (String, String) {
    (PEOPLE[who].0.to_owned(), PEOPLE[who].1.to_owned())
}

impl World {
    fn new(broken: bool) -> Self {
        let host = MockHost::builder().now(NOW).start::<Mission>().unwrap();
        let groups: Vec<_> = (0..PEOPLE.len()).map(|n| named(1 + (n as u8 * 3) % 7)).collect();
        let mut world = Self {
            host,
            conns: vec![0; PEOPLE.len()],
            groups,
            missions: Vec::new(),
            counts: Counts::default(),
            broken,
        };
        (0..PEOPLE.len()).for_each(|who| world.connect(who));
        world
    }

    fn connect(&mut self, who: usize) {
        let (uid, user) = PEOPLE[who];
        let client = Client::new(uid, format!("call{who}")).user(user).groups(self.groups[who].clone());
        self.conns[who] = self.host.connect(client);
    }

    fn ask(&self, who: Option<usize>, method: &str, path: &str) -> (u16, serde_json::Value) {
        let identity = match who {
            Some(who) => Identity {
                user: PEOPLE[who].1.to_owned(),
                role: Role::User,
                groups_in: self.groups[who].clone(),
                groups_out: self.groups[who].clone(),
                ..Identity::default()
            },
            None => Identity { user: "admin".into(), role: Role::Admin, ..Identity::default() },
        };
        let answer = self.host.http(method, &format!("/Marti/api/missions{path}")).identity(identity).send();
        (answer.status, answer.json().unwrap_or_default())
    }

    /// One of the missions there are; now and then none.
    fn pick(&self, n: usize) -> Option<usize> {
        (n < 7 && !self.missions.is_empty()).then(|| n % self.missions.len())
    }

    /// Three missions with members, so that there is something to leak from the beginning.
    fn people(&mut self) {
        for (who, role) in [(0, 1), (1, 0), (2, 1)] {
            self.apply(&Op::Create { who, name: who, groups: 7, role, closed: false }).unwrap();
        }
        for (who, mission) in [(1, 0), (2, 0), (2, 1), (3, 1), (3, 2), (4, 2)] {
            self.apply(&Op::Join { who, mission, knows: true }).unwrap();
        }
    }

    fn apply(&mut self, op: &Op) -> Result<(), String> {
        match op {
            Op::Create { who, name, groups, role, closed } => {
                // A mission is made in groups of its creator.
                let mut groups = named(*groups);
                groups.retain(|g| self.groups[*who].contains(g));
                let groups = groups.join(",");
                let password = if *closed { "&password=p" } else { "" };
                let query =
                    format!("creatorUid={}&group={groups}&defaultRole={}{password}", PEOPLE[*who].0, ROLES[*role]);
                let (status, made) = self.ask(Some(*who), "POST", &format!("/Mission%20{name}?allowDupe=true&{query}"));
                if status == 201 {
                    let guid = text(&made["data"][0]["guid"]);
                    let members = BTreeMap::from([(member(*who), (2, true))]);
                    self.missions.push(Known { guid, name: *name, members, uids: BTreeSet::new() });
                }
            }
            Op::Join { who, mission, knows } => {
                let Some(mission) = &self.pick(*mission) else { return Ok(()) };
                let guid = self.missions[*mission].guid.clone();
                let password = if *knows { "&password=p" } else { "" };
                let path = format!("/guid/{guid}/subscription?uid={}{password}", PEOPLE[*who].0);
                let (status, joined) = self.ask(Some(*who), "PUT", &path);
                if status == 201 {
                    let role = text(&joined["data"]["role"]["type"]);
                    let role = ROLES.iter().position(|r| *r == role).unwrap();
                    self.missions[*mission].members.insert(member(*who), (role, true));
                }
            }
            Op::Leave { who, mission, keep } => {
                let Some(mission) = &self.pick(*mission) else { return Ok(()) };
                let guid = self.missions[*mission].guid.clone();
                let path = format!("/guid/{guid}/subscription?uid={}&disconnectOnly={keep}", PEOPLE[*who].0);
                let own = self.missions[*mission].members.contains_key(&member(*who));
                if own && self.ask(Some(*who), "DELETE", &path).0 == 200 {
                    let members = &mut self.missions[*mission].members;
                    match members.get_mut(&member(*who)) {
                        Some(row) if *keep => row.1 = false,
                        _ => drop(members.remove(&member(*who))),
                    }
                }
            }
            Op::SetRole { whom, mission, role } => {
                let Some(mission) = &self.pick(*mission) else { return Ok(()) };
                let guid = self.missions[*mission].guid.clone();
                let wanted = role.map(|r| format!("&role={}", ROLES[r])).unwrap_or_default();
                let path = format!("/guid/{guid}/role?username={}{wanted}", PEOPLE[*whom].1);
                if self.ask(None, "PUT", &path).0 == 200 {
                    let members = &mut self.missions[*mission].members;
                    let user = PEOPLE[*whom].1;
                    match role {
                        Some(role) => {
                            members.iter_mut().filter(|(m, _)| m.1 == user).for_each(|(_, row)| row.0 = *role)
                        }
                        None => members.retain(|m, _| m.1 != user),
                    }
                }
            }
            Op::Delete { mission } => {
                if let Some(mission) = self.pick(*mission) {
                    let gone = self.missions.remove(mission);
                    assert_eq!(self.ask(None, "DELETE", &format!("/guid/{}", gone.guid)).0, 200);
                }
            }
            Op::Reconnect { who } => {
                self.host.disconnect(self.conns[*who], "eof");
                self.connect(*who);
            }
            Op::Regroup { who, groups } => {
                self.groups[*who] = named(*groups);
                self.host.set_groups(self.conns[*who], self.groups[*who].clone());
            }
            Op::Restart => {
                self.host.stop().unwrap();
                self.host.start_again().unwrap();
            }
            Op::Send { who, dests, callsign } => return self.send(*who, dests, *callsign),
        }
        Ok(())
    }

    /// Sends, and compares who got what with the model.
    fn send(&mut self, who: usize, dests: &[(usize, bool)], callsign: Option<usize>) -> Result<(), String> {
        self.counts.sent += 1;
        let uid = format!("item-{}", self.counts.sent % 7);
        let mut written = Vec::new();
        let mut meant = BTreeSet::new();
        for (n, by_guid) in dests {
            match self.pick(*n).map(|n| (n, &self.missions[n])) {
                Some((n, mission)) if *by_guid => {
                    written.push(format!("mission-guid=\"{}\"", mission.guid));
                    meant.insert(n);
                }
                Some((_, mission)) => {
                    written.push(format!("mission=\"Mission {}\"", mission.name));
                    // The newest of that name in which the sender may write.
                    let writes = |m: &Known| m.members.get(&member(who)).is_some_and(|row| row.0 >= 1);
                    meant.extend(self.missions.iter().rposition(|m| m.name == mission.name && writes(m)));
                }
                None => written.push("mission=\"Nowhere\"".to_owned()),
            }
        }
        written.extend(callsign.map(|n| format!("callsign=\"call{n}\"")));
        let taken: BTreeSet<usize> = meant
            .into_iter()
            .filter(|n| self.missions[*n].members.get(&member(who)).is_some_and(|row| row.0 >= 1))
            .collect();
        self.host.forget();
        let event = marker(&uid, &written.join("/><dest "));
        if self.broken {
            let groups = self.groups[who].clone();
            let source = SourceInfo { kind: SourceKind::Server, groups, ..SourceInfo::default() };
            self.host.deliver_from(event, source);
        } else {
            self.host.deliver(event, self.conns[who]);
        }
        for n in &taken {
            self.missions[*n].uids.insert(uid.clone());
        }
        if taken.is_empty() {
            self.counts.refused += 1;
        } else {
            self.counts.taken += 1;
        }
        for (k, conn) in self.conns.iter().enumerate() {
            let live = |n: &&usize| self.missions[**n].members.get(&member(k)).is_some_and(|row| row.1);
            let notices = taken.iter().filter(live).count();
            let shares = self.groups[who].iter().any(|g| self.groups[k].contains(g));
            let event = k != who && (notices > 0 || (callsign == Some(k) && shares));
            if event {
                self.counts.received += 1;
            } else {
                self.counts.kept_out += 1;
            }
            let got = self.host.received(*conn);
            let (events, told): (Vec<_>, Vec<_>) = got.iter().partition(|e| e.uid() == uid);
            if (told.len(), events.len()) != (notices, usize::from(event)) || told.iter().any(|e| e.kind() != "t-x-m-c")
            {
                return Err(format!(
                    "{:?} got {} notices and {} events of {uid} from {:?}, not {notices} and {event}",
                    PEOPLE[k],
                    told.len(),
                    events.len(),
                    PEOPLE[who]
                ));
            }
        }
        Ok(())
    }

    /// What each mission holds is what was taken.
    fn compare(&self) -> Result<(), String> {
        for mission in &self.missions {
            let (status, shown) = self.ask(None, "GET", &format!("/guid/{}", mission.guid));
            let uids = shown["data"][0]["uids"].as_array().cloned().unwrap_or_default();
            let uids: BTreeSet<_> = uids.iter().map(|u| text(&u["data"])).collect();
            if status != 200 || uids != mission.uids {
                return Err(format!("the mission {} holds {uids:?}, not {:?} ({status})", mission.guid, mission.uids));
            }
        }
        Ok(())
    }
}

/// 110 worlds with some 110 events each.
#[test]
fn nobody_outside_a_mission_hears_of_it_and_no_member_misses_anything() {
    let config =
        ProptestConfig { cases: 110, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() };
    let counts = RefCell::new(Counts::default());
    let run = |ops: Vec<Op>| {
        let mut world = World::new(false);
        world.people();
        for op in &ops {
            world.apply(op).map_err(TestCaseError::fail)?;
        }
        world.compare().map_err(TestCaseError::fail)?;
        counts.borrow_mut().add(&world.counts);
        Ok(())
    };
    TestRunner::new(config).run(&ops(), run).unwrap();
    let counts = counts.into_inner();
    // Or the worlds are so poor that nothing could have leaked.
    assert!(counts.sent >= 10_000 && counts.taken >= 2_000 && counts.refused >= 2_000, "{counts:?}");
    assert!(counts.received >= 2_000 && counts.kept_out >= 10_000, "{counts:?}");
}

/// The writers the host knows are made from the rows at start. So a row that nobody asked for breaks the check itself:
/// the event takes the usual way and is let through.
fn with_a_wrong_writer(outsider: bool) -> Result<(), String> {
    let mut world = World::new(false);
    world.apply(&Op::Create { who: 0, name: 0, groups: 1, role: 0, closed: false }).unwrap();
    world.apply(&Op::Join { who: 2, mission: 0, knows: true }).unwrap();
    assert_eq!(world.missions[0].members[&member(2)], (0, true), "a member that only reads");
    let (who, sql) = if outsider {
        let sql = "INSERT INTO mission_subscription (mission_id, client_uid, username, token_id, role, create_time, active)
            SELECT mission_id, 'U4', 'u4', 'wrong', 'MISSION_SUBSCRIBER', 0, 0 FROM mission_subscription WHERE client_uid = 'U0'";
        (4, sql)
    } else {
        (2, "UPDATE mission_subscription SET role = 'MISSION_SUBSCRIBER' WHERE client_uid = 'U2'")
    };
    world.send(who, &[(0, true)], None).unwrap();
    world.host.stop().unwrap();
    let link = rusqlite::Connection::open(world.host.dir().join("data.db")).unwrap();
    assert_eq!(link.execute(sql, []).unwrap(), 1);
    drop(link);
    world.host.start_again().unwrap();
    world.send(who, &[(0, true)], None)
}

#[test]
fn the_check_finds_a_writer_check_that_lets_somebody_outside_write() {
    assert!(with_a_wrong_writer(true).unwrap_err().contains("(\"U0\", \"u0\") got 1 notices and 1 events"));
}

#[test]
fn the_check_finds_a_writer_check_that_lets_a_reader_write() {
    assert!(with_a_wrong_writer(false).unwrap_err().contains("(\"U0\", \"u0\") got 1 notices and 1 events"));
}

#[test]
fn the_check_finds_a_writer_check_that_is_passed_by() {
    let mut world = World::new(true);
    world.apply(&Op::Create { who: 0, name: 0, groups: 1, role: 1, closed: false }).unwrap();
    assert_eq!(world.missions.len(), 1);
    let found = world.apply(&Op::Send { who: 4, dests: vec![(0, true)], callsign: None });
    assert!(found.unwrap_err().contains("(\"U0\", \"u0\") got 1 notices and 1 events"), "somebody outside reached it");
}
