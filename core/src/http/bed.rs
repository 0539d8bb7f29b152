//! Tests only: a mux behind a real loopback port, handlers made of closures, and a client that opens one connection per
//! request.
use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    body::Body as Wire,
    http::{Method, Request, Response},
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};

use super::{
    answer::{Answer, HandlerError},
    auth::{Auth, Identity},
    body::BodyLimits,
    call::{Call, Came},
    calls::{CallLimits, CallSettings},
    listener::{Listener, Listeners},
    mux::{Mux, MuxSettings},
    route::{Handler, Owner, Route, RouteError},
};

pub struct Bed {
    pub mux: Arc<Mux>,
    pub addr: SocketAddr,
    pub dir: TempDir,
}

pub struct With<F>(pub F, pub Arc<CallLimits>);

impl<F: Fn(Call) -> Result<Answer, HandlerError> + Send + Sync> Handler for With<F> {
    fn handle(&self, call: Call) -> Result<Answer, HandlerError> {
        (self.0)(call)
    }
    fn limits(&self) -> Arc<CallLimits> {
        self.1.clone()
    }
}

/// A route on the REST listener.
pub fn route(
    method: Method,
    pattern: &str,
    limits: &Arc<CallLimits>,
    f: impl Fn(Call) -> Result<Answer, HandlerError> + Send + Sync + 'static,
) -> Route {
    Route::new(method, pattern, Listeners::REST, Auth::Open, Arc::new(With(f, limits.clone()))).unwrap()
}

/// One that answers with a text.
pub fn says(pattern: &str, text: &'static str) -> Route {
    route(Method::GET, pattern, &limits(), move |_| Ok(Answer::bytes("text/plain", text)))
}

pub fn limits() -> Arc<CallLimits> {
    CallLimits::new(CallSettings::default())
}

pub fn narrow(concurrency: usize, waiting: usize) -> Arc<CallLimits> {
    CallLimits::new(CallSettings { concurrency, waiting, ..CallSettings::default() })
}

/// The owner of most tests.
pub fn demo() -> Owner {
    Owner::plugin("demo")
}

impl Bed {
    pub async fn new() -> Self {
        Self::with(|_, _| {}, Identity::nobody()).await
    }

    pub async fn with(set: impl FnOnce(&mut MuxSettings, &mut BodyLimits), identity: Identity) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = MuxSettings::new(dir.path().into());
        let mut body = BodyLimits::new(64 << 20, dir.path().into());
        set(&mut settings, &mut body);
        let mux = Mux::new(settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (inside, body) = (mux.clone(), Arc::new(body));
        let service = move |peer: SocketAddr, request: Request<Wire>| {
            let (mux, body, identity) = (inside.clone(), body.clone(), identity.clone());
            async move {
                let came = Came { peer: Some(peer), ..Came::new(Listener::Rest, identity, body) };
                match mux.try_answer(came.clone(), request).await {
                    Ok(answer) => answer,
                    Err(missed) => missed.refusal(&came),
                }
            }
        };
        let app = axum::Router::new().fallback(
            move |axum::extract::ConnectInfo(peer): axum::extract::ConnectInfo<SocketAddr>, request: Request<Wire>| {
                service(peer, request)
            },
        );
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { mux, addr, dir }
    }

    pub fn add(&self, route: Route) {
        self.mux.register(demo(), route).unwrap();
    }

    /// The head of an answer; its body is read by the caller.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        let stream = TcpStream::connect(self.addr).await.unwrap();
        let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        send.send_request(request).await.unwrap()
    }

    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Reply {
        let mut request = Request::builder().method(method).uri(path).header("host", "tak.example:19023");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.send(request.body(Full::new(body.into())).unwrap()).await;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map(|b| b.to_bytes()).map_err(|e| e.to_string());
        Reply { head, body }
    }

    /// Status and text of a GET.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let reply = self.ask("GET", path, &[], "").await;
        (reply.status(), reply.text())
    }

    /// A request under way.
    pub fn begin(self: &Arc<Self>, path: &'static str) -> tokio::task::JoinHandle<(u16, String)> {
        let bed = self.clone();
        tokio::spawn(async move { bed.get(path).await })
    }

    /// Sends this on a connection of its own and leaves it open.
    pub async fn raw(&self, text: &str) -> TcpStream {
        use tokio::io::AsyncWriteExt;
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    pub fn stage(&self, routes: impl IntoIterator<Item = Route>) -> Result<(), RouteError> {
        let mut staged = self.mux.stage(demo());
        for route in routes {
            staged.add(route)?;
        }
        staged.commit()
    }
}

pub struct Reply {
    head: axum::http::response::Parts,
    /// An error: the body broke off.
    pub body: Result<Bytes, String>,
}

impl Reply {
    pub fn status(&self) -> u16 {
        self.head.status.as_u16()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.body.as_ref().unwrap()).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.head.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

/// Waits for something another task or thread is about to do; no notice of it exists.
pub async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let look = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), look).await.unwrap_or_else(|_| panic!("never: {what}"));
}
