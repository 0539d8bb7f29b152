//! A question to a plugin that somebody waits for: on a thread of its own, so that who asks does not wait for ever.
//!
//! What must not happen: a lock is held meanwhile; a panic in the answer goes unnoticed.
use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use fts_plugin_api::{
    abi::{RErr, ROk, failure},
    message::{self, Panic},
};
use serde::de::DeserializeOwned;

use super::{
    Plugin, Plugins,
    generation::CallHandler,
    guard::{self, Doing},
};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// The system gives no thread.
    #[error("the server has no thread left to ask it")]
    NoThread,
    /// It is still at it.
    #[error("it did not answer in time")]
    Late,
    /// It panicked.
    #[error("it failed to answer")]
    Panicked,
    /// It said why not.
    #[error("{0}")]
    Refused(String),
    /// Not what was asked for.
    #[error("its answer cannot be read: {0}")]
    Unreadable(message::Unreadable),
}

impl Plugins {
    /// Asks this handler, and waits so long.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub(super) fn ask<T: DeserializeOwned>(
        &self,
        plugin: &Arc<Plugin>,
        handler: &Arc<CallHandler>,
        args: Vec<u8>,
        patience: Duration,
    ) -> Result<T, Unanswered> {
        let (told, answered) = mpsc::channel();
        let asked = handler.clone();
        let thread = std::thread::Builder::new().name("fts-asked".into());
        let started = thread.spawn(move || {
            let entered = guard::enter(asked.tag, Doing::default());
            let began = Instant::now();
            let answer = asked.object.call(args.as_slice().into());
            drop(entered);
            asked.stats.note(began.elapsed());
            // Whoever waited may be gone.
            let _ = told.send(answer);
        });
        if started.is_err() {
            return Err(Unanswered::NoThread);
        }
        match answered.recv_timeout(patience) {
            Ok(ROk(bytes)) => message::unpack(&bytes).map_err(Unanswered::Unreadable),
            Ok(RErr(failed)) if failed.code == failure::PANICKED => {
                let (message, place) = (failed.message.to_string(), failed.place.to_string());
                handler.stats.panicked();
                self.panicked(plugin, &Panic { handler: handler.tag.handler.to_owned(), message, place });
                Err(Unanswered::Panicked)
            }
            Ok(RErr(failed)) => Err(Unanswered::Refused(failed.message.to_string())),
            Err(_) => Err(Unanswered::Late),
        }
    }
}
