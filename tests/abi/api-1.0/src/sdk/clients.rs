//! The client directory.
use super::{Audience, Host, Result};
use crate::message::{ClientInfo, Contact, Find, op};

/// Made by [`Host::clients`].
#[derive(Clone, Copy)]
pub struct Clients<'a>(pub(super) &'a Host);

impl Clients<'_> {
    /// Everybody who is connected.
    ///
    /// # Errors
    /// `Gone`.
    pub fn all(&self) -> Result<Vec<ClientInfo>> {
        self.0.ask(op::CLIENTS, &Find::All)
    }

    /// One connection.
    ///
    /// # Errors
    /// `Gone`.
    pub fn conn(&self, conn: u64) -> Result<Option<ClientInfo>> {
        self.first(&Find::Conn(conn))
    }

    /// A client by uid.
    ///
    /// # Errors
    /// `Gone`.
    pub fn uid(&self, uid: &str) -> Result<Option<ClientInfo>> {
        self.first(&Find::Uid(uid.to_owned()))
    }

    /// Clients with exactly this callsign.
    ///
    /// # Errors
    /// `Gone`.
    pub fn callsign(&self, callsign: &str) -> Result<Vec<ClientInfo>> {
        self.0.ask(op::CLIENTS, &Find::Callsign(callsign.to_owned()))
    }

    /// All connections of a user.
    ///
    /// # Errors
    /// `Gone`.
    pub fn user(&self, user: &str) -> Result<Vec<ClientInfo>> {
        self.0.ask(op::CLIENTS, &Find::User(user.to_owned()))
    }

    fn first(&self, find: &Find) -> Result<Option<ClientInfo>> {
        Ok(self.0.ask::<Vec<_>>(op::CLIENTS, find)?.into_iter().next())
    }

    /// Ends a connection (capability `kick`); false = it is not there.
    ///
    /// # Errors
    /// `Forbidden`, `Gone`.
    pub fn kick(&self, conn: u64, reason: &str) -> Result<bool> {
        self.0.ask(op::KICK, &(conn, reason))
    }

    /// Adds or changes a contact a link of this plugin stands for (capability `remote-contacts`).
    ///
    /// # Errors
    /// `Forbidden`, `Gone`.
    pub fn set_contact(&self, contact: &Contact) -> Result<()> {
        self.0.ask(op::CONTACT_SET, contact)
    }

    /// Takes it away.
    ///
    /// # Errors
    /// `Gone`.
    pub fn remove_contact(&self, uid: &str) -> Result<()> {
        self.0.ask(op::CONTACT_REMOVE, &uid)
    }

    /// A named audience of this plugin; made when it does not exist.
    ///
    /// # Errors
    /// `Gone`.
    pub fn audience(&self, name: impl Into<String>) -> Result<Audience> {
        let name = name.into();
        self.0.ask::<()>(op::AUDIENCE_CREATE, &name)?;
        Ok(Audience { host: self.0.clone(), name })
    }
}
