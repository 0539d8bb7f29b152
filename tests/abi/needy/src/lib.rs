//! Requires a plugin that is not there, and one of a version nobody has.
use fts_plugin_api::{export_plugin, sdk::*};

struct Needy;

impl Plugin for Needy {
    type Config = NoConfig;
    const REQUIRES: &'static [&'static str] = &["ghost >= 1"];

    fn start(_: NoConfig, _: &mut Registrar<'_>, _: Host) -> Result<Self> {
        Err(Error::new("a plugin that must be refused was started"))
    }
}

export_plugin!(Needy);
