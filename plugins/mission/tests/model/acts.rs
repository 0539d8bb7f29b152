//! The steps: each is done, its status must be the model's, and what it should let be heard is noted.
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::json;

use super::{Client, Mission, Role, World};
use crate::scene;

impl World {
    pub fn create(&mut self, by: usize, groups: BTreeSet<&'static str>, default: Role, closed: u8) {
        let (client, name) = (self.clients[by].clone(), format!("Mission{}", self.missions.len()));
        // Hashing is slow: few have a password.
        let (invite_only, password) = (closed < 5, closed == 5);
        let mut path = format!("/Marti/api/missions/{name}?creatorUid={}&defaultRole={}", client.uid, default.name());
        groups.iter().for_each(|group| path.push_str(&format!("&group={group}")));
        path.push_str(if invite_only { "&inviteOnly=true" } else { "" });
        path.push_str(if password { "&password=river" } else { "" });
        let may = client.admin || groups.is_subset(&client.groups);
        let answer = self.must(by, "PUT", &path, None, if may { 201 } else { 403 });
        if !may {
            return;
        }
        let guid = scene::text(&scene::answered(&answer, 201)["data"][0]["guid"]);
        let rows = BTreeMap::from([(client.pair(), (Role::Owner, true))]);
        let (invited, items) = (BTreeMap::new(), BTreeSet::new());
        self.missions.push(Mission {
            guid,
            name,
            groups,
            default,
            invite_only,
            password,
            rows,
            invited,
            items,
            dead: false,
        });
        if !invite_only {
            self.tell_groups(self.missions.len() - 1, "t-x-m-n", client.uid);
        }
    }

    /// `how`: 0 with the right password, 1 with a wrong one, 2 with the token of an invitation, 3 with nothing.
    pub fn subscribe(&mut self, by: usize, mission: usize, how: u8) {
        let (client, m) = (self.clients[by].clone(), self.missions[mission].clone());
        let own = m.invitations_of(&client, self.holds(by));
        let with = own.first().filter(|_| how == 2).cloned();
        let token = with.as_ref().map(|(kind, invitee, _)| self.token(by, &m, kind, invitee));
        let password = ["&password=river", "&password=lake", "", ""][usize::from(how)];
        let path = format!("{}/subscription?uid={}{password}", self.path(mission), client.uid);
        let answer = self.ask(by, "PUT", &path, token.as_deref(), None);
        let row = m.rows.get(&client.pair()).copied();
        let role = if let Some((.., role)) = &with {
            Some(*role)
        } else if let Some((role, _)) = row.filter(|_| !client.user.is_empty()) {
            Some(role)
        } else if m.password && !client.admin && how != 0 {
            None
        } else if m.invite_only && !client.admin {
            // Without a user no device is provably anybody's; groups are everybody's.
            let counts = |kind: &str| kind == "group" || !client.user.is_empty();
            own.iter().filter(|(kind, ..)| counts(kind)).map(|(.., role)| *role).max()
        } else {
            Some(m.default)
        };
        let status = self.hidden(by, mission).unwrap_or(if role.is_some() { 201 } else { 403 });
        assert_eq!(answer.status, status, "{client:?} {path} of {m:?}: {}", answer.text());
        let (201, Some(role)) = (status, role) else { return };
        let role = row.map_or(role, |(before, _)| before.max(role));
        let holds = self.holds(by);
        let m = &mut self.missions[mission];
        m.rows.insert(client.pair(), (role, true));
        if holds {
            m.invited.remove(&("clientUid", client.uid.to_owned()));
            m.invited.remove(&("callsign", client.callsign.to_owned()));
        }
        if let Some((kind @ ("clientUid" | "callsign"), invitee, _)) = with {
            m.invited.remove(&(kind, invitee));
        }
    }

    /// Of an invitation that is the client's own.
    pub fn token(&self, by: usize, m: &Mission, kind: &str, invitee: &str) -> String {
        let path = format!("/Marti/api/missions/invitations?clientUid={}", self.clients[by].uid);
        let answer = scene::answered(&self.must(by, "GET", &path, None, 200), 200);
        let mut all = answer["data"].as_array().unwrap().iter();
        let own = all.find(|i| i["missionGuid"] == m.guid.as_str() && i["type"] == kind && i["invitee"] == invitee);
        scene::text(&own.unwrap_or_else(|| panic!("{kind} {invitee} is missing in {answer}"))["token"])
    }

