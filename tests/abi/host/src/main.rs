//! A host of interface 1.1, as small as one can be: `abi-host fresh|shared NAME=FILE …` loads each plugin, calls its
//! handlers, has the plugins call each other's services, and says every result in one line.
//!
//! `shared` leaves abi_stable's process-wide type map on: the trap that `check_afresh` is there for. What a host needs
//! beyond this (guards, generations, a database) is in core/src/plugins.
use std::sync::{Mutex, OnceLock};

use fts_plugin_api::{
    abi::{self, *},
    message::{self, CallerKind, CallerSpec, Hello, Phase, ServerInfo, ServiceCall, op},
    shim,
};
use serde_bytes::ByteBuf;

/// What a plugin registered.
#[derive(Default)]
struct Desk {
    callers: Vec<(String, CallerKind, CallerBox)>,
    intercepts: Vec<(String, InterceptBox)>,
    routes: Vec<String>,
    observers: Vec<ObserveBox>,
}

static DESK: Mutex<Option<Desk>> = Mutex::new(None);
static NAMES: OnceLock<Vec<String>> = OnceLock::new();

fn desk<T>(f: impl FnOnce(&mut Desk) -> T) -> T {
    f(DESK.lock().unwrap().get_or_insert_default())
}

#[derive(Clone)]
struct Seat(String);

impl Seat {
    fn answer(&self, operation: &str, args: &[u8]) -> Result<Vec<u8>, Failure> {
        match operation {
            op::HELLO => Ok(message::pack(&Hello {
                phase: Phase::Run,
                name: self.0.clone(),
                config: r#"{"sql": false}"#.into(),
                saved: None,
                dynamic: true,
                since: 11,
                server: ServerInfo::default(),
            })),
            op::DECLARE => Ok(message::pack(&())),
            op::CALL => {
                let call: ServiceCall = message::unpack(args).unwrap();
                let said = service(&call.plugin, &call.method, &call.args)?;
                Ok(message::pack(&ByteBuf::from(said)))
            }
            _ => Err(shim::failure(failure::UNSUPPORTED, operation)),
        }
    }
}

impl Host for Seat {
    fn call(&self, operation: RStr<'_>, args: RSlice<'_, u8>) -> RResult<RVec<u8>, Failure> {
        self.answer(operation.as_str(), args.as_slice()).map(RVec::from).into()
    }
    fn send(&self, text: RSlice<'_, u8>, _: RSlice<'_, u8>) -> RResult<(), Failure> {
        println!("{} sends {} bytes", self.0, text.len());
        ROk(())
    }
    fn log(&self, _: u32, _: RStr<'_>, message: RStr<'_>) {
        println!("{} logs {message}", self.0);
    }
    fn level(&self) -> u32 {
        3
    }
    fn now(&self) -> i64 {
        1_800_000_000_000
    }
    fn intercept(&self, _: RSlice<'_, u8>, handler: InterceptBox) -> RResult<(), Failure> {
        desk(|d| d.intercepts.push((self.0.clone(), handler)));
        ROk(())
    }
    fn observe(&self, _: RSlice<'_, u8>, handler: ObserveBox) -> RResult<(), Failure> {
        desk(|d| d.observers.push(handler));
        ROk(())
    }
    fn route(&self, what: RSlice<'_, u8>, _: HttpBox) -> RResult<(), Failure> {
        let spec: message::RouteSpec = message::unpack(what.as_slice()).unwrap();
        desk(|d| d.routes.push(spec.pattern));
        ROk(())
    }
    fn caller(&self, what: RSlice<'_, u8>, handler: CallerBox) -> RResult<(), Failure> {
        let CallerSpec { kind } = message::unpack(what.as_slice()).unwrap();
        desk(|d| d.callers.push((self.0.clone(), kind, handler)));
        ROk(())
    }
    fn extra(&self) -> u32 {
        42
    }
}

/// Calls a plugin's service. The object is taken out meanwhile: the call may come back here.
fn service(plugin: &str, method: &str, args: &[u8]) -> Result<Vec<u8>, Failure> {
    let found = desk(|d| {
        let at = d.callers.iter().position(|(p, k, _)| p == plugin && *k == CallerKind::Service)?;
        Some(d.callers.swap_remove(at))
    });
    let Some(entry) = found else { return Err(shim::failure(failure::NOT_FOUND, plugin)) };
    let args = message::pack(&(method.to_owned(), ByteBuf::from(args)));
    let said = entry.2.call(args.as_slice().into()).into_result();
    desk(|d| d.callers.push(entry));
    said.map(|bytes| message::unpack::<ByteBuf>(&bytes).unwrap().into_vec())
}

