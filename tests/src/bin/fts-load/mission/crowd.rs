//! [`Crowd`]: who takes part: members of a mission, the first of which send to it, and others with ordinary traffic.
//!
//! Order: connect, announce, make the mission, subscribe each member over HTTP. Some members and all others are looked
//! at byte by byte ([`Witness`]). A span of traffic is paced by the clock: what fell due during a long turn leaves together.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::http::Http;
use crate::{
    event::uid,
    fault::Fault,
    room::{Room, Setup},
    sample,
    shelves::{Shelves, histogram},
    target::Target,
    texts,
    witness::Witness,
};

/// Members that are looked at byte by byte.
const WITNESSES: usize = 3;

/// What a crowd consists of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The mission's name.
    pub mission: String,
    /// Live members.
    pub members: usize,
    /// Those of them that send.
    pub senders: usize,
    /// Who is in no mission; all of them send positions.
    pub others: usize,
    /// Positions per second of each of the others.
    pub ordinary: f64,
    /// Items of the mission.
    pub items: usize,
    /// Bytes of an event.
    pub size: usize,
}

/// See the file's head.
pub struct Crowd {
    /// All of them; members come first.
    pub room: Room,
    plan: Plan,
}

/// What one span of traffic showed. Times in microseconds.
#[derive(Clone, Debug)]
pub struct Span {
    /// Mission events per second that were sent.
    pub sent: f64,
    /// From sending to receipt, of mission events at members.
    pub mission: Histogram<u64>,
    /// The same of positions at those outside.
    pub ordinary: Histogram<u64>,
    /// The same of positions at members.
    pub inside: Histogram<u64>,
    /// Share of one core the server used.
    pub load: f64,
    /// Share of one core the generator used.
    pub own_load: f64,
}

impl Crowd {
    /// Everybody is there and subscribed.
    ///
    /// # Errors
    /// When somebody cannot connect or subscribe.
    pub fn gather(target: &Target, http: Http, plan: &Plan) -> Result<Self, Fault> {
        let clients = plan.members + plan.others;
        let size = plan.size;
        let setup = Setup { clients, senders: clients, protobuf: 0.0, size, identity: None, tls: 0.0, strict: false };
        let mut room = Room::open(target, &setup)?;
        room.announce()?;
        let path = format!("/Marti/api/missions/{}", plan.mission);
        http.ask("PUT", &format!("{path}?creatorUid={}", uid(room.number(0))), 201)?;
        let things = u32::try_from(plan.items / plan.senders.max(1)).unwrap_or(u32::MAX);
        for n in 0..plan.members {
            let number = room.number(n);
            http.ask("PUT", &format!("{path}/subscription?uid={}", uid(number)), 201)?;
            let item = texts::mission_item(number, &plan.mission, things, size);
            (room.clients[n].chat, room.clients[n].marker) = (item.clone(), item);
            room.turn(Duration::ZERO)?;
        }
        for n in (0..plan.members).rev().take(WITNESSES).chain(plan.members..clients) {
            room.clients[n].witness = Some(Witness::default());
        }
        room.put_ahead(plan.members..clients)?;
        // What making and subscribing told everybody is no part of the measurement.
        room.until(Duration::from_millis(500), |_| false)?;
        Ok(Self { room, plan: plan.clone() })
    }

    /// Traffic for so long: ordinary, and so many mission events a second (0 = none).
    ///
    /// # Errors
    /// When waiting fails.
    pub fn span(&mut self, target: &Target, rate: f64, time: Duration) -> Result<Span, Fault> {
        let (room, plan) = (&mut self.room, &self.plan);
        (room.latency, room.shelves, room.recording) = (histogram()?, Some(Shelves::new(plan.members)?), Some(0));
        let (cpu, own_cpu, began) = (target.cpu(), sample::own_cpu(), Instant::now());
        let (mut missions, mut positions) = (0_u64, 0_u64);
        while began.elapsed() < time {
            let seconds = began.elapsed().as_secs_f64();
            while (missions as f64) < seconds * rate {
                room.send_reliable((missions % plan.senders as u64) as usize);
                missions += 1;
            }
            while (positions as f64) < seconds * plan.ordinary * plan.others as f64 {
                room.send_positions(plan.members + (positions % plan.others as u64) as usize, 1);
                positions += 1;
            }
            room.turn(Duration::from_micros(500))?;
        }
        let seconds = began.elapsed().as_secs_f64();
        let load = target.cpu().saturating_sub(cpu).as_secs_f64() / seconds;
        let own_load = sample::own_cpu().saturating_sub(own_cpu).as_secs_f64() / seconds;
        self.settle()?;
        let room = &mut self.room;
        room.recording = None;
        let shelves = room.shelves.take().map_or_else(|| Shelves::new(0), Ok)?;
        Ok(Span {
            sent: missions as f64 / seconds,
            mission: shelves.mission,
            ordinary: std::mem::replace(&mut room.latency, histogram()?),
            inside: shelves.inside,
            load,
            own_load,
        })
    }

    /// Waits until all that was sent has come, or nothing comes any more.
    fn settle(&mut self) -> Result<(), Fault> {
        let wanted = self.expected();
        loop {
            let before = self.room.bytes;
            self.room.until(Duration::from_secs(2), |room| room.tally.received[1] >= wanted)?;
            if self.room.tally.received[1] >= wanted || self.room.bytes == before {
                return self.room.until(Duration::from_millis(200), |_| false);
            }
        }
    }

    /// Mission events that were sent.
    pub fn sent(&self) -> u64 {
        self.room.clients.iter().map(|c| u64::from(c.sent[1])).sum()
    }

    /// Deliveries of mission events that all members together must have had.
    pub fn expected(&self) -> u64 {
        self.sent() * (self.plan.members as u64 - 1)
    }

    /// What speaks against it that each member got everything: its events once and in order, notices before them.
    pub fn complaints(&self) -> Vec<String> {
        let (tally, wanted, sent) = (&self.room.tally, self.expected(), self.sent());
        let mut all = Vec::new();
        let mut add = |n: u64, what: &str| {
            if n > 0 {
                all.push(format!("{n} {what}"));
            }
        };
        add(wanted.saturating_sub(tally.received[1] + tally.late), "events lost");
        add(tally.duplicates, "events twice");
        add(tally.late + tally.gaps[1], "events out of order");
        add(tally.echoes, "events back to their sender");
        add(self.room.closed().count() as u64, "clients cut off");
        for witness in self.room.clients[..self.plan.members].iter().filter_map(|c| c.witness.as_ref()) {
            add(sent.abs_diff(witness.notices), "notices missing or too many");
            add(witness.early, "events before their notice");
            add(witness.odd, "notices out of order");
        }
        all
    }

    /// Notices and events of the mission that came to who is in no mission.
    pub fn leaked(&self) -> u64 {
        let outside = &self.room.clients[self.plan.members..];
        outside.iter().filter_map(|c| c.witness.as_ref()).map(|w| w.notices + w.events).sum()
    }
}
