//! The plugin on the mock host beside the model: who asks, what is heard, what should have been.
use std::collections::BTreeSet;

use fts_plugin_api::{
    sdk::{Identity, Role as Account},
    testkit::{self, Answer, MockHost},
};
use fts_plugin_mission::Mission as Plugin;

use super::{CLIENTS, Client, GROUPS, Heard, KINDS, Mission, Role, Step};
use crate::scene;

pub fn groups(bits: u8) -> BTreeSet<&'static str> {
    (0..3).filter(|n| bits & (1 << n) != 0).map(|n| GROUPS[n]).collect()
}

pub struct World {
    pub host: MockHost,
    pub clients: Vec<Client>,
    pub missions: Vec<Mission>,
    pub items: usize,
    pub heard: Heard,
}

impl World {
    pub fn new(bits: [u8; 7]) -> Self {
        let host = MockHost::builder().now(scene::NOW).start::<Plugin>().unwrap();
        let clients = CLIENTS.iter().zip(bits).map(|((uid, callsign, user, admin), bits)| {
            let (uid, callsign, user, admin) = (*uid, *callsign, *user, *admin);
            Client { conn: None, uid, callsign, user, admin, groups: groups(bits) }
        });
        let mut world =
            Self { host, clients: clients.collect(), missions: Vec::new(), items: 0, heard: Heard::default() };
        (0..CLIENTS.len()).for_each(|n| world.connect(n));
        world
    }

    pub fn connect(&mut self, n: usize) {
        let client = &mut self.clients[n];
        let who = testkit::Client::new(client.uid, client.callsign).user(client.user);
        client.conn = Some(self.host.connect(who.groups(client.groups.iter().copied())));
    }

    /// None before there is a mission.
    pub fn pick(&self, n: usize) -> Option<usize> {
        (!self.missions.is_empty()).then(|| n % self.missions.len())
    }

    pub fn ask(
        &self,
        by: usize,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<serde_json::Value>,
    ) -> Answer {
        let client = &self.clients[by];
        let groups: Vec<String> = client.groups.iter().map(|g| (*g).to_owned()).collect();
        let role = match (client.user, client.admin) {
            ("", _) => Account::Anonymous,
            (_, true) => Account::Admin,
            _ => Account::User,
        };
        let (groups_in, groups_out) = (groups.clone(), groups);
        let identity = Identity { user: client.user.into(), role, groups_in, groups_out, ..Identity::default() };
        let mut call = self.host.http(method, path).identity(identity);
        if let Some(token) = token {
            call = call.header("MissionAuthorization", format!("Bearer {token}"));
        }
        match body {
            Some(body) => call.json(&body).send(),
            None => call.send(),
        }
    }

    /// A request about a mission that must be answered so. Refused ones show nothing.
    pub fn must(&self, by: usize, method: &str, path: &str, body: Option<serde_json::Value>, status: u16) -> Answer {
        let answer = self.ask(by, method, path, None, body);
        assert_eq!(answer.status, status, "{:?} {method} {path}: {}", self.clients[by], answer.text());
        if status >= 400 {
            assert!(!answer.text().contains("item-"), "{method} {path}: {}", answer.text());
        }
        answer
    }

    /// Is its uid its own: did its user connect with it first of those who are?
    pub fn holds(&self, n: usize) -> bool {
        let client = &self.clients[n];
        let first = self.clients.iter().filter(|c| c.uid == client.uid && c.conn.is_some()).min_by_key(|c| c.conn);
        client.conn.is_some() && first.is_some_and(|first| first.user == client.user)
    }

    /// By guid or, half of the time, by name.
    pub fn path(&self, mission: usize) -> String {
        let m = &self.missions[mission];
        if mission.is_multiple_of(2) {
            return format!("/Marti/api/missions/guid/{}", m.guid);
        }
        format!("/Marti/api/missions/{}", m.name)
    }

    /// The status of a request that needs a role of at least this.
    pub fn status(&self, by: usize, mission: usize, role: Option<Role>, need: Role) -> u16 {
        self.hidden(by, mission).unwrap_or(if role.is_some_and(|role| role >= need) { 200 } else { 403 })
    }

