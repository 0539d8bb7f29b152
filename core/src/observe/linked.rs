//! Log lines of plugins that are linked into the program: they come straight from `tracing`, not through the host, and
//! are written like those of plugins in files, so that whoever matches them need not know how a plugin got here.
use std::fmt::Write;

use tracing::{
    Event,
    field::{Field, Visit},
};

/// What a linked plugin said.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Its name.
    pub plugin: String,
    /// Message and fields in one text, as the SDK writes them in a file of its own.
    pub text: String,
}

/// None when the line is not of a plugin.
pub fn said(event: &Event<'_>) -> Option<Said> {
    let plugin = plugin_of(event.metadata().target())?;
    let mut text = Text::default();
    event.record(&mut text);
    Some(Said { plugin, text: text.message + &text.fields })
}

/// `fts_plugin_xmpp_chat::link` is of `xmpp-chat`; the interface crate speaks for the host.
fn plugin_of(target: &str) -> Option<String> {
    let name = target.split("::").next()?.strip_prefix("fts_plugin_")?;
    (name != "api").then(|| name.replace('_', "-"))
}

#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to memory does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::{Layer, Registry, layer::SubscriberExt};

    use super::*;

    #[test]
    fn targets_name_their_plugin() {
        assert_eq!(plugin_of("fts_plugin_xmpp_chat::link").as_deref(), Some("xmpp-chat"));
        assert_eq!(plugin_of("fts_plugin_kml").as_deref(), Some("kml"));
        for other in ["fts::session", "fts_plugin_api::shim", "rustls", ""] {
            assert_eq!(plugin_of(other), None, "{other}");
        }
    }

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<Said>>>);

    impl<S: tracing::Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            self.0.lock().unwrap().extend(said(event));
        }
    }

    #[test]
    fn a_line_has_message_and_fields_in_their_order() {
        let kept = Kept::default();
        tracing::subscriber::with_default(Registry::default().with(kept.clone()), || {
            tracing::warn!(target: "fts_plugin_demo::x", uid = %"u-1", lat = 60.5, who = "me", "it {}", "began");
            tracing::warn!("of the server");
        });
        let wanted = Said { plugin: "demo".into(), text: r#"it began uid=u-1 lat=60.5 who="me""#.into() };
        assert_eq!(*kept.0.lock().unwrap(), [wanted]);
    }
}
