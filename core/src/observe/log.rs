//! Logs (operations.md 6.1): JSON lines or text on standard output, also into a rotated file, and a ring of the newest
//! warnings for people who ask without reading files.
//!
//! Every line that tools match has a fixed name in its field `event`; `names` lists them. What must not happen: a
//! secret or an event's body in a line (bodies only at trace and only with `log.raw_cot`).
use std::{
    collections::VecDeque,
    fmt::Write as _,
    io::{self, IsTerminal, Write as _},
    sync::Arc,
};

use fts_plugin_api::cot::format_time;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::sync::broadcast;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, layer::Context, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use super::{clock, linked, roll::Roll};
use crate::config::{Log, LogFormat};

/// One line.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Line {
    /// ms UTC.
    #[serde(skip)]
    pub at: i64,
    /// ERROR, WARN, INFO, DEBUG, TRACE.
    #[serde(skip)]
    pub level: Level,
    /// Everything, in the order ts, level, target, event, fields, msg.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

type SetLevel = Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// The handle of running logs.
#[derive(Clone)]
pub struct Logs {
    filter: SetLevel,
    level: Arc<Mutex<String>>,
    ring: Arc<Mutex<VecDeque<Line>>>,
    live: broadcast::Sender<Line>,
    file: Option<Arc<Roll>>,
}

const RING: usize = 2_000;
const LIVE: usize = 256;
/// Where the host writes lines of plugins.
const PLUGINS: &str = "fts::plugins::host";

/// Starts logging for the whole process.
///
/// # Errors
/// A level that cannot be read, or a log directory that cannot be written.
pub fn init(config: &Log) -> Result<Logs, String> {
    let filter = parse(&config.level)?;
    let (filter, handle) = reload::Layer::new(filter);
    let file = if config.dir.as_os_str().is_empty() {
        None
    } else {
        let opened = Roll::open(&config.dir.join("fts.log"), config.max_size, config.max_files);
        Some(Arc::new(opened.map_err(|e| format!("log.dir {}: {e}", config.dir.display()))?))
    };
    let (live, _) = broadcast::channel(LIVE);
    let ring = Arc::new(Mutex::new(VecDeque::new()));
    let format = match config.format {
        LogFormat::Auto if io::stdout().is_terminal() => LogFormat::Text,
        LogFormat::Auto => LogFormat::Json,
        other => other,
    };
    // Under journald the priority goes in front and the time is the journal's.
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let sink =
        Sink { format, journal, ring: ring.clone(), live: live.clone(), file: file.clone(), fold: Mutex::default() };
    let set = move |text: &str| handle.reload(parse(text)?).map_err(|e| e.to_string());
    Registry::default().with(filter.and_then(sink)).try_init().map_err(|e| e.to_string())?;
    Ok(Logs { filter: Arc::new(set), level: Arc::new(Mutex::new(config.level.clone())), ring, live, file })
}

/// A level as `log.level` takes it.
///
/// # Errors
/// What is wrong with the text.
pub fn parse(text: &str) -> Result<EnvFilter, String> {
    EnvFilter::builder()
        .parse(text)
        .map_err(|e| format!("{text:?}: {e}; write for example \"info\" or \"info,fts::session=debug\""))
}

impl Logs {
    /// Changes the level at run time.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn set_level(&self, text: &str) -> Result<(), String> {
        (self.filter)(text)?;
        *self.level.lock() = text.to_owned();
        Ok(())
    }

    /// The level of this moment.
    pub fn level(&self) -> String {
        self.level.lock().clone()
    }

    /// The newest warnings and errors since then (ms UTC), oldest first.
    pub fn recent(&self, since: i64) -> Vec<Line> {
        self.ring.lock().iter().filter(|l| l.at > since).cloned().collect()
    }

    /// Lines as they come; a reader that is too slow misses some.
    pub fn follow(&self) -> broadcast::Receiver<Line> {
        self.live.subscribe()
    }

    /// Opens the file anew (SIGUSR1).
    pub fn reopen(&self) {
        if let Some(file) = &self.file {
            file.reopen();
        }
    }
}

struct Sink {
    format: LogFormat,
    journal: bool,
    ring: Arc<Mutex<VecDeque<Line>>>,
    live: broadcast::Sender<Line>,
    file: Option<Arc<Roll>>,
    fold: Mutex<Fold>,
}

/// The same line more than ten times a second is said once with a count.
#[derive(Default)]
struct Fold {
    text: String,
    second: i64,
    times: u32,
}

