//! [`Refusal`]: why a server-made alert or cancel did not come about. One text for HTTP, actions and the service.
use std::fmt;

use fts_plugin_api::sdk::{Error, HttpError};

/// See the file's head.
#[derive(Debug)]
pub enum Refusal {
    /// `max_active` is reached.
    Full(usize),
    /// Another sender's alert has this uid.
    Taken(String),
    /// No active alert has this uid.
    Unknown(String),
    /// The policy says no.
    Policy(&'static str),
    /// The host says no.
    Host(Error),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(most) => write!(f, "{most} alerts are active (plugins.emergency.max_active): cancel some first"),
            Self::Taken(uid) => write!(f, "another sender's alert has the uid {uid:?}: leave the uid out"),
            Self::Unknown(uid) => write!(f, "no active alert has the uid {uid:?}"),
            Self::Policy(why) => f.write_str(why),
            Self::Host(error) => error.fmt(f),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Host(error)
    }
}

impl From<Refusal> for HttpError {
    fn from(refusal: Refusal) -> Self {
        let status = match &refusal {
            Refusal::Full(_) => 503,
            Refusal::Taken(_) => 409,
            Refusal::Unknown(_) => 404,
            Refusal::Policy(_) => 403,
            Refusal::Host(error) => return HttpError::from(error.clone()),
        };
        HttpError::new(status, refusal.to_string())
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Host(error) => error,
            Refusal::Unknown(_) => Error::not_found(refusal.to_string()),
            other => Error::new(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_status() {
        let status = |refusal: Refusal| HttpError::from(refusal).status();
        assert_eq!(status(Refusal::Full(3)), 503);
        assert_eq!(status(Refusal::Taken("u".into())), 409);
        assert_eq!(status(Refusal::Unknown("u".into())), 404);
        assert_eq!(status(Refusal::Policy("no")), 403);
        assert_eq!(status(Refusal::Host(Error::not_found("x"))), 404);
        assert_eq!(Error::from(Refusal::Unknown("u".into())).code(), fts_plugin_api::sdk::Code::NotFound);
    }
}