    /// 410 or 404 where a mission is not to be seen.
    pub fn hidden(&self, by: usize, mission: usize) -> Option<u16> {
        let m = &self.missions[mission];
        match (m.dead, self.clients[by].sees(m)) {
            (true, _) => Some(410),
            (false, false) => Some(404),
            (false, true) => None,
        }
    }

    pub fn tell_live(&mut self, mission: usize, kind: &str) {
        let m = &self.missions[mission];
        let what = format!("{kind} {}", m.guid);
        let live: Vec<_> = self.clients.iter().filter(|c| m.is_live(c)).cloned().collect();
        live.iter().for_each(|c| self.heard.add(c, what.clone()));
    }

    /// The groups of a mission, but the author.
    pub fn tell_groups(&mut self, mission: usize, kind: &str, author: &str) {
        let m = &self.missions[mission];
        let what = format!("{kind} {}", m.guid);
        let in_group = |c: &&Client| c.uid != author && m.groups.iter().any(|g| c.groups.contains(g));
        let told: Vec<_> = self.clients.iter().filter(in_group).cloned().collect();
        told.iter().for_each(|c| self.heard.add(c, what.clone()));
    }

    pub fn run(&mut self, step: &Step) {
        self.host.forget();
        self.heard = Heard::default();
        match *step {
            Step::Create { by, groups: bits, default, closed } => {
                self.create(by, groups(bits), Role::ALL[default], closed)
            }
            Step::Subscribe { by, mission, how } => self.on(mission, |w, m| w.subscribe(by, m, how)),
            Step::Leave { by, mission, whom, only_disconnect } => {
                self.on(mission, |w, m| w.leave(by, m, whom, only_disconnect));
            }
            Step::SetRole { by, mission, whom, role } => {
                self.on(mission, |w, m| w.set_role(by, m, whom, Role::ALL.get(role).copied()));
            }
            Step::Invite { by, mission, whom, kind } => self.on(mission, |w, m| w.invite(by, m, whom, KINDS[kind])),
            Step::Withdraw { by, mission, whom, kind } => self.on(mission, |w, m| w.withdraw(by, m, whom, KINDS[kind])),
            Step::Send { by, first, second, named } => self.send(by, first, second, named),
            Step::Remove { by, mission } => self.on(mission, |w, m| w.remove(by, m)),
            Step::Keywords { by, mission, of_item } => self.on(mission, |w, m| w.keywords(by, m, of_item)),
            Step::Regroup { by, mission, groups: bits } => self.on(mission, |w, m| w.regroup(by, m, groups(bits))),
            Step::Delete { by, mission, expire } => self.on(mission, |w, m| w.delete(by, m, expire)),
            Step::Reconnect { whom, stay_away } => self.reconnect(whom, stay_away),
            Step::Move { whom, groups: bits } => {
                self.clients[whom].groups = groups(bits);
                if let Some(conn) = self.clients[whom].conn {
                    self.host.set_groups(conn, groups(bits));
                }
            }
            Step::Read { by, mission } => {
                self.list(by);
                self.invitations(by);
                self.on(mission, |w, m| w.read(by, m));
            }
        }
        let wanted = std::mem::take(&mut self.heard).sorted();
        assert_eq!(self.really_heard(), wanted, "heard, and should have been, after {step:?}");
    }

    pub fn on(&mut self, mission: usize, f: impl FnOnce(&mut Self, usize)) {
        if let Some(mission) = self.pick(mission) {
            f(self, mission);
        }
    }

    pub fn really_heard(&self) -> Heard {
        let mut heard = Heard::default();
        for client in &self.clients {
            let Some(conn) = client.conn else { continue };
            for event in self.host.received(conn) {
                let what = match event.detail("mission") {
                    Some(mission) => format!("{} {}", event.kind(), mission.attr("guid").unwrap()),
                    None => event.uid().into_owned(),
                };
                heard.add(client, what);
            }
        }
        heard.sorted()
    }
}