struct From1;

impl Source for From1 {
    fn conn(&self) -> u64 {
        1
    }
    fn describe(&self) -> RVec<u8> {
        message::pack(&message::SourceInfo::default()).into()
    }
    fn extra(&self) -> u64 {
        99
    }
}

struct One<'a>(&'a str);

impl Observed for One<'_> {
    fn len(&self) -> usize {
        1
    }
    fn event(&self, _: usize) -> EventView<'_> {
        EventView::unscanned(self.0.as_bytes())
    }
    fn journal_id(&self, _: usize) -> u64 {
        5
    }
    fn route(&self, _: usize) -> RVec<u8> {
        message::pack(&message::RouteInfo::default()).into()
    }
    fn begin(&self, _: usize) -> bool {
        true
    }
}

const CHAT: &str = r#"<event version="2.0" uid="u" type="b-t-f" how="h" time="2026-01-01T00:00:00.000Z" start="2026-01-01T00:00:00.000Z" stale="2026-01-02T00:00:00.000Z"><point lat="0" lon="0" hae="0" ce="0" le="0"/><detail><remarks>count</remarks></detail></event>"#;

extern "C" fn connect(token: u64) -> HostBox {
    Host_TO::from_ptr(RArc::new(Seat(NAMES.get().unwrap()[token as usize].clone())), TD_Opaque)
}

extern "C" fn about() -> u32 {
    11
}

fn load(file: &str, name: &str) -> Result<PluginModule_Ref, String> {
    use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
    let library = unsafe { Library::open(Some(file), RTLD_NOW | RTLD_LOCAL) }.map_err(|e| e.to_string())?;
    let symbol = format!("fts_plugin_{name}");
    let header = unsafe { library.get::<AbiHeaderRef>(symbol.as_bytes()).map(|s| *s) }.map_err(|e| e.to_string())?;
    std::mem::forget(library);
    let header: &'static LibHeader = header.upgrade().map_err(|e| e.to_string())?;
    header.init_root_module::<PluginModule_Ref>().map_err(|e| e.to_string())
}

fn main() {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some("fresh") {
        abi::check_afresh();
    }
    let plugins: Vec<(String, String)> =
        args.map(|a| a.split_once('=').map(|(n, f)| (n.to_owned(), f.to_owned())).unwrap()).collect();
    NAMES.set(plugins.iter().map(|(n, _)| n.clone()).collect()).unwrap();
    let header = abi::header_of(HostModule { connect, about });
    let mut handles = Vec::new();
    for (token, (name, file)) in plugins.iter().enumerate() {
        match load(file, name).map(|module| (module.start())(header, token as u64)) {
            Ok(ROk(handle)) => {
                println!("{name} started");
                handles.push((name, handle));
            }
            Ok(RErr(failed)) => {
                println!("{name} refused: code {}, {} bytes of text", failed.code, failed.message.len())
            }
            Err(why) => println!("{name} not loaded: {why}"),
        }
    }
    let started: Vec<&String> = handles.iter().map(|(n, _)| *n).collect();
    for (name, intercept) in desk(|d| std::mem::take(&mut d.intercepts)) {
        let verdict =
            intercept.intercept(EventView::unscanned(CHAT.as_bytes()), &Source_TO::from_ptr(RRef::new(&From1), TD_Opaque));
        println!("{name} intercepts: action {}", verdict.action);
    }
    for observer in desk(|d| std::mem::take(&mut d.observers)) {
        let taken = observer.observe(&Observed_TO::from_ptr(RRef::new(&One(CHAT)), TD_Opaque));
        println!("an observer took it: {}", taken.is_ok());
    }
    for (plugin, kind, handler) in desk(|d| std::mem::take(&mut d.callers)) {
        println!("{plugin} kinds {}", handler.kinds());
        desk(|d| d.callers.push((plugin, kind, handler)));
    }
    let text = |said: Result<Vec<u8>, Failure>| match said {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(failed) => format!("failure {}: {}", failed.code, failed.message),
    };
    for name in &started {
        println!("{name}.extra: {}", text(service(name, "extra", b"")));
        for other in started.iter().filter(|o| o != &name) {
            println!("{name} asks {other}: {}", text(service(name, "relay", other.as_bytes())));
        }
    }
    for (name, handle) in &handles {
        println!("{name} stopped: {}", handle.stop(0, 1_000).is_ok());
    }
}
