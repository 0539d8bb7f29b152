//! Sending events.
use super::{Host, Result};
use crate::{
    abi::RResult,
    cot::{Builder, Cot},
    message::{self, Exclude, SendHow, Target},
};

/// How an event is sent: a target, and what narrows it.
#[derive(Clone, Debug)]
pub struct Send(SendHow);

impl Send {
    /// To this target, not kept in the history.
    pub fn to(target: Target) -> Self {
        Self(SendHow {
            target,
            exclude: Exclude::default(),
            groups: None,
            archive: false,
            link: String::new(),
            federated: false,
        })
    }

    /// Everybody.
    pub fn all() -> Self {
        Self::to(Target::All)
    }

    /// Members of these groups.
    pub fn groups<S: Into<String>>(groups: impl IntoIterator<Item = S>) -> Self {
        Self::to(Target::Groups(groups.into_iter().map(Into::into).collect()))
    }

    /// One connection.
    pub fn conn(conn: u64) -> Self {
        Self::to(Target::Conns(vec![conn]))
    }

    /// Clients with this uid.
    pub fn uid(uid: impl Into<String>) -> Self {
        Self::to(Target::Uids(vec![uid.into()]))
    }

    /// Clients with this callsign.
    pub fn callsign(callsign: impl Into<String>) -> Self {
        Self::to(Target::Callsigns(vec![callsign.into()]))
    }

    /// Not to this connection.
    #[must_use]
    pub fn but_conn(mut self, conn: u64) -> Self {
        self.0.exclude.conns.push(conn);
        self
    }

    /// Not to clients with this uid.
    #[must_use]
    pub fn but_uid(mut self, uid: impl Into<String>) -> Self {
        self.0.exclude.uids.push(uid.into());
        self
    }

    /// Only to receivers that share one of these groups.
    #[must_use]
    pub fn within<S: Into<String>>(mut self, groups: impl IntoIterator<Item = S>) -> Self {
        self.0.groups = Some(groups.into_iter().map(Into::into).collect());
        self
    }

    /// Kept in the history.
    #[must_use]
    pub fn archived(mut self) -> Self {
        self.0.archive = true;
        self
    }

    /// It came over this link.
    #[must_use]
    pub fn from_link(mut self, link: impl Into<String>, federated: bool) -> Self {
        self.0.link = link.into();
        self.0.federated = federated;
        self
    }

    pub(crate) fn into_how(self) -> SendHow {
        self.0
    }
}

impl From<Target> for Send {
    fn from(target: Target) -> Self {
        Self::to(target)
    }
}

/// Made by [`Host::cot`].
#[derive(Clone, Copy)]
pub struct Sender<'a>(pub(super) &'a Host);

impl Sender<'_> {
    /// Routes an event on this thread; never waits for a receiver.
    ///
    /// # Errors
    /// `Busy` over the plugin's rate, `InIntercept`, `InTransaction`, `Gone`; `Invalid` when it is no event.
    pub fn send(&self, event: &Cot, how: impl Into<Send>) -> Result<()> {
        let how = message::pack(&how.into().into_how());
        match self.0.raw().send(event.text()[..].into(), how.as_slice().into()) {
            RResult::ROk(()) => Ok(()),
            RResult::RErr(failure) => Err(failure.into()),
        }
    }

    /// An event of one's own with `time` = now.
    pub fn build(&self, kind: impl Into<String>) -> Builder {
        Builder::new(kind, self.0.now())
    }
}
