//! Boot order, phases, signals, shutdown: the table of contents of the program.
//!
//! Start: configuration -> data directory and its lock -> logs -> node id -> certificates -> all ports bound -> router
//! -> journal -> plugins -> admin listener and control socket -> accept. A port in use ends the start before anything is served.
//! Stop: readiness off -> accept nothing -> readers stop after what they have read -> queues are written out -> plugins stop -> close.
//! No contact says goodbye at shutdown: clients reconnect at once, and a notice would only blank their maps.
pub mod background;
mod banner;
mod boot;
pub mod canary;
mod control;
pub mod crash;
mod first;
mod history;
pub mod node;
mod notify;
pub(crate) mod offline;
mod pages;
mod parts;
mod plugins;
mod report;
mod server;
mod shutdown;
mod slice;
mod sockets;

pub use boot::{RunArgs, run};
pub use server::Server;