    pub fn leave(&mut self, by: usize, mission: usize, whom: usize, only_disconnect: bool) {
        let (client, uid, m) = (&self.clients[by], self.clients[whom].uid, &self.missions[mission]);
        let all: Vec<_> = m.rows.keys().filter(|(row, _)| row == uid).cloned().collect();
        let own: Vec<_> = all.iter().filter(|(_, user)| user == client.user).cloned().collect();
        let rows = if own.is_empty() { all } else { own };
        let others = rows.iter().any(|(_, user)| user != client.user);
        let need = if others { Role::Owner } else { Role::Readonly };
        let status = self.status(by, mission, m.role_of_user(client), need);
        let path = format!("{}/subscription?uid={uid}&disconnectOnly={only_disconnect}", self.path(mission));
        self.must(by, "DELETE", &path, None, status);
        for row in rows.iter().filter(|_| status == 200) {
            let members = &mut self.missions[mission].rows;
            match only_disconnect {
                true => members.get_mut(row).unwrap().1 = false,
                false => drop(members.remove(row)),
            }
        }
    }

    pub fn set_role(&mut self, by: usize, mission: usize, whom: usize, role: Option<Role>) {
        let (client, uid, m) = (&self.clients[by], self.clients[whom].uid, self.missions[mission].clone());
        let rows: Vec<_> = m.rows.keys().filter(|(row, _)| row == uid).cloned().collect();
        let mut after = m.clone();
        for row in &rows {
            match role {
                Some(role) => after.rows.get_mut(row).unwrap().0 = role,
                None => drop(after.rows.remove(row)),
            }
        }
        let less = role.is_some_and(|role| !m.password && role < m.default);
        let had = rows.iter().any(|row| m.rows[row].0 == Role::Owner);
        let status = match self.status(by, mission, m.role_of_user(client), Role::Owner) {
            200 if less => 403,
            200 if rows.is_empty() => 404,
            200 if had && after.owners() == 0 && !client.admin => 409,
            other => other,
        };
        let role_query = role.map_or_else(String::new, |role| format!("&role={}", role.name()));
        let path = format!("{}/role?clientUid={uid}{role_query}", self.path(mission));
        self.must(by, "PUT", &path, None, status);
        if status == 200 {
            self.missions[mission] = after;
            let told: Vec<_> = self.clients.iter().filter(|c| rows.contains(&c.pair())).cloned().collect();
            told.iter().for_each(|c| self.heard.add(c, format!("t-x-m-r {}", m.guid)));
        }
    }

    pub fn invite(&mut self, by: usize, mission: usize, whom: usize, kind: &'static str) {
        let Some(invitee) = self.clients[whom].name_of(kind).into_iter().next() else { return };
        let (client, m) = (self.clients[by].clone(), self.missions[mission].clone());
        let status = self.status(by, mission, m.role(&client), m.default);
        let path = format!("{}/invite/{kind}/{invitee}?creatorUid={}", self.path(mission), client.uid);
        self.must(by, "PUT", &path, None, status);
        if status == 200 {
            let meant = |n: &usize| {
                self.clients[*n].name_of(kind).contains(&invitee) && (kind != "clientUid" || self.holds(*n))
            };
            let told: Vec<_> = (0..self.clients.len()).filter(meant).map(|n| self.clients[n].clone()).collect();
            told.iter().for_each(|c| self.heard.add(c, format!("t-x-m-i {}", m.guid)));
            self.missions[mission].invited.insert((kind, invitee), m.default);
        }
    }

    pub fn withdraw(&mut self, by: usize, mission: usize, whom: usize, kind: &'static str) {
        let Some(invitee) = self.clients[whom].name_of(kind).into_iter().next() else { return };
        let (client, m) = (&self.clients[by], &self.missions[mission]);
        let status = match self.status(by, mission, m.role(client), Role::Subscriber) {
            403 if self.is_invitee(by, kind, &invitee) => 200,
            other => other,
        };
        let path = format!("{}/invite/{kind}/{invitee}?creatorUid={}", self.path(mission), client.uid);
        self.must(by, "DELETE", &path, None, status);
        if status == 200 {
            self.missions[mission].invited.remove(&(kind, invitee));
        }
    }

    /// Provably: a user with any device that is theirs; groups are everybody's.
    fn is_invitee(&self, by: usize, kind: &str, invitee: &String) -> bool {
        let client = &self.clients[by];
        let device = |n: &usize| self.clients[*n].user == client.user && self.holds(*n);
        match kind {
            "group" | "userName" => client.name_of(kind).contains(invitee),
            _ if client.user.is_empty() => false,
            _ => (0..self.clients.len()).filter(device).any(|n| self.clients[n].name_of(kind).contains(invitee)),
        }
    }