impl Fold {
    /// Shall this line be written? And how many like it were not.
    fn pass(&mut self, text: &str, second: i64) -> (bool, u32) {
        if self.text == text && self.second == second {
            self.times += 1;
            return (self.times <= 10, 0);
        }
        let folded = self.times.saturating_sub(10);
        *self = Self { text: text.to_owned(), second, times: 1 };
        (true, folded)
    }
}

#[derive(Default)]
struct Fields {
    event: Option<Value>,
    msg: String,
    rest: Map<String, Value>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.put(field, Value::String(format!("{value:?}")));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::String(value.to_owned()));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match field.name() {
            "event" => self.event = Some(value),
            "message" => self.msg = value.as_str().unwrap_or_default().to_owned(),
            name => drop(self.rest.insert(name.to_owned(), value)),
        }
    }
}

impl<S: Subscriber> Layer<S> for Sink {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut target = event.metadata().target();
        let mut fields = Fields::default();
        match linked::said(event) {
            Some(said) => {
                (fields.event, fields.msg) = (Some("plugin.log".into()), said.text);
                fields.rest.insert("plugin".into(), said.plugin.into());
                fields.rest.insert("from".into(), std::mem::replace(&mut target, PLUGINS).into());
            }
            None => event.record(&mut fields),
        }
        let (at, level) = (clock::now_ms(), *event.metadata().level());
        metrics::counter!("fts_log_events_total", "level" => level.as_str().to_lowercase()).increment(1);
        let (pass, folded) = self.fold.lock().pass(&fields.msg, at / 1_000);
        if !pass {
            return;
        }
        let mut all = Map::new();
        all.insert("ts".into(), format_time(at).into());
        all.insert("level".into(), level.as_str().into());
        all.insert("target".into(), target.into());
        all.extend(fields.event.map(|e| ("event".to_owned(), e)));
        all.extend(fields.rest);
        if folded > 0 {
            all.insert("folded".into(), folded.into());
        }
        all.insert("msg".into(), fields.msg.into());
        let line = Line { at, level, fields: all };
        let text = self.text(&line, event.metadata().file(), event.metadata().line());
        let _ = io::stdout().lock().write_all(text.as_bytes());
        if let Some(file) = &self.file {
            file.write(text.as_bytes());
        }
        if level <= Level::WARN {
            let mut ring = self.ring.lock();
            if ring.len() == RING {
                ring.pop_front();
            }
            ring.push_back(line.clone());
        }
        let _ = self.live.send(line);
    }
}

impl Sink {
    fn text(&self, line: &Line, file: Option<&str>, number: Option<u32>) -> String {
        let field = |name: &str| line.fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let mut out = String::new();
        if self.journal {
            let priority = match line.level {
                Level::ERROR => 3,
                Level::WARN => 4,
                Level::INFO => 6,
                _ => 7,
            };
            let _ = write!(out, "<{priority}>");
        }
        match self.format {
            LogFormat::Json => out.push_str(&serde_json::to_string(&line.fields).unwrap_or_default()),
            LogFormat::Fts => {
                let time = field("ts").replace('T', " ").replace('.', ",").replace('Z', "");
                let _ = write!(
                    out,
                    "{} : {time} : {}:{} : {}",
                    line.level,
                    file.unwrap_or("?"),
                    number.unwrap_or(0),
                    field("msg")
                );
            }
            _ => {
                if !self.journal {
                    let _ = write!(out, "{} ", field("ts"));
                }
                let _ = write!(out, "{:5} {}", line.level.as_str(), field("msg"));
                for (name, value) in
                    line.fields.iter().filter(|(n, _)| !["ts", "level", "target", "msg"].contains(&n.as_str()))
                {
                    match value {
                        Value::String(text) => drop(write!(out, " {name}={text}")),
                        other => drop(write!(out, " {name}={other}")),
                    }
                }
            }
        }
        // One record is one line, whatever a client put into its callsign.
        let mut one: String = out.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        one.push('\n');
        one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_lines_are_folded_with_a_count() {
        let mut fold = Fold::default();
        let passed = (0..25).filter(|_| fold.pass("x", 1).0).count();
        assert_eq!(passed, 10);
        assert_eq!(fold.pass("y", 1), (true, 15));
    }

    #[test]
    fn levels_are_checked() {
        assert!(parse("info,fts::net=debug").is_ok());
        assert!(parse("fts=loud").is_err_and(|e| e.contains("fts=loud")));
    }
}
