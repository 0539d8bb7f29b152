//! Step 1, admit: one frame becomes an event or is refused with a reason.
//!
//! Order: what an injector adds, notices only the server makes (RULE-71), filters (9.2, 9.3), stale (RULE-23), rates
//! (9.6), loop (RULE-72), then the text is copied once into the batch's buffer with repairs (RULE-19, 21) and our flow tag
//! spliced in, and, when there is a `<marti>`, a second time without it (RULE-55). Control types never come here.

use std::time::Instant;

use bytes::Bytes;
use fts_plugin_api::cot::{Attr, Cot, Element, Millis, Repairs, Spans, Splices, check, format_time};
use smallvec::SmallVec;

use super::{Policy, Reason, Router, Source, limit, notice::has_dest, sender_url, turn::Draft};
use crate::{
    config::Oversize,
    directory::inside,
    observe::clock,
    wire::proto::{MAX_PAYLOAD, frame_payload},
};

/// The events of one read. Dropped without [`Batch::finish`] nothing leaves.
pub struct Batch<'r> {
    pub(super) router: &'r Router,
    pub(super) policy: std::sync::Arc<Policy>,
    pub(super) source: Source<'r>,
    pub(super) now: Millis,
    pub(super) tick: u32,
    pub(super) began: Instant,
    stamp: String,
    buf: Vec<u8>,
    pub(super) drafts: SmallVec<[Draft; 8]>,
    /// A batch of the same read waits for the journal.
    pub(super) behind: bool,
    splices: Splices,
}

/// A batch is finished when it holds this much: neighbours leave as one slice, yet no small event that is kept a
/// moment keeps more than this alive.
const FULL_BYTES: usize = 16 * 1024;
const FULL_EVENTS: usize = 64;

/// Types a place filter on the input never holds back (9.3).
fn place_exempt(kind: &str) -> bool {
    kind.starts_with("b-a-") || kind == "b-t-f" || kind.starts_with("b-t-f-")
}

impl<'r> Batch<'r> {
    /// An empty batch; `expect` is about how many bytes will come.
    pub fn new(router: &'r Router, source: Source<'r>, expect: usize) -> Self {
        let now = clock::now_ms();
        let buf = Vec::with_capacity(expect.min(FULL_BYTES) + 128);
        let stamp = format_time(now);
        Self {
            router,
            policy: router.policy(),
            source,
            now,
            tick: clock::tick(),
            began: Instant::now(),
            stamp,
            buf,
            drafts: SmallVec::new(),
            behind: false,
            splices: Splices::new(),
        }
    }

    /// When the batch was taken in, ms UTC.
    pub fn now(&self) -> Millis {
        self.now
    }

    /// True when it should be finished before more is added.
    pub fn is_full(&self) -> bool {
        self.buf.len() >= FULL_BYTES || self.drafts.len() >= FULL_EVENTS
    }

    /// True when nothing was admitted yet.
    pub fn is_empty(&self) -> bool {
        self.drafts.is_empty()
    }

    /// Takes one accepted frame in.
    pub fn admit(&mut self, text: &[u8], spans: &Spans) -> Result<(), Reason> {
        self.admit_form(text, spans, None)
    }

    /// The same with the protobuf payload it came as, which is sent on where nothing changes it (RULE-31).
    pub fn admit_form(&mut self, text: &[u8], spans: &Spans, payload: Option<&[u8]>) -> Result<(), Reason> {
        let router = self.router;
        let admitted = match router.injectors.apply(text, spans) {
            Some((text, spans)) => self.try_admit(&text, &spans, None, true),
            None => self.try_admit(text, spans, payload, true),
        };
        if let Err(reason) = admitted {
            reason.count(1);
            self.router.why.refused(&self.source, self.now, text, spans, reason);
        }
        admitted
    }