    pub fn send(&mut self, by: usize, first: usize, second: Option<usize>, named: Option<usize>) {
        let sender = self.clients[by].clone();
        let (Some(first), Some(conn)) = (self.pick(first), sender.conn) else { return };
        let second = second.and_then(|n| self.pick(n)).filter(|n| *n != first);
        let uid = format!("item-{}", self.items);
        self.items += 1;
        let mut dests = format!("mission=\"{}\"", self.missions[first].name);
        if let Some(second) = second {
            dests.push_str(&format!("/><dest mission-guid=\"{}\"", self.missions[second].guid));
        }
        let callsign = named.map(|n| self.clients[n].callsign);
        if let Some(callsign) = callsign {
            dests.push_str(&format!("/><dest callsign=\"{callsign}\""));
        }
        self.host.deliver(scene::marker(&uid, &dests), conn);
        let taken: Vec<_> =
            [Some(first), second].into_iter().flatten().filter(|n| self.missions[*n].writes(&sender)).collect();
        for n in &taken {
            self.missions[*n].items.insert(uid.clone());
            self.tell_live(*n, "t-x-m-c");
        }
        let shares = |c: &Client| c.groups.iter().any(|g| sender.groups.contains(g));
        let gets = |c: &&Client| {
            let direct = callsign == Some(c.callsign) && shares(c);
            c.conn != sender.conn && (direct || taken.iter().any(|n| self.missions[*n].is_live(c)))
        };
        let told: Vec<_> = self.clients.iter().filter(gets).cloned().collect();
        told.iter().for_each(|c| self.heard.add(c, uid.clone()));
    }

    pub fn remove(&mut self, by: usize, mission: usize) {
        let (client, m) = (&self.clients[by], &self.missions[mission]);
        let item = m.items.first().cloned().unwrap_or_else(|| "item-none".to_owned());
        let status = self.status(by, mission, m.role(client), Role::Subscriber);
        let path = format!("{}/contents?uid={item}&creatorUid={}", self.path(mission), client.uid);
        self.must(by, "DELETE", &path, None, status);
        if status == 200 {
            self.missions[mission].items.remove(&item);
            self.tell_live(mission, "t-x-m-c");
        }
    }

    pub fn keywords(&mut self, by: usize, mission: usize, of_item: bool) {
        let (client, m) = (self.clients[by].clone(), &self.missions[mission]);
        let status = self.status(by, mission, m.role(&client), Role::Subscriber);
        let item = m.items.first().filter(|_| of_item);
        let of = item.map_or_else(String::new, |item| format!("/uid/{item}"));
        let path = format!("{}{of}/keywords?creatorUid={}", self.path(mission), client.uid);
        let told_live = item.is_some();
        self.must(by, "PUT", &path, Some(json!(["k"])), status);
        match (status, told_live) {
            (200, true) => self.tell_live(mission, "t-x-m-c-k-u"),
            (200, false) => self.tell_groups(mission, "t-x-m-c-k", client.uid),
            _ => {}
        }
    }

    pub fn regroup(&mut self, by: usize, mission: usize, new: BTreeSet<&'static str>) {
        let (client, m) = (self.clients[by].clone(), &self.missions[mission]);
        let list: Vec<_> = new.iter().copied().collect();
        let (uid, list) = (client.uid, list.join(","));
        let path = format!(
            "/Marti/api/missions/guid/{}?creatorUid={uid}&group={list}&allowGroupChange=true&expiration=-1",
            m.guid
        );
        let role = m.role(&client);
        let mine = client.admin || new.is_subset(&client.groups);
        // What it does not see of them stays.
        let hidden: BTreeSet<_> =
            m.groups.iter().copied().filter(|g| !client.admin && !client.groups.contains(g)).collect();
        let new: BTreeSet<_> = new.union(&hidden).copied().collect();
        let changes = new != m.groups;
        let status = match self.status(by, mission, role, Role::Subscriber) {
            200 if !mine || (changes && role != Some(Role::Owner)) => 403,
            other => other,
        };
        self.must(by, "PUT", &path, None, status);
        if status == 200 && changes {
            self.missions[mission].groups = new;
            self.tell_groups(mission, "t-x-m-c-m", client.uid);
        }
    }

    pub fn delete(&mut self, by: usize, mission: usize, expire: bool) {
        let (client, m) = (self.clients[by].clone(), &self.missions[mission]);
        let path = self.path(mission);
        let role = m.role(&client);
        let status = self.status(by, mission, role, if expire { Role::Subscriber } else { Role::Owner });
        if expire {
            self.must(by, "PUT", &format!("{path}/expiration?creatorUid={}&expiration=1", client.uid), None, status);
            self.host.tick(Duration::from_secs(1));
        } else {
            self.must(by, "DELETE", &format!("{path}?creatorUid={}", client.uid), None, status);
        }
        if status == 200 {
            self.tell_groups(mission, "t-x-m-d", if expire { "" } else { client.uid });
            self.missions[mission].dead = true;
        }
    }

    pub fn reconnect(&mut self, whom: usize, stay_away: bool) {
        if let Some(conn) = self.clients[whom].conn.take() {
            self.host.disconnect(conn, "eof");
        }
        if !stay_away {
            self.connect(whom);
        }
    }
}
