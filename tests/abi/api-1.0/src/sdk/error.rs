//! [`Error`]: why the host did not do what was asked.
use crate::abi::{Failure, RString};

/// Shorthand.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Kinds of errors an author may want to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Code {
    /// See the text.
    Other,
    /// A handler of another plugin panicked.
    Panicked,
    /// This generation of the plugin is over: end what you are doing.
    Gone,
    /// Over a rate or a limit: try again later.
    Busy,
    /// Not from an intercept: only memory works there.
    InIntercept,
    /// Not inside `tx`: only the transaction works there.
    InTransaction,
    /// A capability is missing.
    Forbidden,
    /// The configuration is wrong.
    Config,
    /// The server is older than the plugin needs.
    TooOld,
    /// It is not there.
    NotFound,
    /// The other plugin is down.
    Unavailable,
    /// Calls go round in a circle.
    Cycle,
    /// An argument is wrong.
    Invalid,
    /// This server does not know the operation.
    Unsupported,
    /// A bounded buffer is full; a `Writable` event follows.
    Full,
    /// The database refuses it: UNIQUE, NOT NULL, a foreign key.
    Constraint,
}

/// See [`Code`].
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}{message}", if place.is_empty() { String::new() } else { format!("{place}: ") })]
pub struct Error {
    code: Code,
    message: String,
    place: String,
}

impl Error {
    /// An error of one's own.
    pub fn new(message: impl Into<String>) -> Self {
        Self { code: Code::Other, message: message.into(), place: String::new() }
    }

    /// A configuration error at this key of the plugin's table.
    pub fn config(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: Code::Config, message: message.into(), place: key.into() }
    }

    /// Something that is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { code: Code::NotFound, message: message.into(), place: String::new() }
    }

    /// What sort.
    pub fn code(&self) -> Code {
        self.code
    }
}

const CODES: [Code; 16] = [
    Code::Other,
    Code::Panicked,
    Code::Gone,
    Code::Busy,
    Code::InIntercept,
    Code::InTransaction,
    Code::Forbidden,
    Code::Config,
    Code::TooOld,
    Code::NotFound,
    Code::Unavailable,
    Code::Cycle,
    Code::Invalid,
    Code::Unsupported,
    Code::Full,
    Code::Constraint,
];

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let code = CODES.get(failure.code as usize).copied().unwrap_or(Code::Other);
        Self { code, message: failure.message.into(), place: failure.place.into() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = CODES.iter().position(|c| *c == error.code).unwrap_or(0) as u32;
        Failure { code, message: error.message.into(), place: RString::from(error.place) }
    }
}

impl From<crate::message::Unreadable> for Error {
    fn from(error: crate::message::Unreadable) -> Self {
        Self { code: Code::Invalid, message: error.to_string(), place: String::new() }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self { code: Code::Invalid, message: error.to_string(), place: String::new() }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_keep_their_numbers() {
        for (number, code) in CODES.iter().enumerate() {
            let error = Error::from(Failure { code: number as u32, message: "m".into(), place: "p".into() });
            assert_eq!(error.code(), *code);
            assert_eq!(Failure::from(error).code, number as u32);
        }
        assert_eq!(CODES[crate::abi::failure::CONSTRAINT as usize], Code::Constraint);
        assert_eq!(Error::from(Failure { code: 999, message: "m".into(), place: "".into() }).code(), Code::Other);
    }
}