    /// `first` = it was not tagged and filtered before (an intercept's new text was).
    pub(super) fn try_admit(
        &mut self,
        text: &[u8],
        spans: &Spans,
        payload: Option<&[u8]>,
        first: bool,
    ) -> Result<(), Reason> {
        let cot = &self.policy.config.cot;
        let kind = spans.attrs[Attr::Type as usize].of(text);
        let from_client = !matches!(self.source, Source::Server { .. } | Source::Plugin(_));
        if from_client && !cot.allow_client_notices && (kind.starts_with(b"t-x-m-") || kind == b"t-x-g-c") {
            return Err(Reason::Notice);
        }
        self.splices.clear();
        let repairs = check(text, spans, self.now, &mut self.splices).map_err(|_| Reason::Schema)?;
        if from_client && first && !self.source.internal() {
            self.filter(text, spans, kind, &repairs)?;
        }
        let flow = flow_tags(text, spans);
        // What a plugin repeats went through here before; what comes over its links may be a loop.
        let may_loop = self.source.plugin().is_none_or(|from| from.federated || !from.link.is_empty());
        if first
            && may_loop
            && cot.flow_tags
            && let Some(tags) = flow
            && tags.attr(&self.policy.flow_tag).is_some()
            && !names_mission(text, spans)
        {
            return Err(Reason::Loop);
        }
        if first && cot.rewrite_sender_url {
            sender_url::rewrite(text, spans, &self.policy.config, &self.policy.own, &mut self.splices);
        }
        if first && cot.flow_tags {
            self.splices.flow_tag(text, spans, &self.policy.flow_tag, &self.stamp);
        }
        let start = self.buf.len();
        let same = self.splices.is_empty();
        let spans = self.splices.apply(text, spans, &mut self.buf);
        let end = self.buf.len();
        let form = self.without_marti(&spans, start, end);
        if self.policy.config.cot.oversize == Oversize::Drop && form.len() > MAX_PAYLOAD {
            self.buf.truncate(start);
            return Err(Reason::Oversize);
        }
        let same = same && form == (start..end);
        let frame = payload.filter(|p| same && p.len() <= MAX_PAYLOAD).map(frame_payload);
        self.drafts.push(Draft { spans, text: start..end, form, repairs, frame });
        Ok(())
    }

    /// The delivered form when it differs from the text: behind it in the same buffer.
    fn without_marti(&mut self, spans: &Spans, start: usize, end: usize) -> std::ops::Range<usize> {
        let text = &self.buf[start..end];
        let has = spans.children.iter().any(|c| c.name.of(text) == b"marti");
        if !has || self.policy.config.cot.keep_marti {
            return start..end;
        }
        let mut cut = Splices::new();
        cut.remove_detail(text, spans, "marti");
        let mut bare = Vec::with_capacity(text.len());
        cut.apply(text, spans, &mut bare);
        self.buf.extend_from_slice(&bare);
        end..self.buf.len()
    }

    fn filter(&self, text: &[u8], spans: &Spans, kind: &[u8], repairs: &Repairs) -> Result<(), Reason> {
        let cot = &self.policy.config.cot;
        if cot.ignore_stale && repairs.stale < self.now {
            return Err(Reason::Stale);
        }
        if cot.require_identification
            && let Some(client) = self.source.client()
            && !client.identified()
            && !looks_like_sa(text, spans)
        {
            return Err(Reason::NotIdentified);
        }
        let kind = std::str::from_utf8(kind).unwrap_or("");
        if !cot.filters.geo.is_empty() && !place_exempt(kind) {
            let nowhere = repairs.lat == 0.0 && repairs.lon == 0.0;
            if !nowhere && !inside(&cot.filters.geo, repairs.lat, repairs.lon) {
                return Err(Reason::Filtered);
            }
        }
        if cot.disable_broadcast_map_items
            && child(text, spans, "archive").is_some()
            && !has_dest(&Cot::from_parts(Bytes::copy_from_slice(text), spans.clone()))
        {
            return Err(Reason::Filtered);
        }
        limit::check(&self.router.limits, cot, &self.source, text, spans, kind, self.now)
    }

    /// The buffer with everything admitted so far; the batch starts a new one.
    pub(super) fn freeze(&mut self) -> Bytes {
        Bytes::from(std::mem::take(&mut self.buf))
    }
}

fn child<'a>(text: &'a [u8], spans: &Spans, name: &str) -> Option<Element<'a>> {
    let child = spans.children.iter().find(|c| c.name.of(text) == name.as_bytes())?;
    Some(Element::at(text, child.whole))
}

fn flow_tags<'a>(text: &'a [u8], spans: &Spans) -> Option<Element<'a>> {
    child(text, spans, "_flow-tags_")
}

/// Our own tag on an event with a mission destination is tolerated: CloudTAK re-sends tagged items (decision 20).
fn names_mission(text: &[u8], spans: &Spans) -> bool {
    child(text, spans, "marti").is_some_and(|m| {
        m.children().any(|d| d.name() == "dest" && (d.attr("mission").is_some() || d.attr("mission-guid").is_some()))
    })
}

fn looks_like_sa(text: &[u8], spans: &Spans) -> bool {
    Cot::from_parts(Bytes::copy_from_slice(text), spans.clone()).is_sa()
}
