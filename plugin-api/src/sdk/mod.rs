//! What an author uses. [`crate`] has the guide.
//!
//! [`Plugin`] is what you implement; [`Registrar`] takes your handlers while it starts; [`Host`] is everything you may
//! call, from any thread. Everything registered or made through them is recorded by the server and undone when the
//! plugin stops.
pub mod alerts;
mod audience;
mod clients;
pub mod config;
mod cot;
mod error;
mod event;
mod files;
mod filter;
mod held;
mod history;
mod host;
mod http;
mod identity;
mod kv;
mod link;
pub mod missions;
mod plugin;
mod provider;
mod registrar;
mod service;
mod source;
pub mod sql;
mod verdict;

pub use audience::{Audience, Binding};
pub use clients::Clients;
pub use config::{NoConfig, Period};
pub use cot::{Send, Sender};
pub use error::{Code, Error, Result};
pub use event::{Edit, Event};
pub use files::{FileInfo, Files};
pub use filter::{Filter, details, nothing, types};
pub use held::{Going, Held};
pub use history::{Arrival, History};
pub use host::Host;
pub use http::{
    Auth, DELETE, GET, HttpError, Identity, Listeners, Method, PATCH, POST, PUT, Request, Response, Role, Scope,
};
pub use identity::{Certs, Tokens, Users};
pub use kv::Kv;
pub use link::{Link, LinkEvent, LinkListener, Links, Profile};
pub use plugin::{Plugin, StopReason};
pub use registrar::{Observer, Outcome, Registrar};
pub use service::{Proxy, Service};
pub use source::{Route, Source};
pub use verdict::{Cx, Verdict};

pub use crate::message::{
    Band, Cause, CertIssued, CertOrder, ClientEvent, ClientInfo, Contact, Deletion, Delivery, EventQuery, FETCHED,
    Fetched, Frames, HistoryAsk, Latest, Level, LinkTls, MayRead, Member, Mode, Position, RouteInfo, SourceInfo,
    SourceKind, StoredEvent, Target, TrackPoint, TrackQuery, Trust, UserInfo,
};
