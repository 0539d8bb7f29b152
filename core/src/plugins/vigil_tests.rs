use std::{
    sync::{Condvar, mpsc},
    time::Duration,
};

use fts_plugin_api::{
    abi::{Intercept_TO, TD_Opaque},
    cot::Cot,
    message::{Band, InterceptSpec},
    sdk::{Event, Source as SdkSource},
    shim::InterceptFn,
};

use super::*;
use crate::{
    plugins::{
        charge::Tag,
        cost_tests::{POSITION, generation, host},
        generation::{Handler, Registered},
        hooks,
        stats::Stats,
    },
    route::{Source, hooks::Wanted},
};

/// A test that stands still is a failure.
const LONG: Duration = Duration::from_secs(30);

/// Shut until somebody opens it.
#[derive(Default)]
struct Gate(std::sync::Mutex<bool>, Condvar);

impl Gate {
    fn pass(&self) {
        let open = self.0.lock().unwrap();
        // Longer than the test has patience.
        drop(self.1.wait_timeout_while(open, 3 * LONG, |open| !*open).unwrap());
    }
    fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }
}

#[test]
fn an_intercept_that_blocks_every_thread_that_asks_it_leaves_one_to_serve() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap();
    let (plugins, router) = host(&runtime);
    let spec = InterceptSpec {
        types: vec!["a-*".into()],
        details: Vec::new(),
        band: Band::Tap,
        priority: 0,
        own: false,
        key: String::new(),
    };
    let gate = Arc::new(Gate::default());
    let of = gate.clone();
    let blocks = InterceptFn::new("blocks", move |_: &Event<'_>, _: &SdkSource<'_>| {
        of.pass();
        None
    });
    let handler = Handler {
        wanted: Wanted::new(&spec.types, &spec.details),
        spec,
        object: Intercept_TO::from_value(blocks, TD_Opaque),
        stats: Stats::default(),
        tag: Tag::of("cost", "intercept a-*"),
    };
    generation(&plugins, Registered { intercepts: vec![Arc::new(handler)], ..Registered::default() });
    let table = Arc::new(hooks::table(&plugins));
    // The first look says how many threads there are.
    let until = Instant::now() + LONG;
    while plugins.vigil.places.most.load(Relaxed) != 2 {
        assert!(Instant::now() < until, "nobody looks");
        std::thread::yield_now();
    }
    let (tell, told) = mpsc::channel();
    for _ in 0..12 {
        let (table, router, tell) = (table.clone(), router.clone(), tell.clone());
        runtime.spawn(async move {
            let cot = Cot::parse(POSITION.as_bytes().to_vec()).unwrap();
            let send = router.directory.groups.all();
            drop(table.interceptors()[0].hook.intercept(&cot, &Source::Server { send: &send, except: 0 }));
            let _ = tell.send("asked");
        });
    }
    // A thread was left: those who came last were not asked, and timers run, while the gate is shut.
    runtime.spawn(async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let _ = tell.send("ticked");
    });
    let (mut asked, mut ticked) = (0, false);
    while asked < 10 || !ticked {
        match told.recv_timeout(LONG).expect("all threads stand in the intercept") {
            "ticked" => ticked = true,
            _ => asked += 1,
        }
    }
    assert!(plugins.vigil.places.taken.load(Relaxed) <= 2 && asked < 12, "the gate is shut");
    gate.open();
    (asked..12).for_each(|_| assert_eq!(told.recv_timeout(LONG), Ok("asked")));
    let until = Instant::now() + LONG;
    while plugins.vigil.places.taken.load(Relaxed) != 0 {
        assert!(Instant::now() < until, "a place was not given back");
        std::thread::yield_now();
    }
    plugins.ending.store(true, Relaxed);
    runtime.shutdown_timeout(Duration::from_secs(1));
}

#[test]
fn who_finds_all_places_taken_waits_for_one_and_no_longer_than_two_looks() {
    let places = Places::default();
    places.most.store(1, Relaxed);
    assert!(places.take(|| false));
    let began = Instant::now();
    assert!(!places.take(|| false));
    assert!((WAIT..LONG).contains(&began.elapsed()));
    assert!(!places.take(|| true), "nobody should enter: no waiting");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| places.take(|| false));
        places.give();
        assert!(waiting.join().unwrap());
    });
    places.give();
    assert_eq!(places.taken.load(Relaxed), 0);
}

#[test]
fn who_dozes_wakes_with_the_first_call_and_with_no_second() {
    let doze = Arc::new(Doze::default());
    let of = doze.clone();
    let dozing = std::thread::spawn(move || {
        let _ = of.thread.set(std::thread::current());
        // Ends by itself only after the test has lost its patience.
        of.doze(10 * LONG);
    });
    let until = Instant::now() + LONG;
    while !dozing.is_finished() {
        assert!(Instant::now() < until, "it dozes on");
        // A test beside this one may be in a call: then it does not doze off.
        doze.rouse();
        std::thread::yield_now();
    }
    dozing.join().unwrap();
    assert!(!doze.dozes.load(Relaxed), "nobody is roused in vain");
}
