//! What an intercept says.
use std::cell::RefCell;

use serde_bytes::ByteBuf;

use super::{Send, Source};
use crate::{
    cot::Cot,
    message::{Also, Judged, SourceInfo, action},
};

/// What becomes of an event.
pub enum Verdict {
    /// Nothing changes.
    Pass,
    /// It goes nowhere; the reason is counted and shown by `fts why`.
    Drop(&'static str),
    /// It goes on with another text ([`super::Edit::into_text`]); size, form and permissions are checked again.
    Replace(Vec<u8>),
    /// It goes to these instead of where its `<marti>` says.
    Retarget(Send),
    /// The plugin took it over; nothing more happens to it.
    Consume,
}

/// What an intercept may ask and add besides its verdict.
pub struct Cx<'a> {
    source: &'a Source<'a>,
    also: RefCell<Vec<Also>>,
}

impl<'a> Cx<'a> {
    pub(crate) fn new(source: &'a Source<'a>) -> Self {
        Self { source, also: RefCell::default() }
    }

    /// Where the event came from.
    pub fn source(&self) -> &SourceInfo {
        self.source
    }

    /// The connection it came from; 0 = none. Cheaper than [`Cx::source`].
    pub fn conn(&self) -> u64 {
        self.source.conn()
    }

    /// A further event, routed after this one.
    pub fn also(&self, event: &Cot, how: impl Into<Send>) {
        let text = ByteBuf::from(event.text().to_vec());
        self.also.borrow_mut().push(Also { text, how: how.into().into_how() });
    }

    pub(crate) fn judge(self, verdict: Verdict) -> Option<Judged> {
        let also = self.also.into_inner();
        let mut judged = Judged { also, ..Judged::default() };
        match verdict {
            Verdict::Pass if judged.also.is_empty() => return None,
            Verdict::Pass => {}
            Verdict::Drop(why) => {
                judged.action = action::DROP;
                judged.text = ByteBuf::from(why.as_bytes());
            }
            Verdict::Replace(text) => {
                judged.action = action::REPLACE;
                judged.text = ByteBuf::from(text);
            }
            Verdict::Retarget(send) => {
                judged.action = action::RETARGET;
                judged.target = Some(send.into_how());
            }
            Verdict::Consume => judged.action = action::CONSUME,
        }
        Some(judged)
    }
}
