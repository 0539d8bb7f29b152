//! What happens when it is triggered.
use std::{
    path::Path,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use fts_plugin_api::{
    cot::{Builder, Cot},
    sdk::*,
};

use crate::{BUSY, Config, FLOODS, REFUSED, SENT, raw};

/// A panic's message that panics when it is dropped, and again.
struct Bomb(u8);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 > 0 {
            std::panic::panic_any(Bomb(self.0 - 1));
        }
    }
}

/// Waits until the file of the table is there, when the mode is this one. A plugin has nothing better to wait for.
pub fn block(config: &Config, mode: &str) {
    while config.mode == mode && !Path::new(&config.until).exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Takes its time: on the processor, as a handler that calculates would.
fn dawdle(config: &Config) {
    let until = Instant::now() + Duration::from_millis(config.slow_ms);
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

fn crash(mode: &str) {
    if matches!(mode, "abort" | "abort-once") {
        std::process::abort();
    }
    if mode == "segv" {
        // SAFETY: none; this is the crash the quarantine is there for.
        unsafe { std::ptr::null::<u8>().read_volatile() };
    }
}

/// In an intercept of a band.
pub fn intercept(harm: &str, config: &Config, event: &Event<'_>, cx: &Cx<'_>) -> Verdict {
    crash(harm);
    match harm {
        "panic" => panic!("in an intercept"),
        "bomb" => std::panic::panic_any(Bomb(2)),
        "slow" => dawdle(config),
        "block" => block(config, &config.mode),
        "also" => {
            for n in 0..50 {
                cx.also(&event.to_cot(), Send::uid(format!("nobody-{n}")));
            }
            not_quite_events(0).iter().for_each(|cot| cx.also(cot, Send::all()));
        }
        "replace" => return Verdict::Replace(b"<event this is none".to_vec()),
        "replace-huge" => return Verdict::Replace(vec![b'x'; 64 << 20]),
        "retarget" => return Verdict::Retarget(Send::to(Target::Audience("no such".into()))),
        _ => {}
    }
    Verdict::Pass
}

/// On the worker.
pub fn observe(config: &Config, host: &Host) {
    block(config, "block-observe");
    crash(&config.mode);
    match config.mode.as_str() {
        "panic-observe" => panic!("in an observer"),
        "bomb-observe" => std::panic::panic_any(Bomb(2)),
        "slow-observe" => dawdle(config),
        "panic-thread" => {
            let _ = host.spawn("clumsy", || panic!("in a thread"));
        }
        "flood" => flood(host),
        "malformed" => malformed(host),
        "nonsense" => {
            REFUSED.fetch_add(raw::nonsense(), Relaxed);
        }
        "open-tx" => {
            raw::open_transaction();
        }
        _ => {}
    }
}

fn note(done: Result<()>) {
    match done {
        Ok(()) => SENT.fetch_add(1, Relaxed),
        Err(error) if error.code() == Code::Busy => BUSY.fetch_add(1, Relaxed),
        Err(_) => REFUSED.fetch_add(1, Relaxed),
    };
}

/// As much as it can for two seconds: positions for everybody, and events that must not be lost for nobody.
fn flood(host: &Host) {
    let moved = Builder::new("a-f-G", host.now()).uid("flood").build();
    let said = Builder::new("b-x-f", host.now()).uid("flood").build();
    let (Ok(moved), Ok(said)) = (moved, said) else { return };
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until {
        for _ in 0..100 {
            note(host.cot().send(&moved, Send::all()));
            note(host.cot().send(&said, Send::uid("nobody")));
        }
    }
    FLOODS.fetch_add(1, Relaxed);
}

/// Texts that parse and yet are not quite events: without attributes, with wrong numbers and times, of forbidden kinds.
pub fn not_quite_events(now: i64) -> Vec<Cot> {
    let own =
        Builder::new("t-x-d-d", now).uid("x").detail_xml("<link uid=\"HONEST-A\" type=\"a-f\" relation=\"p-p\"/>");
    let texts = [
        "<event/>".to_owned(),
        "<event uid=\"\" type=\"\"><point/><detail/></event>".to_owned(),
        "<event version=\"2.0\" uid=\"x\" type=\"a-f-G\" how=\"h\" time=\"yesterday\" start=\"\" stale=\"never\"><point lat=\"nan\" lon=\"1e999\" hae=\"\" ce=\"x\" le=\"-\"/></event>".to_owned(),
        format!("<event version=\"2.0\" uid=\"{}\" type=\"a\"/>", "u".repeat(100_000)),
    ];
    texts.into_iter().filter_map(|t| Cot::parse(t.into_bytes()).ok()).chain(own.build().ok()).collect()
}

fn malformed(host: &Host) {
    for cot in not_quite_events(host.now()) {
        note(host.cot().send(&cot, Send::all()));
        note(host.cot().send(&cot, Send::to(Target::Audience("no such".into()))));
        note(host.cot().send(&cot, Send::conn(u64::MAX)));
        note(host.history().show("x", &cot, None));
    }
}

/// A thread past every stop that goes on calling the host and writes down what it says.
pub fn leak(host: &Host) -> Result<()> {
    let (host, file) = (host.clone(), host.dir()?.join("leak"));
    std::thread::Builder::new().name("hostile-leak".into()).spawn(move || {
        let Ok(event) = Builder::new("b-x-l", host.now()).uid("leaked").build() else { return };
        loop {
            let says = |r: Result<()>| r.map_or_else(|e| format!("{:?}", e.code()), |()| "ok".into());
            let sent = says(host.cot().send(&event, Send::all()));
            let wrote = says(host.sql().exec("CREATE TABLE IF NOT EXISTS leaked(n)", &[]).map(|_| ()));
            let spoke = says(host.clients().all().map(|_| ()));
            let _ = std::fs::write(&file, format!("{sent} {wrote} {spoke}"));
            std::thread::sleep(Duration::from_millis(5));
        }
    })?;
    Ok(())
}

/// A thread that opens a transaction and keeps it.
pub fn open_and_wait(host: &Host) -> Result<()> {
    let file = host.dir()?.join("open");
    std::thread::Builder::new().name("hostile-tx".into()).spawn(move || {
        let open = raw::open_transaction();
        let _ = std::fs::write(&file, open.to_string());
        loop {
            std::thread::park();
        }
    })?;
    Ok(())
}

/// At `/do`.
pub fn answer(config: &Config, host: &Host) -> Result<Response, HttpError> {
    block(config, "block-route");
    crash(config.mode.strip_suffix("-route").unwrap_or_default());
    let text = "text/plain";
    Ok(match config.mode.as_str() {
        "panic-route" => panic!("in a route"),
        "bomb-route" => std::panic::panic_any(Bomb(2)),
        "slow-route" => {
            dawdle(config);
            "slow".into()
        }
        "open-tx-route" => format!("{}", raw::open_transaction()).into(),
        "panic-pull" => {
            Response::pieces(text, (0..3).map(|n| if n == 2 { panic!("in a pull") } else { Ok(vec![b'.'; 70_000]) }))
        }
        "panic-pull-drop" => Response::pieces(text, DropsBadly(2)),
        "huge" => Response::new(text, vec![b'h'; 200 << 20]),
        "endless" => Response::pieces(text, std::iter::repeat_with(|| Ok(vec![b'e'; 1 << 20]))),
        "bad-head" => Response::empty(7).header("x\ny", "a\r\nb"),
        "bad-file" => Response::file(text, "../../../../etc/passwd"),
        "publish" => format!("{}", host.publish("none", &vec![0; 8 << 20])?).into(),
        _ => "done".into(),
    })
}

/// Pieces whose destructor panics.
struct DropsBadly(u8);

impl Iterator for DropsBadly {
    type Item = Result<Vec<u8>, String>;
    fn next(&mut self) -> Option<Self::Item> {
        self.0 = self.0.checked_sub(1)?;
        Some(Ok(b"piece".to_vec()))
    }
}

impl Drop for DropsBadly {
    fn drop(&mut self) {
        panic!("in the destructor of a pull");
    }
}
