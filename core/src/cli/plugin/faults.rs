//! Panics of the plugin under trial, wherever they happen: the host logs each as `plugin.panic` with handler and place
//! (in `stop` and `save` as `plugin.stop_failed`, in destructors as a line of the plugin's own), and this listens. What was
//! tried when it happened stands with it.
use std::{collections::BTreeMap, fmt};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    util::SubscriberInitExt,
};

static HEARD: Mutex<Vec<Panic>> = Mutex::new(Vec::new());
static TRYING: Mutex<String> = Mutex::new(String::new());

/// One.
#[derive(Clone, Debug)]
pub struct Panic {
    /// In which handler, and what it said.
    pub what: String,
    /// file:line:column.
    pub place: String,
    /// What was tried.
    pub trying: String,
}

/// Begins to listen. `aloud` = warnings and errors also go to standard error.
pub fn listen(aloud: bool) {
    let said = aloud.then(|| tracing_subscriber::fmt::layer().with_writer(std::io::stderr));
    // In a process of its own nobody else has set one.
    let _ = tracing_subscriber::registry().with(said).with(Ear).with(LevelFilter::WARN).try_init();
}

/// This is tried now.
pub fn trying(what: &str) {
    *TRYING.lock() = what.to_owned();
}

/// How many so far.
pub fn count() -> usize {
    HEARD.lock().len()
}

/// All, each once with how often.
pub fn all() -> Vec<Value> {
    let mut by_place: BTreeMap<(String, String), (Panic, u32)> = BTreeMap::new();
    for panic in HEARD.lock().iter() {
        let entry = by_place.entry((panic.what.clone(), panic.place.clone()));
        entry.or_insert_with(|| (panic.clone(), 0)).1 += 1;
    }
    let line = |(panic, times): (Panic, u32)| {
        let Panic { what, place, trying } = panic;
        json!({"what": what, "place": place, "trying": trying, "times": times})
    };
    by_place.into_values().map(line).collect()
}

struct Ear;

impl<S: Subscriber> Layer<S> for Ear {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Fields(mut fields) = fields;
        let mut take = |name| fields.remove(name).unwrap_or_default();
        let (event, from) = (take("event"), take("from"));
        let (handler, place, message) = (take("handler"), take("place"), take("message"));
        let what = match event.as_str() {
            "plugin.panic" => format!("{handler} panicked: {message}"),
            "plugin.stop_failed" => message,
            "plugin.log" if from.ends_with("shim::sealed") => format!("a destructor panicked: {message}"),
            _ => return,
        };
        HEARD.lock().push(Panic { what, place, trying: TRYING.lock().clone() });
    }
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}
