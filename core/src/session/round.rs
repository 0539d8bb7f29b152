//! [`Round`]: what leaves with one write, and how far it is written: neighbours in one buffer as one slice, in the form
//! the stream speaks. A round is written whole before another begins (RULE-49).
use std::{
    io::IoSlice,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use smallvec::SmallVec;

use super::outbound::Item;
use crate::{
    directory::Client,
    observe::meters::{Traffic, meters},
    route::{Reason, Router},
};

/// Slices per write call.
const SLICES: usize = 128;

/// Items on their way and how far they are written.
#[derive(Debug, Default)]
pub struct Round {
    /// In order.
    pub items: Vec<Item>,
    /// Items before this one leave as XML, the others as protobuf.
    pub xml_until: usize,
    at: usize,
    offset: usize,
    /// Bytes written so far.
    pub total: usize,
}

impl Round {
    /// An empty one.
    pub const fn new() -> Self {
        Self { items: Vec::new(), xml_until: 0, at: 0, offset: 0, total: 0 }
    }

    /// Decides the form of each item: behind a switch the stream is protobuf (decision 104).
    pub fn begin(&mut self, proto: &mut bool) {
        let switch = if *proto { Some(0) } else { self.items.iter().position(|i| i.switch).map(|n| n + 1) };
        self.xml_until = switch.unwrap_or(self.items.len());
        *proto |= switch.is_some();
    }

    /// Numbers of its events, those without a number left out.
    pub fn ids(&self) -> impl Iterator<Item = u64> + '_ {
        self.items.iter().map(|i| i.event.head.id).filter(|id| *id != 0)
    }

    /// Ready for the next items; the list keeps its memory.
    pub fn clear(&mut self) {
        self.items.clear();
        (self.xml_until, self.at, self.offset, self.total) = (0, 0, 0, 0);
    }

    /// Nothing of what is left has a form that can be written.
    pub fn give_up_rest(&mut self) {
        self.at = self.items.len();
    }

    /// Is something left to write?
    pub fn left(&self) -> bool {
        self.at < self.items.len()
    }

    /// The form of an item: the buffer it lies in and where. An event without a protobuf form is nothing.
    fn form(&self, n: usize) -> (&[u8], usize, usize) {
        let event = &self.items[n].event;
        if n < self.xml_until {
            let (buf, start, end) = event.place();
            (buf, start, end)
        } else {
            event.proto().map_or((&[], 0, 0), |frame| (frame, 0, frame.len()))
        }
    }

    /// What is left if it is one item, the usual case at low load: it needs no list of slices.
    pub fn only(&self) -> Option<&[u8]> {
        if self.at + 1 != self.items.len() {
            return None;
        }
        let (buf, start, end) = self.form(self.at);
        Some(&buf[start + self.offset..end])
    }

    /// What is left, neighbours in one buffer as one slice.
    pub fn slices(&self) -> SmallVec<[IoSlice<'_>; SLICES]> {
        let mut slices: SmallVec<[IoSlice<'_>; SLICES]> = SmallVec::new();
        let (mut buf, mut from, mut to): (&[u8], usize, usize) = (&[], 0, 0);
        for n in self.at..self.items.len() {
            let (next, start, end) = self.form(n);
            let start = if n == self.at { start + self.offset } else { start };
            if start == to && next.as_ptr() == buf.as_ptr() && next.len() == buf.len() {
                to = end;
                continue;
            }
            if from < to {
                slices.push(IoSlice::new(&buf[from..to]));
                if slices.len() == SLICES {
                    return slices;
                }
            }
            (buf, from, to) = (next, start, end);
        }
        if from < to {
            slices.push(IoSlice::new(&buf[from..to]));
        }
        slices
    }

    /// So many bytes were accepted.
    pub fn advance(&mut self, mut bytes: usize) {
        self.total += bytes;
        while self.left() {
            let (_, start, end) = self.form(self.at);
            let left = end - start - self.offset;
            if bytes < left {
                self.offset += bytes;
                return;
            }
            bytes -= left;
            (self.at, self.offset) = (self.at + 1, 0);
        }
    }
}

/// What rounds have written, for metrics: added up over many clients and counted once.
#[derive(Debug, Default)]
pub struct Sums {
    traffic: Option<Arc<Traffic>>,
    xml: u64,
    proto: u64,
    bytes: u64,
    /// Age of the oldest item of the last round, ms; one sample per count is enough.
    age: Option<u32>,
}

impl Sums {
    /// Figures of the client of one written round.
    pub fn wrote(&mut self, router: &Router, client: &Client, round: &Round, now: u32) {
        let as_xml = round.xml_until as u64;
        let mut as_proto = round.items.len() as u64 - as_xml;
        for item in round.items[round.xml_until..].iter().filter(|i| i.event.proto().is_none()) {
            as_proto -= 1;
            Reason::TooBig.count(1);
            router.why.too_big(&item.event, client);
        }
        let figures = &client.figures;
        // Only who has the socket writes these, so no locked addition is needed.
        for (figure, n) in [(&figures.tx_events, as_xml + as_proto), (&figures.tx_bytes, round.total as u64)] {
            figure.store(figure.load(Relaxed) + n, Relaxed);
        }
        figures.last_tx.store(now, Relaxed);
        if client.internal() {
            return;
        }
        // Clients of one listener share its counters; nearly always all of a turn are of one.
        if !self.traffic.as_ref().is_some_and(|t| Arc::ptr_eq(t, &client.traffic)) {
            self.count_traffic();
            self.traffic = Some(client.traffic.clone());
        }
        self.xml += as_xml;
        self.proto += as_proto;
        self.bytes += round.total as u64;
        self.age = round.items.first().map(|oldest| now.wrapping_sub(oldest.at));
    }

    fn count_traffic(&mut self) {
        let Some(traffic) = &self.traffic else { return };
        for (counter, n) in [(&traffic.sent_xml, &mut self.xml), (&traffic.sent_proto, &mut self.proto)] {
            if *n > 0 {
                counter.increment(std::mem::take(n));
            }
        }
    }

    /// Adds them to the metrics.
    pub fn count(&mut self) {
        self.count_traffic();
        let Some(age) = self.age.take() else { return };
        meters().bytes_out.increment(self.bytes);
        meters().delivery_seconds.record(f64::from(age) / 1_000.0);
    }
}
