//! What a plugin logs with `tracing` goes to the server's log, with the plugin's name.
//!
//! Only for plugins that came as a file: they have a copy of `tracing` of their own. The subscriber stays for the life
//! of the image, the host behind it is exchanged at each start (the same image may start again).
use std::{
    fmt::Write,
    sync::{OnceLock, RwLock},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::abi::HostBox;

static HOST: RwLock<Option<HostBox>> = RwLock::new(None);

/// From now on the log goes to this host.
pub(super) fn forward_to(host: HostBox) {
    if let Ok(mut current) = HOST.write() {
        *current = Some(host);
    }
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        // Somebody else's subscriber in the same file stays.
        let _ = tracing::subscriber::set_global_default(Forward);
    });
}

struct Forward;

fn number(level: Level) -> u32 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

fn with_host(f: impl FnOnce(&HostBox)) {
    if let Ok(host) = HOST.try_read()
        && let Some(host) = host.as_ref()
    {
        f(host);
    }
}

impl Subscriber for Forward {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let mut on = false;
        with_host(|host| on = number(*metadata.level()) <= host.level());
        on
    }

    fn register_callsite(&self, _: &'static Metadata<'static>) -> tracing::subscriber::Interest {
        // The level may change at any time.
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
        let Text { mut message, fields } = text;
        message.push_str(&fields);
        let metadata = event.metadata();
        with_host(|host| host.log(number(*metadata.level()), metadata.target().into(), message.as_str().into()));
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
