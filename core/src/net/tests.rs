use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use arc_swap::ArcSwap;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
};
use tokio_rustls::TlsConnector;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::*;
use crate::{
    config::{ClientCert, Config, Sources, load},
    identity::{Authority, Profile},
};

struct Here {
    config: Config,
    authority: Arc<Authority>,
    address: SocketAddr,
    streams: mpsc::UnboundedReceiver<Accepted>,
    stop: CancellationToken,
    _dir: tempfile::TempDir,
}

impl Drop for Here {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn here(tls: bool, set: &[&str]) -> Here {
    let dir = tempfile::tempdir().unwrap();
    let set = set.iter().map(ToString::to_string).collect();
    let config =
        load(&Sources { data_dir: Some(dir.path().to_owned()), set, cwd: dir.path().to_owned(), ..Sources::default() })
            .unwrap()
            .config;
    let authority = Arc::new(Authority::open(&config).unwrap());
    let cell = Arc::new(arc_swap::ArcSwapOption::new(Some(authority.clone())));
    let listener = if tls { &config.listeners.cot_tls } else { &config.listeners.cot_tcp };
    let port = Arc::new(Port::from(listener));
    let limits = Arc::new(ArcSwap::from_pointee(config.stream.limits.clone()));
    let handshakes = tls.then(|| {
        let server = tls::server_config(&cell, &config, &port).unwrap();
        Handshakes::new(
            server,
            port.clone(),
            limits.clone(),
            Arc::new(Semaphore::new(config.stream.limits.handshakes_active)),
        )
    });
    let socket = bind("t", "127.0.0.1", 0, socket2::Type::STREAM).unwrap();
    let socket = TcpListener::from_std(socket.into()).unwrap();
    let address = socket.local_addr().unwrap();
    let (to, streams) = mpsc::unbounded_channel();
    let to = Mutex::new(to);
    let gate = Gate::new(config.server.max_connections, config.server.max_connections_per_ip);
    let on_stream: OnStream = Arc::new(move |accepted| drop(to.lock().unwrap().send(accepted)));
    let acceptor = Arc::new(Acceptor { socket, port, limits, gate, handshakes, on_stream });
    let stop = CancellationToken::new();
    tokio::spawn(acceptor.run(stop.clone(), TaskTracker::new()));
    Here { config, authority, address, streams, stop, _dir: dir }
}

impl Here {
    fn connector(&self, cn: Option<&str>, version: &'static rustls::SupportedProtocolVersion) -> TlsConnector {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from(self.authority.ca().to_vec())).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots);
        let config = match cn {
            None => builder.with_no_client_auth(),
            Some(cn) => {
                let issued = self.authority.issue(&self.config, &Profile::client(cn), "x").unwrap();
                // Leaf only, as ATAK sends it.
                let leaf = CertificateDer::from_pem_slice(issued.cert_pem.as_bytes()).unwrap();
                builder
                    .with_client_auth_cert(
                        vec![leaf],
                        PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap(),
                    )
                    .unwrap()
            }
        };
        TlsConnector::from(Arc::new(config))
    }

    async fn connect(&self, connector: &TlsConnector) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        let mut stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await?;
        stream.write_all(b"x").await?;
        Ok(stream)
    }

    async fn accepted(&mut self) -> Accepted {
        tokio::time::timeout(Duration::from_secs(5), self.streams.recv()).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn tls_1_2_and_1_3_with_a_certificate_and_nothing_without() {
    let mut here = here(true, &[]).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let connector = here.connector(Some("alice"), version);
        let _stream = here.connect(&connector).await.unwrap();
        let accepted = here.accepted().await;
        assert!(matches!(accepted.stream, Stream::Tls(_)));
        assert_eq!(accepted.cert.unwrap().common_name, "alice");
    }
    let nobody = here.connector(None, &rustls::version::TLS13);
    // In TLS 1.3 the refusal arrives with the first read.
    let refused = match here.connect(&nobody).await {
        Ok(mut stream) => stream.read(&mut [0; 1]).await.is_err(),
        Err(_) => true,
    };
    assert!(refused && here.streams.try_recv().is_err());
    assert_eq!(here.config.listeners.cot_tls.client_cert, ClientCert::Required);
}

#[tokio::test]
async fn id12_13_silent_peers_do_not_delay_a_handshake() {
    let mut here = here(true, &["stream.limits.handshakes_active=2"]).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(here.address).await.unwrap());
    }
    let connector = here.connector(Some("alice"), &rustls::version::TLS13);
    let _stream = tokio::time::timeout(Duration::from_secs(5), here.connect(&connector)).await.unwrap().unwrap();
    here.accepted().await;
}

#[tokio::test]
async fn the_longest_silent_peer_makes_room() {
    let here = here(true, &["stream.limits.handshakes_pending=2"]).await;
    let mut first = TcpStream::connect(here.address).await.unwrap();
    let mut others = Vec::new();
    for _ in 0..2 {
        others.push(TcpStream::connect(here.address).await.unwrap());
    }
    let closed = tokio::time::timeout(Duration::from_secs(5), first.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(closed, Ok(0) | Err(_)));
}

#[tokio::test]
async fn a_handshake_has_a_time_limit() {
    let here = here(true, &["stream.limits.tls_handshake=\"50ms\""]).await;
    let mut silent = TcpStream::connect(here.address).await.unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(5), silent.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(closed, Ok(0) | Err(_)));
}

#[tokio::test]
async fn plain_bytes_on_the_tls_port_are_closed() {
    let here = here(true, &[]).await;
    let mut plain = TcpStream::connect(here.address).await.unwrap();
    plain.write_all(b"<?xml version='1.0'?>").await.unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(5), plain.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(closed, Ok(0) | Err(_)));
}

#[tokio::test]
async fn proxy_headers_name_the_origin_and_leave_the_stream_alone() {
    let mut here = here(false, &["listeners.cot_tcp.proxy_protocol=true"]).await;
    let mut v1 = TcpStream::connect(here.address).await.unwrap();
    v1.write_all(b"PROXY TCP4 192.0.2.7 192.0.2.8 4711 8087\r\n<event").await.unwrap();
    let accepted = here.accepted().await;
    assert_eq!(accepted.peer.to_string(), "192.0.2.7:4711");
    let Stream::Plain(mut stream) = accepted.stream else { panic!("plain") };
    let mut first = [0; 6];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"<event");
    let mut bad = TcpStream::connect(here.address).await.unwrap();
    bad.write_all(b"<event uid='x'>").await.unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(5), bad.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(closed, Ok(0) | Err(_)));
}

#[tokio::test]
async fn rule_75_connections_over_the_limit_are_closed() {
    let mut here = here(false, &["server.max_connections=1"]).await;
    let _first = TcpStream::connect(here.address).await.unwrap();
    let accepted = here.accepted().await;
    let mut second = TcpStream::connect(here.address).await.unwrap();
    assert!(matches!(second.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    drop(accepted);
    let _third = TcpStream::connect(here.address).await.unwrap();
    here.accepted().await;
}

#[test]
fn a_port_in_use_names_listener_port_and_process() {
    let first = bind("one", "127.0.0.1", 0, socket2::Type::STREAM).unwrap();
    let port = first.local_addr().unwrap().as_socket().unwrap().port();
    let error = bind("cot_tcp", "127.0.0.1", port, socket2::Type::STREAM).unwrap_err().to_string();
    let wanted = format!("listener cot_tcp: cannot listen on 127.0.0.1 port {port}");
    assert!(error.starts_with(&wanted) && error.contains(&format!("process {}", std::process::id())), "{error}");
}
