//! The twin: stands beside the probe. It answers a `<ball/>` with a `<racket/>`, provides the service `words`, can be
//! called, and gets in the way where its configuration says so: the probe's fallback route, the probe's kind.
use std::sync::{Arc, Mutex, PoisonError};

use fts_plugin_api::{export_plugin, sdk::*};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// `[plugins.twin]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Registers `GET` on this path, for everybody who is known on the admin listener and the TAK API.
    route: String,
    /// Binds this kind.
    kind: String,
    /// Asks for a capability nobody granted.
    words: bool,
}

struct Words;

#[derive(Serialize, Deserialize)]
enum Word {
    Backwards(String),
}

impl Service for Words {
    const NAME: &'static str = "words";
    type Ask = Word;
    type Answer = String;
}

type Diary = Arc<Mutex<Vec<Value>>>;

fn note(diary: &Diary, seen: Value) {
    diary.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
}

struct Twin;

impl Plugin for Twin {
    type Config = Config;
    const USES: &'static [&'static str] = &["probe"];
    const CAPABILITIES: &'static [&'static str] = &["bind-dest", "provide", "routes", "intercept"];
    const ABOUT: &'static str = "answers the probe";

    fn start(config: Config, reg: &mut Registrar<'_>, host: Host) -> Result<Self> {
        let diary = Diary::default();
        if !config.kind.is_empty() {
            let audience = host.clients().audience("twins")?;
            host.bind_dest(&Binding::new(config.kind, "x", &audience, Mode::Deliver))?;
        }
        if !config.route.is_empty() {
            reg.route(GET, &config.route, Listeners::MARTI | Listeners::ADMIN, Auth::User, |_| Ok("twin"));
        }
        let of = host.clone();
        reg.observe(Observer::latest(details(["ball"])), move |_, _| {
            let racket = of.cot().build("b-m-p-s-m").child("racket", &[], "").build();
            of.cot().send(&racket.map_err(|e| Error::new(e.to_string()))?, Send::all())
        });
        let of = diary.clone();
        reg.observe(Observer::reliable(details(["watch", "held"])), move |event, route| {
            note(&of, json!({"uid": event.uid(), "id": route.journal_id(), "route": **route}));
        });
        // Before the probe's in the same band, because of its priority.
        reg.intercept_at(details(["probe"]), Band::Rewrite, 10, |event, _| {
            match event.detail("probe").and_then(|p| p.attr("twin")).as_deref() {
                Some("drop") => Verdict::Drop("the twin"),
                Some("mark") => Verdict::Replace(event.edit().append("<twin/>").into_text()),
                _ => Verdict::Pass,
            }
        });
        let of = host.clone();
        reg.service(move |method, args| match method {
            "echo" => Ok(args.to_vec()),
            "deeper" => of.call("probe", "deeper", args),
            other => Err(Error::not_found(format!("no method {other:?}"))),
        });
        if config.words {
            reg.provide::<Words, _>(|Word::Backwards(text)| Ok(text.chars().rev().collect()));
        }
        let of = diary.clone();
        reg.subscribe("twin.topic", move |bytes| note(&of, json!(String::from_utf8_lossy(bytes))));
        reg.route(GET, "/api/plugins/twin/diary", Listeners::ADMIN, Auth::Admin, move |_| {
            Ok(Value::from(diary.lock().unwrap_or_else(PoisonError::into_inner).clone()))
        });
        Ok(Twin)
    }
}

export_plugin!(Twin);
