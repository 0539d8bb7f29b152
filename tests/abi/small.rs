//! The smallest plugin, for files that must be refused before anything of it runs: were it started, it would say so.
use fts_plugin_api::{export_plugin, sdk::*};

struct Small;

impl Plugin for Small {
    type Config = NoConfig;

    fn start(_: NoConfig, _: &mut Registrar<'_>, _: Host) -> Result<Self> {
        Err(Error::new("a plugin that must be refused was started"))
    }
}

export_plugin!(Small);
