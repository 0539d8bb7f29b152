//! [`start`]: the first call into a plugin, and the object the host keeps.
use std::sync::Mutex;

use super::{Sealed, failure, guard, hook, logs, panicked};
use crate::{
    abi::{self, Failure, HandleBox, HostModule_Ref, LibHeader, RErr, ROk, RResult, RVec, TD_Opaque},
    message::{Manifest, Phase, op},
    sdk::{Host, Plugin, Registrar, StopReason, config},
};

/// Checks the host, declares the plugin, decodes its configuration and, unless this is only the check, starts it.
pub fn start<P: Plugin>(header: &'static LibHeader, token: u64) -> RResult<HandleBox, Failure> {
    match guard(&"start", || try_start::<P>(header, token)) {
        Ok(Ok(running)) => ROk(abi::PluginHandle_TO::from_value(running, TD_Opaque)),
        Ok(Err(failure)) => RErr(failure),
        Err(panic) => RErr(panicked(panic)),
    }
}

fn try_start<P: Plugin>(header: &'static LibHeader, token: u64) -> Result<Running<P>, Failure> {
    let module =
        header.init_root_module::<HostModule_Ref>().map_err(|e| failure(abi::failure::TOO_OLD, e.to_string()))?;
    hook::install();
    let host = module.connect()(token);
    let host = Host::greet(host).map_err(Failure::from)?;
    let own = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect();
    let manifest = Manifest {
        requires: own(P::REQUIRES),
        uses: own(P::USES),
        capabilities: own(P::CAPABILITIES),
        defaults: serde_json::to_string(&P::Config::default()).unwrap_or_default(),
        secrets: own(P::SECRETS),
        about: P::ABOUT.to_owned(),
    };
    host.ask::<()>(op::DECLARE, &manifest).map_err(Failure::from)?;
    let config = config::decode::<P::Config>(&host.hello().config)?;
    P::check(&config).map_err(|e| Failure { code: abi::failure::CONFIG, ..Failure::from(e) })?;
    if host.hello().phase == Phase::Check {
        return Ok(Running { plugin: Mutex::new(None), host });
    }
    if host.hello().dynamic {
        logs::forward_to(host.raw().clone());
    }
    let mut registrar = Registrar::new(&host);
    let plugin = P::start(config, &mut registrar, host.clone()).map_err(Failure::from)?;
    let plugin = Sealed::new(plugin);
    registrar.finish().map_err(Failure::from)?;
    Ok(Running { plugin: Mutex::new(Some(plugin)), host })
}

/// A started plugin.
struct Running<P: Plugin> {
    plugin: Mutex<Option<Sealed<P>>>,
    host: Host,
}

impl<P: Plugin> Running<P> {
    fn with<T>(&self, what: &str, f: impl FnOnce(&mut Option<Sealed<P>>) -> T) -> RResult<T, Failure> {
        // A panic is caught inside, so the lock is never poisoned by one.
        let mut plugin = self.plugin.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        guard(&what, || f(&mut plugin)).map_err(panicked).into()
    }
}

impl<P: Plugin> abi::PluginHandle for Running<P> {
    fn stop(&self, reason: u32, deadline_ms: u64) -> RResult<(), Failure> {
        let stopped = self.with("stop", |plugin| {
            if let Some(plugin) = plugin {
                plugin.stop(StopReason::from(reason));
            }
        });
        self.host.join_threads(std::time::Duration::from_millis(deadline_ms));
        drop(self.with("drop", Option::take));
        stopped
    }

    fn save(&self) -> RResult<RVec<u8>, Failure> {
        let marked = |saved: Vec<u8>| [&[1], &saved[..]].concat();
        self.with("save", |plugin| plugin.as_ref().and_then(|p| p.save()).map(marked).unwrap_or_default().into())
    }
}
