//! What comes later: held events that could not be stored, and events that are waited for.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use super::{Client, MockHost};
use crate::{cot::Builder, sdk::*};

/// Stores held events while `open` says so; waits for events of the uid a service names.
struct Late;

impl Plugin for Late {
    type Config = NoConfig;
    const CAPABILITIES: &'static [&'static str] = &["bind-dest"];

    fn start(_: NoConfig, reg: &mut Registrar<'_>, host: Host) -> Result<Self> {
        let all = host.clients().audience("all")?;
        host.bind_dest(&Binding::new("box", "b", &all, Mode::Hold))?;
        let open = Arc::new(AtomicBool::new(false));
        let (h, now) = (host.clone(), open.clone());
        reg.held(move |held| {
            let seen = format!("{}{}", held.event.uid(), if held.replayed() { "+" } else { "" });
            h.count("given", &[("event", &seen)], 1);
            if now.load(SeqCst) { held.release(&[], Target::All) } else { held.later() }
        });
        reg.service(move |method, args| {
            let uid = String::from_utf8_lossy(args).into_owned();
            match method {
                "open" => open.store(true, SeqCst),
                _ => {
                    let (h, of) = (host.clone(), uid.clone());
                    host.history().notify(&uid, Duration::from_secs(3), move |arrival| {
                        let found = h.history().latest(&of).is_ok_and(|latest| latest.is_some());
                        h.count("told", &[("what", &format!("{arrival:?} {found}"))], 1);
                    })?;
                }
            }
            Ok(Vec::new())
        });
        Ok(Self)
    }
}

fn send(host: &MockHost, uid: &str, conn: u64, marti: &str) {
    host.deliver(Builder::new("b-m-p-s-m", host.now()).uid(uid).detail_xml(marti).to_text(), conn);
}

const BOX: &str = "<marti><dest box=\"b\"/></marti>";

#[test]
fn what_cannot_be_stored_comes_again_in_its_order() {
    let host = MockHost::builder().name("late").start::<Late>().unwrap();
    let (from, to) = (host.connect(Client::new("F", "From")), host.connect(Client::new("T", "To")));
    let given = || host.metrics().keys().filter(|k| k.contains("given")).cloned().collect::<Vec<_>>();
    send(&host, "1", from, BOX);
    send(&host, "2", from, BOX);
    assert_eq!((given().len(), host.held().len()), (1, 2), "the second waits behind the first: {:?}", given());
    host.tick(Duration::from_millis(999));
    assert_eq!(given().len(), 1);
    host.tick(Duration::from_millis(1));
    assert!(given().iter().any(|k| k.contains("1+")), "a repeat: {:?}", given());
    host.call("open", b"").unwrap();
    host.forget();
    host.tick(Duration::from_secs(1));
    let received: Vec<_> = host.received(to).iter().map(|e| e.uid().into_owned()).collect();
    assert_eq!((received, host.held().len()), (vec!["1".to_owned(), "2".to_owned()], 0));
    send(&host, "3", from, BOX);
    assert_eq!(host.received(to).len(), 3, "and no pause any more");
}

#[test]
fn who_waits_for_an_event_is_told_once() {
    let host = MockHost::builder().name("late").start::<Late>().unwrap();
    let from = host.connect(Client::new("F", "From"));
    let told = |what: &str| {
        let found = host.metrics().into_iter().find(|(key, _)| key.contains("told") && key.contains(what));
        found.map_or(0.0, |(_, n)| n)
    };
    send(&host, "early", from, "");
    host.call("wait", b"early").unwrap();
    host.call("wait", b"soon").unwrap();
    send(&host, "soon", from, "");
    send(&host, "soon", from, "");
    assert_eq!((told("Stored true"), told("Late")), (1.0, 0.0), "{:?}", host.metrics());
    host.tick(Duration::from_secs(3));
    assert_eq!((told("Stored true"), told("Late true")), (1.0, 1.0), "the next one counts: {:?}", host.metrics());
    assert!(host.panics().is_empty());
}
