//! [`Line`]: what a plugin logs with `tracing` while the mock calls it. Printed as well, so that `cargo test` shows it
//! beside a failed test.
use std::{
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::{
    Dispatch, Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its level.
    pub level: Level,
    /// Module it was written in.
    pub target: String,
    /// Text and fields.
    pub message: String,
}

#[derive(Clone, Default)]
pub(super) struct Log {
    lines: Arc<Mutex<Vec<Line>>>,
}

impl Log {
    pub fn add(&self, level: Level, target: &str, message: String) {
        println!("{level} {target}: {message}");
        let line = Line { level, target: target.to_owned(), message };
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    pub fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes what this thread logs while `f` runs.
    pub fn capture<T>(&self, f: impl FnOnce() -> T) -> T {
        tracing::dispatcher::with_default(&Dispatch::new(Capture(self.clone())), f)
    }
}

/// Level: 1 error … 5 trace.
pub(super) fn level(number: u32) -> Level {
    match number {
        0 | 1 => Level::ERROR,
        2 => Level::WARN,
        3 => Level::INFO,
        4 => Level::DEBUG,
        _ => Level::TRACE,
    }
}

struct Capture(Log);

impl Subscriber for Capture {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn register_callsite(&self, _: &'static Metadata<'static>) -> tracing::subscriber::Interest {
        // Other threads of the test program have other subscribers.
        tracing::subscriber::Interest::sometimes()
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let metadata = event.metadata();
        self.0.add(*metadata.level(), metadata.target(), text.message + &text.fields);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to memory does not fail.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }
}
