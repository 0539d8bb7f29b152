//! The sockets of all listeners. Every one is bound before anything is accepted, so a port in use ends the start with
//! nothing half done. Then each gets its acceptor and whoever serves its streams: sessions for CoT, a [`Door`] for HTTP.
//! CoT and HTTP have connection limits of their own (the same numbers), so neither can lock the other out.
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use socket2::Type;
use tokio::{
    net::{TcpListener, UdpSocket},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

use super::{
    boot::BootError,
    server::{Listening, Server},
};
use crate::{
    config::{Auth, Config, CotListener, HttpListener, ListenerKind},
    http::{
        admin::{self, Control},
        door::Door,
        listener::Listener,
    },
    identity::Authority,
    net::{self, Acceptor, Gate, Handshakes, OnStream, Port},
    session::{datagram::Datagrams, mesh},
};

type Tls = Option<Arc<rustls::ServerConfig>>;
/// The certificates of each moment.
type Live = Arc<ArcSwapOption<Authority>>;

/// A listener for streams.
pub(super) struct Tcp {
    socket: TcpListener,
    port: Arc<Port>,
    tls: Tls,
    to: To,
}

/// Whose streams they are.
enum To {
    Cot(Arc<CotListener>),
    Http(Listener, Arc<HttpListener>),
    Admin,
}

/// A datagram listener, with the socket of its output if it has one.
pub(super) struct Input {
    socket: UdpSocket,
    output: Option<UdpSocket>,
    listener: Arc<CotListener>,
}

/// See the file's head.
pub(super) struct Sockets {
    pub tcp: Vec<Tcp>,
    pub udp: Vec<Input>,
    pub listening: Vec<Listening>,
}

fn io(what: &'static str) -> impl Fn(std::io::Error) -> BootError {
    move |e| BootError::Io(what, e)
}

impl Sockets {
    /// Binds everything that is enabled.
    ///
    /// # Errors
    /// A port that cannot be had, or a certificate that is no good.
    pub fn bind(config: &Config, authority: &Live) -> Result<Self, BootError> {
        let mut sockets = Self { tcp: Vec::new(), udp: Vec::new(), listening: Vec::new() };
        for listener in config.listeners.cot().filter(|l| l.enabled) {
            let listener = Arc::new(listener.clone());
            match listener.kind {
                ListenerKind::CotUdp | ListenerKind::CotMulticast => sockets.datagrams(listener)?,
                kind => {
                    let shown = if kind == ListenerKind::CotSubmit { "tcp, one way" } else { "tcp" };
                    let (name, bind) = (listener.name.clone(), listener.bind.clone());
                    let port = Port::from(&*listener);
                    let secure = (kind == ListenerKind::CotTls).then_some(authority);
                    sockets.stream((name, bind, shown), port, secure, config, To::Cot(listener))?;
                }
            }
        }
        for listener in config.listeners.http().filter(|l| l.enabled) {
            let Some(at) = Listener::named(&listener.name) else { continue };
            let listener = Arc::new(listener.clone());
            let (name, bind) = (listener.name.clone(), listener.bind.clone());
            let secure = listener.tls.then_some(authority);
            let port = Port::from(&*listener);
            sockets.stream((name, bind, "http"), port, secure, config, To::Http(at, listener))?;
        }
        let admin = &config.listeners.admin;
        if admin.enabled {
            let names = ("admin".to_owned(), admin.bind.clone(), "http");
            sockets.stream(names, Port::from(admin), None, config, To::Admin)?;
        }
        Ok(sockets)
    }

    fn stream(
        &mut self,
        (name, bind, kind): (String, String, &'static str),
        port: Port,
        authority: Option<&Live>,
        config: &Config,
        to: To,
    ) -> Result<(), BootError> {
        let socket = net::bind(&name, &bind, port.port, Type::STREAM)?;
        let socket = TcpListener::from_std(socket.into()).map_err(io("socket"))?;
        let address = socket.local_addr().map_err(io("socket"))?;
        let tls = authority.map(|a| net::tls::server_config(a, config, &port)).transpose()?;
        self.listening.push(Listening { name, kind, address, tls: tls.is_some() });
        self.tcp.push(Tcp { socket, port: Arc::new(port), tls, to });
        Ok(())
    }

    fn datagrams(&mut self, listener: Arc<CotListener>) -> Result<(), BootError> {
        let socket = UdpSocket::from_std(net::bind_udp(&listener)?.into()).map_err(io("socket"))?;
        let address = socket.local_addr().map_err(io("socket"))?;
        let output = listener.output.then(|| net::bind_output(&listener, address.port())).transpose()?;
        let output = output.map(|o| UdpSocket::from_std(o.into())).transpose().map_err(io("socket"))?;
        self.listening.push(Listening { name: listener.name.clone(), kind: "udp", address, tls: false });
        self.udp.push(Input { socket, output, listener });
        Ok(())
    }
}

/// All listeners share the places for computing handshakes. The admin listener serves until everything has ended:
/// readiness is asked there during a shutdown.
pub(super) fn accept(server: &Arc<Server>, sockets: Vec<Tcp>) {
    let config = server.config();
    let gate = || Gate::new(config.server.max_connections, config.server.max_connections_per_ip);
    let (cot, http) = (gate(), gate());
    let computing = Arc::new(Semaphore::new(config.stream.limits.handshakes_active));
    let acceptors = sockets.into_iter().map(|Tcp { socket, port, tls, to }| {
        let limits = server.limits.clone();
        let handshakes = tls.map(|tls| Handshakes::new(tls, port.clone(), limits.clone(), computing.clone()));
        let native = || server.native.clone();
        let (gate, stop, on_stream): (_, _, OnStream) = match to {
            To::Cot(listener) => {
                let sessions = server.sessions.clone();
                let on_stream = Arc::new(move |accepted| sessions.accept(accepted, listener.clone()));
                (cot.clone(), &server.stop_accepting, on_stream)
            }
            To::Http(at, keys) => {
                let (stop, cut) = (server.stop_accepting.clone(), server.stop_all.clone());
                if at == Listener::MartiHttp && keys.auth != Auth::None {
                    tracing::warn!(event = "config.note", "listeners.marti_http.auth: passwords are sent in the clear there; marti_https and enrollment have TLS");
                }
                let door = Door::new(at, Some(keys), port.clone(), native(), stop, cut);
                let tasks = server.requests.clone();
                (http.clone(), &server.stop_accepting, Arc::new(move |accepted| door.open(accepted, &tasks)))
            }
            To::Admin => {
                let control: Arc<dyn Control> = server.clone();
                let routes = admin::routes(control, server.mux.clone());
                let (stop, cut) = (server.stop_all.clone(), CancellationToken::new());
                let door = Door::admin(routes, port.clone(), native(), stop, cut);
                let tasks = server.tasks.clone();
                (http.clone(), &server.stop_all, Arc::new(move |accepted| door.open(accepted, &tasks)))
            }
        };
        (stop.clone(), Arc::new(Acceptor { socket, port, limits, gate, handshakes, on_stream }))
    });
    let acceptors: Vec<_> = acceptors.collect();
    let kept = acceptors.iter().map(|(_, acceptor)| acceptor.clone()).collect();
    // Nobody else sets it.
    let _ = server.acceptors.set(kept);
    for (stop, acceptor) in acceptors {
        server.tasks.spawn(acceptor.run(stop, server.tasks.clone()));
    }
}

/// A datagram listener; with `output` its group is sent what others send.
pub(super) fn receive(server: &Arc<Server>, input: Input) {
    let Input { socket, output, listener } = input;
    let name: Arc<str> = listener.name.as_str().into();
    let own = output.as_ref().and_then(|o| o.local_addr().ok());
    let mut conn = 0;
    if let Some((group, output)) = output.and_then(|o| Some((o.peer_addr().ok()?, o))) {
        let client = mesh::join(&server.router, listener.clone(), group);
        conn = client.conn;
        server.tasks.spawn(mesh::run(server.router.clone(), client, output, server.stop_all.clone()));
    }
    let datagrams = Datagrams::new(server.router.clone(), listener, conn);
    server.tasks.spawn(net::udp::run(socket, own, name, server.stop_accepting.clone(), move |data, peer| {
        datagrams.take(data, peer)
    }));
}
