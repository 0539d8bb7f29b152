//! The export by hand instead of by `export_plugin!`: `start` first connects by itself and keeps the host's object, so
//! that what the SDK would never send can be sent.
use std::sync::Mutex;

use fts_plugin_api::{
    abi::{
        self, Failure, HandleBox, HostBox, HostModule_Ref, Info, LibHeader, PANIC_UNWIND, PluginModule_Ref, RResult,
        TD_Opaque,
    },
    message::{self, CallerKind, CallerSpec, ObserveSpec, RouteSpec, op},
    shim,
};

use crate::Hostile;

static HOST: Mutex<Option<HostBox>> = Mutex::new(None);

extern "C" fn start(header: &'static LibHeader, token: u64) -> RResult<HandleBox, Failure> {
    if let Ok(module) = header.init_root_module::<HostModule_Ref>()
        && let Ok(mut host) = HOST.lock()
    {
        *host = Some(module.connect()(token));
    }
    shim::start::<Hostile>(header, token)
}

/// As `export_plugin!` makes it.
pub fn module() -> PluginModule_Ref {
    abi::plugin_module(start)
}

extern "C" fn root() -> abi::RootModuleResult {
    abi::root_module(module)
}

// SAFETY: the names are this plugin's own, and the types are what the server expects behind them.
#[unsafe(export_name = "fts_plugin_hostile_info")]
static INFO: Info = Info::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"), PANIC_UNWIND, cfg!(debug_assertions));

// SAFETY: as above.
#[unsafe(export_name = "fts_plugin_hostile")]
static HEADER: LibHeader = unsafe { LibHeader::from_constructor::<PluginModule_Ref>(root, abi::CheckTypeLayout::Yes) };

fn host() -> Option<HostBox> {
    HOST.lock().ok()?.clone()
}

/// Opens a transaction on this thread and forgets it.
pub fn open_transaction() -> bool {
    host().is_some_and(|host| host.call(op::SQL_BEGIN.into(), message::pack(&()).as_slice().into()).is_ok())
}

/// Every operation with bytes that are no message, with none, and with a message of something else; what is no operation;
/// handlers when `start` is long over. How many of these the host refused.
pub fn nonsense() -> u64 {
    let Some(host) = host() else { return 0 };
    let garbage: [&[u8]; 4] = [b"", b"\xc1\xff\x00", &[0xdf, 0xff, 0xff, 0xff, 0xff], &[0x91; 5_000]];
    let mut refused = 0;
    let mut note = |failed: bool| refused += u64::from(failed);
    // What they do by themselves is not nonsense, and a kick or an end would spoil the test.
    let harmless = |o: &&&str| ![op::PANICKED, op::SQL_BEGIN, op::SQL_BEGIN_LAZY].contains(*o);
    for operation in op::ALL.iter().filter(harmless).copied().chain(["", "no.such", "sql.", "link.", "kv.\0"]) {
        for bytes in garbage {
            note(host.call(operation.into(), bytes.into()).is_err());
        }
    }
    for bytes in garbage {
        note(host.send(b"<event/>"[..].into(), bytes.into()).is_err());
        note(host.send(bytes.into(), bytes.into()).is_err());
        note(host.route(bytes.into(), abi::Http_TO::from_value(Late, TD_Opaque)).is_err());
        note(host.observe(bytes.into(), abi::Observe_TO::from_value(Late, TD_Opaque)).is_err());
        note(host.caller(bytes.into(), abi::Caller_TO::from_value(Late, TD_Opaque)).is_err());
        host.log(999, "hostile\n\0\u{1b}[31m".into(), String::from_utf8_lossy(bytes).as_ref().into());
    }
    let late = message::pack(&CallerSpec { kind: CallerKind::Every(1) });
    note(host.caller(late.as_slice().into(), abi::Caller_TO::from_value(Late, TD_Opaque)).is_err());
    let late = message::pack(&ObserveSpec {
        types: vec!["*".into()],
        details: Vec::new(),
        delivery: message::Delivery::Reliable,
        own: true,
        coalesce: false,
        held: false,
    });
    note(host.observe(late.as_slice().into(), abi::Observe_TO::from_value(Late, TD_Opaque)).is_err());
    let late = message::pack(&RouteSpec {
        method: "GET".into(),
        pattern: "/api/plugins/hostile/late".into(),
        listeners: vec![message::Listener::Admin],
        auth: message::Auth::Open,
    });
    note(host.route(late.as_slice().into(), abi::Http_TO::from_value(Late, TD_Opaque)).is_err());
    refused
}

/// A handler whose answers are no messages.
struct Late;

impl abi::Http for Late {
    fn handle(&self, _: abi::RSlice<'_, u8>, _: abi::BodyBox) -> RResult<abi::Reply, Failure> {
        abi::ROk(abi::Reply { head: vec![0xc1].into(), bytes: abi::RVec::new(), pull: abi::RNone })
    }
}

impl abi::Observe for Late {
    fn observe(&self, _: &abi::ObservedRef<'_>) -> RResult<abi::RVec<u8>, Failure> {
        abi::ROk(vec![0xc1].into())
    }
}

impl abi::Caller for Late {
    fn call(&self, _: abi::RSlice<'_, u8>) -> RResult<abi::RVec<u8>, Failure> {
        abi::ROk(vec![0xc1].into())
    }
}

impl abi::Intercept for Late {
    fn intercept(&self, _: abi::EventView<'_>, _: &abi::SourceRef<'_>) -> abi::Verdict {
        abi::Verdict { action: 77, data: vec![0xc1].into() }
    }
}

/// Registers, while `start` runs, handlers whose answers are no messages, for `b-x-h` and `/api/plugins/hostile/raw`.
pub fn register_nonsense() {
    let Some(host) = host() else { return };
    let types = vec![crate::TRIGGER.to_owned()];
    let what = message::pack(&message::InterceptSpec {
        types: types.clone(),
        details: Vec::new(),
        band: message::Band::Rewrite,
        priority: 0,
        own: false,
        key: String::new(),
    });
    let _ = host.intercept(what.as_slice().into(), abi::Intercept_TO::from_value(Late, TD_Opaque));
    let what = message::pack(&ObserveSpec {
        types,
        details: Vec::new(),
        delivery: message::Delivery::Reliable,
        own: false,
        coalesce: true,
        held: false,
    });
    let _ = host.observe(what.as_slice().into(), abi::Observe_TO::from_value(Late, TD_Opaque));
    for kind in [CallerKind::Clients, CallerKind::Every(20)] {
        let what = message::pack(&CallerSpec { kind });
        let _ = host.caller(what.as_slice().into(), abi::Caller_TO::from_value(Late, TD_Opaque));
    }
    let what = message::pack(&RouteSpec {
        method: "GET".into(),
        pattern: "/api/plugins/hostile/raw".into(),
        listeners: vec![message::Listener::Admin],
        auth: message::Auth::Open,
    });
    let _ = host.route(what.as_slice().into(), abi::Http_TO::from_value(Late, TD_Opaque));
}
