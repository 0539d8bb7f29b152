//! Plugin to plugin: typed services, plain calls.
use std::marker::PhantomData;

use serde::{Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;

use super::{Host, Result};
use crate::message::{self, ServiceCall, op};

/// A typed service: one name, one question type, one answer type. Both may grow by fields with defaults and by variants.
pub trait Service {
    /// Its name, the same in every version.
    const NAME: &'static str;
    /// What can be asked.
    type Ask: Serialize + DeserializeOwned;
    /// What is answered.
    type Answer: Serialize + DeserializeOwned;
}

/// A service of another plugin: always its running generation.
pub struct Proxy<S> {
    host: Host,
    service: PhantomData<fn(S)>,
}

impl<S: Service> Proxy<S> {
    /// Asks; runs on this thread in the other plugin.
    ///
    /// # Errors
    /// `Unavailable` while it is down (a reload is waited for, 2 s), `Cycle` at a depth above 4, its own error.
    pub fn ask(&self, ask: &S::Ask) -> Result<S::Answer> {
        let args = ByteBuf::from(message::pack(ask));
        let call = ServiceCall { plugin: String::new(), service: S::NAME.to_owned(), method: String::new(), args };
        Ok(message::unpack(&self.host.ask::<ByteBuf>(op::CALL, &call)?)?)
    }
}

impl Host {
    /// A service that somebody provides; None when nobody does.
    ///
    /// # Errors
    /// `Gone`.
    pub fn find<S: Service>(&self) -> Result<Option<Proxy<S>>> {
        let there: bool = self.ask(op::FIND, &S::NAME)?;
        Ok(there.then(|| Proxy { host: self.clone(), service: PhantomData }))
    }

    /// The same where it must be there (name the plugin in [`super::Plugin::REQUIRES`]).
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn require<S: Service>(&self) -> Result<Proxy<S>> {
        let found = self.find()?;
        found.ok_or_else(|| super::Error::not_found(format!("no plugin provides the service {:?}", S::NAME)))
    }

    /// Calls another plugin's [`super::Registrar::service`].
    ///
    /// # Errors
    /// As [`Proxy::ask`].
    pub fn call(&self, plugin: &str, method: &str, args: &[u8]) -> Result<Vec<u8>> {
        let (plugin, method, args) = (plugin.to_owned(), method.to_owned(), ByteBuf::from(args));
        Ok(self.ask::<ByteBuf>(op::CALL, &ServiceCall { plugin, service: String::new(), method, args })?.into_vec())
    }
}
