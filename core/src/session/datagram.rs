//! Events from UDP and multicast (RULE-16): one per datagram, XML or mesh protobuf, no connection, no answer. Over the
//! listener's rate datagrams are dropped and counted (RULE-74).
//!
//! What must be in the journal first waits in a `Line`, and what came behind it waits there, too: a listener's events are
//! delivered in the order in which they came.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc};

use fts_plugin_api::cot::{Attr, Spans};
use parking_lot::Mutex;

use super::{bucket::Bucket, control};
use crate::{
    config::CotListener,
    directory::Bits,
    observe::{
        clock,
        meters::{Traffic, meters, traffic},
    },
    route::{Batch, Pending, Reason, Router, Source},
    wire::{Cutter, Frame, proto},
};

/// What one UDP listener remembers.
pub struct Datagrams {
    router: Arc<Router>,
    listener: Arc<CotListener>,
    send: Bits,
    /// The connection that is this listener's output; 0 = it has none.
    output: u64,
    traffic: Arc<Traffic>,
    bucket: Mutex<Bucket>,
    line: Arc<Line>,
}

/// What waits for the journal, and what came behind it.
#[derive(Default)]
struct Line {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// A task is at work: what comes now is behind it.
    attended: bool,
    batches: VecDeque<Pending>,
}

impl Datagrams {
    /// For this listener; events go into its `default_groups` and never back to `output` (0 = it has none).
    pub fn new(router: Arc<Router>, listener: Arc<CotListener>, output: u64) -> Self {
        let send = router.directory.groups.both(&listener.default_groups).send;
        let policy = router.policy();
        let limits = &policy.config.stream.limits;
        let bucket = Bucket::new(limits.read_events_per_s, limits.read_bytes_per_s, clock::tick());
        Self {
            router,
            traffic: traffic(&listener.name),
            listener,
            send,
            output,
            bucket: Mutex::new(bucket),
            line: Arc::default(),
        }
    }

    /// Takes one datagram in.
    pub fn take(&self, data: &[u8], peer: SocketAddr) {
        meters().bytes_in.increment(data.len() as u64);
        if !self.bucket.lock().take(data.len(), clock::tick()) {
            Reason::Rate.count(1);
            return;
        }
        let refused = match data.first() {
            Some(0xBF) => self.mesh(data, peer),
            Some(b'<') => self.xml(data, peer),
            _ => Err(Reason::Garbage),
        };
        if let Err(reason) = refused {
            reason.count(1);
            tracing::debug!(event = "cot.rejected", %peer, listener = %self.listener.name, reason = reason.name(), "datagram dropped");
        }
    }

    fn mesh(&self, data: &[u8], peer: SocketAddr) -> Result<(), Reason> {
        let payload = proto::mesh_payload(data).ok_or(Reason::Proto)?;
        let Some((text, spans)) = proto::decode(payload).map_err(|_| Reason::Proto)? else { return Ok(()) };
        self.traffic.received_proto.increment(1);
        self.route(&text, &spans, peer, Some(payload))
    }

    fn xml(&self, data: &[u8], peer: SocketAddr) -> Result<(), Reason> {
        let mut cutter = Cutter::new(data.len().max(65_536), false);
        let (used, frame) = cutter.next(data);
        match frame {
            Some(Frame::Event { text, spans }) if data[used..].iter().all(u8::is_ascii_whitespace) => {
                self.traffic.received_xml.increment(1);
                self.route(text, &spans, peer, None)
            }
            Some(Frame::Rejected { reason, .. }) => Err(reason.into()),
            _ => Err(Reason::Xml),
        }
    }

    fn route(&self, text: &[u8], spans: &Spans, peer: SocketAddr, payload: Option<&[u8]>) -> Result<(), Reason> {
        if control::is_control(spans.attrs[Attr::Type as usize].of(text)) {
            return Ok(());
        }
        let source = Source::Datagram { listener: &self.listener, peer, send: &self.send, output: self.output };
        let mut batch = Batch::new(&self.router, source, text.len());
        // A refusal is counted where it happens.
        if batch.admit_form(text, spans, payload).is_ok() {
            self.line.add(&self.router, &mut batch);
        }
        Ok(())
    }
}

impl Line {
    /// Delivers the batch, at once or when it is its turn. Called by the listener's task alone: nobody else adds anything
    /// between the look and the end.
    fn add(self: &Arc<Self>, router: &Arc<Router>, batch: &mut Batch<'_>) {
        batch.set_behind(self.waiting.lock().attended);
        let Some(pending) = batch.finish().pending else { return };
        let mut waiting = self.waiting.lock();
        waiting.batches.push_back(pending);
        if !std::mem::replace(&mut waiting.attended, true) {
            tokio::spawn(attend(self.clone(), router.clone()));
        }
    }

    /// The first of those that wait; without one nobody attends any more.
    fn first(&self) -> Option<Pending> {
        let mut waiting = self.waiting.lock();
        let first = waiting.batches.pop_front();
        waiting.attended = first.is_some();
        first
    }
}

async fn attend(line: Arc<Line>, router: Arc<Router>) {
    while let Some(mut pending) = line.first() {
        pending.wait().await;
        pending.stage(&router);
    }
}
