//! The plugin's intercepts, in the order of bands, then priority, high first. Each sees the event as the one before left
//! it, and is asked only when it matches that.
use serde_bytes::ByteBuf;

use super::{
    context::Context,
    deliver::{Fate, admit, wants},
    state::Shared,
};
use crate::{
    abi::{self, EventView, RVec, TD_Opaque, Verdict, verdict},
    cot::Cot,
    message::{self, Also, Band, Judged, Panic, SendHow, SourceInfo, SourceKind, action},
};

/// What the intercepts made of an event.
pub(super) struct Judgement {
    pub fate: Fate,
    pub cot: Cot,
    /// None = as its own `<marti>` says.
    pub how: Option<SendHow>,
    pub also: Vec<Also>,
}

struct Source(SourceInfo);

impl abi::Source for Source {
    fn conn(&self) -> u64 {
        self.0.conn
    }

    fn describe(&self) -> RVec<u8> {
        message::pack(&self.0).into()
    }
}

impl Shared {
    pub fn judge(&self, cot: Cot, source: &SourceInfo, how: Option<SendHow>) -> Judgement {
        let (intercepts, tripped) = {
            let state = self.lock();
            (state.handlers.intercepts.clone(), state.tripped)
        };
        let mut judgement = Judgement { fate: Fate::Routed, cot, how, also: Vec::new() };
        let own = source.kind == SourceKind::Plugin && source.plugin == self.name;
        for intercept in intercepts.iter().filter(|i| i.spec.own || !own) {
            let Judgement { cot, .. } = &judgement;
            if !wants(&intercept.spec.types, &intercept.spec.details, cot) {
                continue;
            }
            let fails_closed = intercept.spec.band == Band::Guard;
            if tripped {
                if fails_closed {
                    judgement.fate = Fate::Dropped("guard_down".into());
                    return judgement;
                }
                continue;
            }
            let context = Context { intercept: true, hop: source.hop, handling: true };
            let from = Source(source.clone());
            let object = abi::Source_TO::from_ptr(abi::RRef::new(&from), TD_Opaque);
            let view = EventView::new(cot.text(), cot.spans());
            let said = self.call(context, || intercept.handler.intercept(view, &object));
            match self.read(said) {
                Said::Pass => {}
                Said::Panicked if fails_closed => judgement.fate = Fate::Dropped("guard_down".into()),
                Said::Panicked => {}
                Said::Judged(judged) => judgement.take(judged, self.now()),
            }
            if judgement.fate != Fate::Routed {
                break;
            }
        }
        judgement
    }

    fn read(&self, said: Verdict) -> Said {
        match said.action {
            verdict::PASS => Said::Pass,
            verdict::JUDGED => match message::unpack(said.data.as_slice()) {
                Ok(judged) => Said::Judged(judged),
                Err(error) => self.broken(error.to_string()),
            },
            verdict::PANICKED => {
                self.panicked(message::unpack(said.data.as_slice()).unwrap_or_default());
                Said::Panicked
            }
            other => self.broken(format!("a verdict {other}")),
        }
    }

    fn broken(&self, message: String) -> Said {
        self.panicked(Panic { handler: "intercept".into(), message, place: String::new() });
        Said::Panicked
    }
}

enum Said {
    Pass,
    Panicked,
    Judged(Judged),
}

impl Judgement {
    fn take(&mut self, judged: Judged, now: i64) {
        let Judged { action, text, target, also } = judged;
        self.also.extend(also);
        match action {
            action::PASS => {}
            action::DROP => self.fate = Fate::Dropped(String::from_utf8_lossy(&text).into_owned()),
            action::REPLACE => self.replace(&text, now),
            action::RETARGET => self.how = target,
            action::CONSUME => self.fate = Fate::Consumed,
            other => self.fate = Fate::Dropped(format!("the verdict {other} is unknown")),
        }
    }

    fn replace(&mut self, text: &ByteBuf, now: i64) {
        match admit(text, now) {
            Ok(cot) => self.cot = cot,
            Err(why) => self.fate = Fate::Dropped(why),
        }
    }
}
