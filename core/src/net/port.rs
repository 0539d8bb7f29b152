//! [`Port`]: what a listener is to the layer below its protocol. CoT and HTTP listeners are accepted, limited and shaken
//! hands with alike; who speaks the wrong protocol is told by [`Speaks`].
use crate::config::{AdminListener, ClientCert, CotListener, HttpListener, ListenerKind};

/// What is spoken behind the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// CoT, as XML or protobuf.
    Cot,
    /// HTTP/1.
    Http,
}

/// See the file's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Name in the configuration, in logs and metrics.
    pub name: String,
    /// Port as configured; 0 = the system chose.
    pub port: u16,
    /// What is spoken.
    pub speaks: Speaks,
    /// A PROXY header comes first.
    pub proxy_protocol: bool,
    /// Whether clients show certificates.
    pub client_cert: ClientCert,
    /// The certificate for browsers (`tls.web_cert`), where there is one, instead of the server's own.
    pub web_cert: bool,
}

impl From<&CotListener> for Port {
    fn from(listener: &CotListener) -> Self {
        Self {
            name: listener.name.clone(),
            port: listener.port,
            speaks: Speaks::Cot,
            proxy_protocol: listener.proxy_protocol,
            client_cert: if listener.kind == ListenerKind::CotTls { listener.client_cert } else { ClientCert::None },
            web_cert: false,
        }
    }
}

impl From<&HttpListener> for Port {
    fn from(listener: &HttpListener) -> Self {
        Self {
            name: listener.name.clone(),
            port: listener.port,
            speaks: Speaks::Http,
            proxy_protocol: listener.proxy_protocol,
            client_cert: if listener.tls { listener.client_cert } else { ClientCert::None },
            web_cert: listener.name == "enrollment",
        }
    }
}

impl From<&AdminListener> for Port {
    fn from(listener: &AdminListener) -> Self {
        Self {
            name: "admin".into(),
            port: listener.port,
            speaks: Speaks::Http,
            proxy_protocol: false,
            client_cert: ClientCert::None,
            web_cert: false,
        }
    }
}
