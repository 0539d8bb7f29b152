//! Named sets of receivers, and destinations bound to them.
use super::{Host, Result};
use crate::message::{BindDest, Member, Mode, Target, Unbind, op};

/// A named set of clients; it outlives a reload when the new generation makes it again.
#[derive(Clone)]
pub struct Audience {
    pub(super) host: Host,
    pub(super) name: String,
}

impl Audience {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As a target.
    pub fn target(&self) -> Target {
        Target::Audience(self.name.clone())
    }

    /// Adds members. Add one before reading what it will be shown, or an event in between is missed.
    ///
    /// # Errors
    /// `Gone`.
    pub fn add(&self, members: impl IntoIterator<Item = Member>) -> Result<()> {
        let members: Vec<_> = members.into_iter().collect();
        self.host.ask(op::AUDIENCE_ADD, &(&self.name, members))
    }

    /// Takes members out.
    ///
    /// # Errors
    /// `Gone`.
    pub fn remove(&self, members: impl IntoIterator<Item = Member>) -> Result<()> {
        let members: Vec<_> = members.into_iter().collect();
        self.host.ask(op::AUDIENCE_REMOVE, &(&self.name, members))
    }

    /// Connections that are in it now.
    ///
    /// # Errors
    /// `Gone`.
    pub fn connected(&self) -> Result<Vec<u64>> {
        self.host.ask(op::AUDIENCE_MEMBERS, &self.name)
    }

    /// Ends it; destinations bound to it reach nobody.
    ///
    /// # Errors
    /// `Gone`.
    pub fn delete(self) -> Result<()> {
        self.host.ask(op::AUDIENCE_DELETE, &self.name)
    }
}

/// `<dest kind="name">` as the router resolves it natively.
#[derive(Clone, Debug)]
pub struct Binding(BindDest);

impl Binding {
    /// Events for it go to this audience; everybody may send.
    pub fn new(kind: impl Into<String>, name: impl Into<String>, deliver_to: &Audience, mode: Mode) -> Self {
        let (kind, name, deliver_to) = (kind.into(), name.into(), deliver_to.name.clone());
        Self(BindDest { kind, name, deliver_to, may_send: None, mode, any_case: false })
    }

    /// Only members of this audience may send.
    #[must_use]
    pub fn writers(mut self, writers: &Audience) -> Self {
        self.0.may_send = Some(writers.name.clone());
        self
    }

    /// The name is found in upper and lower case alike. A held event's `route.dests` has it as its sender wrote it.
    #[must_use]
    pub fn any_case(mut self) -> Self {
        self.0.any_case = true;
        self
    }
}

impl Host {
    /// Binds a destination (capability `bind-dest`), or changes its binding.
    ///
    /// # Errors
    /// `Forbidden`; the kind belongs to another plugin; an audience does not exist.
    pub fn bind_dest(&self, binding: &Binding) -> Result<()> {
        self.ask(op::DEST_BIND, &binding.0)
    }

    /// Takes a binding back; events for it then reach nobody.
    ///
    /// # Errors
    /// `Gone`.
    pub fn unbind_dest(&self, kind: &str, name: &str) -> Result<()> {
        self.ask(op::DEST_UNBIND, &Unbind { kind: kind.to_owned(), name: name.to_owned() })
    }
}
