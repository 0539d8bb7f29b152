//! What survives: crashes between hearing and storing, an intercept that does not run, a database that fails.
use std::sync::Arc;

use fts_plugin_api::{
    sdk::{Band, Code, Host, Level, Observer, Plugin, Registrar, Result},
    testkit::{Client, MockHost},
};

use crate::{
    Emergency,
    config::Config,
    desk::Desk,
    emergencies, intake,
    samples::{CANCEL_A, START_A},
};

/// The plugin without its timer and its stop: what it has not stored when it ends is lost, as in a crash. `HEARS` and
/// `STORES` leave out its intercept or its observer.
struct Part<const HEARS: bool, const STORES: bool>(Arc<Desk>);

impl<const HEARS: bool, const STORES: bool> Plugin for Part<HEARS, STORES> {
    type Config = Config;
    const CAPABILITIES: &'static [&'static str] = &["intercept", "provide"];

    fn start(config: Config, reg: &mut Registrar<'_>, host: Host) -> Result<Self> {
        let desk = Arc::new(Desk::open(host, config)?);
        if HEARS {
            let d = desk.clone();
            reg.intercept(emergencies(), Band::Rewrite, move |event, cx| intake::rewrite(&d, event, cx));
        }
        if STORES {
            let d = desk.clone();
            reg.observe(Observer::reliable(emergencies()), move |event, route| intake::observe(&d, event, route));
        }
        let d = desk.clone();
        reg.provide::<fts_plugin_api::sdk::alerts::Alerts, _>(move |ask| crate::alerts::answer(&d, ask));
        Ok(Self(desk))
    }

    fn save(&self) -> Option<Vec<u8>> {
        Some(self.0.table.len().to_string().into_bytes())
    }
}

type Whole = Part<true, true>;
type HearsOnly = Part<true, false>;
type StoresOnly = Part<false, true>;

fn host<P: Plugin>() -> (MockHost, u64) {
    let host = MockHost::builder().name("emergency").start::<P>().unwrap();
    let a = host.connect(Client::new("ANDROID-11aa", "LIMA1"));
    (host, a)
}

fn active(host: &MockHost) -> usize {
    host.ask::<fts_plugin_api::sdk::alerts::Alerts>(&fts_plugin_api::sdk::alerts::Ask::List).unwrap().alerts.len()
}

#[test]
fn the_observer_stores_what_the_intercept_heard() {
    let (host, a) = host::<Whole>();
    host.deliver(START_A, a);
    host.start_again().unwrap();
    assert_eq!(active(&host), 1);
    host.deliver(CANCEL_A, a);
    host.start_again().unwrap();
    assert_eq!(active(&host), 0, "and so a cancel");
    // The other way round: without the observer nothing is stored.
    let (host, a) = self::host::<HearsOnly>();
    host.deliver(START_A, a);
    assert_eq!(active(&host), 1);
    host.start_again().unwrap();
    assert_eq!(active(&host), 0);
}

#[test]
fn the_observer_hears_what_the_intercept_did_not() {
    let (host, a) = host::<StoresOnly>();
    host.deliver(START_A, a);
    assert_eq!(active(&host), 1);
    host.start_again().unwrap();
    assert_eq!(active(&host), 1);
    host.tick(std::time::Duration::from_secs(1));
    host.deliver(CANCEL_A, a);
    assert_eq!(active(&host), 0);
}

#[test]
fn what_is_given_again_raises_nothing_that_is_over() {
    let (host, a) = host::<StoresOnly>();
    let began = host.now();
    host.deliver(START_A, a);
    host.tick(std::time::Duration::from_secs(1));
    host.deliver(CANCEL_A, a);
    let seen = host.metrics()["fts_emergency_started_total"];
    // The same event, received when it was received: what the journal gives after a crash.
    host.jump_to(began);
    host.start_again().unwrap();
    host.deliver(START_A, a);
    assert_eq!((active(&host), host.metrics()["fts_emergency_started_total"]), (0, seen));
}

#[test]
fn a_cancel_in_the_same_breath_as_its_start_is_not_lost() {
    // The mock's clock stands: everything is received in the same millisecond.
    let (host, a) = host::<StoresOnly>();
    host.deliver(START_A, a);
    host.start_again().unwrap();
    host.deliver(CANCEL_A, a);
    assert_eq!(active(&host), 0, "the server died between the two");
    // A cancel that was there before the start, and comes again: the sender's own clock says so.
    let (host, a) = self::host::<StoresOnly>();
    host.deliver(START_A, a);
    host.deliver(CANCEL_A.replace("10:05", "09:55"), a);
    assert_eq!(active(&host), 1);
}

#[test]
fn what_the_intercept_heard_the_observer_does_not_hear_again() {
    let (host, a) = host::<Whole>();
    host.deliver(CANCEL_A, a);
    host.deliver(START_A, a);
    assert_eq!(active(&host), 1, "a cancel of nobody, then a start");
    host.deliver(CANCEL_A, a);
    host.deliver(START_A, a);
    assert_eq!(active(&host), 1);
}

#[test]
fn a_database_that_fails_delays_storing_and_says_so() {
    let host = MockHost::builder().start::<Emergency>().unwrap();
    let (a, b) = (host.connect(Client::new("ANDROID-11aa", "LIMA1")), host.connect(Client::new("B", "BRAVO")));
    host.fail_next("sql.begin", Code::Other, "disk full");
    host.deliver(START_A, a);
    assert_eq!(host.received(b).len(), 1, "it is relayed all the same");
    assert_eq!(host.status().level, Level::Error);
    assert!(host.status().text.contains("disk full"));
    host.tick(std::time::Duration::from_secs(1));
    assert_eq!(host.status().level, Level::Ok);
    host.replace::<Whole>().unwrap();
    assert_eq!(active(&host), 1);
}

#[test]
fn an_older_version_never_overwrites_a_newer_one() {
    struct Rows;
    impl Plugin for Rows {
        type Config = Config;
        fn start(_: Config, _: &mut Registrar<'_>, host: Host) -> Result<Self> {
            crate::store::migrate(&host)?;
            let row = |version, callsign: &str| {
                let alert = crate::samples::alert_a(&["red", "blue"], 7);
                Arc::new(crate::alert::Alert { id: 1, version, callsign: callsign.into(), ..alert })
            };
            crate::store::put(&host, &[row(2, "new")])?;
            crate::store::put(&host, &[row(1, "old")])?;
            let (mut rows, last) = crate::store::load(&host)?;
            rows[0].sender.conn = 1;
            assert_eq!((rows, last), (vec![(*row(2, "new")).clone()], 1), "and every column comes back");
            assert_eq!((crate::store::changed(&host, &row(1, "").uid)?, crate::store::changed(&host, "none")?), (7, 0));
            Ok(Self)
        }
    }
    MockHost::builder().start::<Rows>().unwrap();
}
