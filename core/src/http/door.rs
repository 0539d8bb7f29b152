//! [`Door`]: an HTTP listener as it serves. A stream the net layer has accepted becomes a connection here: HTTP/1.0 and
//! 1.1 with keep-alive, the head of a request under a time limit, the rest under the rules of its body. Each request goes
//! through `identify`, then to the mux; what goes out is told to the log and the metrics (`told`).
//!
//! At shutdown idle connections are closed at once, and those with a request under way end after its answer; whoever
//! waits for them ([`Door::open`]'s tracker) cuts them by the other token.
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    body::Body,
    http::{Request, Response},
};
use hyper::{body::Body as _, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use super::{
    body::BodyLimits,
    call::Came,
    cors::Cors,
    forwarded::Forwarded,
    identify::{Asked, identify},
    listener::Listener,
    native::Native,
    refusal::Style,
    taken::Due,
    told::Entry,
    wire::Wire,
};
use crate::{
    config::HttpListener,
    net::{Accepted, PeerCert, Port, Stream},
};

/// How long the head of a request may take, and a connection may be idle.
const HEAD: Duration = Duration::from_secs(30);

/// Largest body on the admin listener.
const MOST_ADMIN: u64 = 64 << 20;

/// See the file's head.
pub struct Door {
    pub(super) listener: Listener,
    name: Arc<str>,
    /// None = the admin listener.
    pub(super) keys: Option<Arc<HttpListener>>,
    pub(super) native: Arc<Native>,
    /// The routes of administration, which come before the mux.
    admin: Option<axum::Router>,
    port: Arc<Port>,
    /// Cancelled: idle connections end, the others after their answer.
    stop: CancellationToken,
    /// Cancelled: everything ends.
    cut: CancellationToken,
}

/// One connection.
pub(super) struct Link {
    pub peer: SocketAddr,
    pub local: SocketAddr,
    pub secure: bool,
    pub cert: Option<PeerCert>,
    under_way: AtomicUsize,
    /// A request was answered without its body being read.
    unread: Arc<AtomicBool>,
    /// What is done when the answers are written out.
    due: Arc<Due>,
}

impl Door {
    /// For this listener.
    pub fn new(
        listener: Listener,
        keys: Option<Arc<HttpListener>>,
        port: Arc<Port>,
        native: Arc<Native>,
        stop: CancellationToken,
        cut: CancellationToken,
    ) -> Arc<Self> {
        let name = listener.name().into();
        Arc::new(Self { listener, name, keys, native, admin: None, port, stop, cut })
    }

    /// The admin listener, with these routes.
    pub fn admin(
        routes: axum::Router,
        port: Arc<Port>,
        native: Arc<Native>,
        stop: CancellationToken,
        cut: CancellationToken,
    ) -> Arc<Self> {
        let (listener, admin) = (Listener::Admin, Some(routes));
        let name = listener.name().into();
        Arc::new(Self { listener, name, keys: None, native, admin, port, stop, cut })
    }

    /// Serves a stream in a task of its own.
    pub fn open(self: &Arc<Self>, accepted: Accepted, tasks: &TaskTracker) {
        tasks.spawn(self.clone().serve(accepted));
    }

    async fn serve(self: Arc<Self>, accepted: Accepted) {
        let Accepted { stream, peer, local, cert, seat: _seat } = accepted;
        let (unread, due) = (Arc::new(AtomicBool::new(false)), Arc::new(Due::default()));
        let secure = matches!(stream, Stream::Tls(_));
        let wire = Wire::new(stream, self.port.clone(), peer, unread.clone(), due.clone());
        let pass = cert.as_ref().map(|cert| self.native.certificates.enter(cert));
        let revoked = pass.as_ref().map_or_else(CancellationToken::new, |pass| pass.revoked.clone());
        let link = Arc::new(Link { peer, local, secure, cert, under_way: AtomicUsize::new(0), unread, due });
        let service = service_fn(|request: Request<hyper::body::Incoming>| {
            let (door, link) = (self.clone(), link.clone());
            async move { Ok::<_, Infallible>(door.answer(&link, request.map(Body::new)).await) }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD).keep_alive(true);
        let mut serving = std::pin::pin!(http.serve_connection(TokioIo::new(wire), service));
        let ended = tokio::select! {
            ended = serving.as_mut() => ended,
            () = self.cut.cancelled() => return,
            () = revoked.cancelled() => return,
            () = self.stop.cancelled() => {
                if link.under_way.load(Ordering::Relaxed) == 0 {
                    return;
                }
                serving.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = serving => ended,
                    () = self.cut.cancelled() => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, listener = %self.listener.name(), %error, "connection ended");
        }
    }

    async fn answer(&self, link: &Arc<Link>, request: Request<Body>) -> Response<Body> {
        let under_way = UnderWay::begin(link);
        let config = self.native.config();
        let forwarded = Forwarded::of(&config.marti.trusted_proxies, link.peer, request.headers());
        let peer = forwarded.peer.unwrap_or(link.peer);
        let entry = Entry::begin(self.name.clone(), request.method(), request.uri().query(), Some(peer));
        let has_body = !request.body().is_end_stream();
        let origins = self.keys.as_ref().map(|k| &k.cors_origins[..]).unwrap_or_default();
        let cors = Cors::of(origins, request.headers());
        let response = match cors.preflight(request.method(), request.headers()) {
            Some(answer) => answer,
            None => {
                let mut answer = self.routed(link, peer, forwarded, request).await;
                cors.tell(answer.headers_mut());
                answer
            }
        };
        // Who refuses does not read; then the rest of the body is still to come.
        let refused = response.status().is_client_error() || response.status().is_server_error();
        link.unread.store(has_body && refused, Ordering::Relaxed);
        entry.answered(response, &link.due, under_way)
    }

    async fn routed(
        &self,
        link: &Arc<Link>,
        peer: SocketAddr,
        forwarded: Forwarded,
        request: Request<Body>,
    ) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path();
        let asked = Asked { method: &parts.method, path, headers: &parts.headers, from: peer.ip() };
        let identity = match identify(self, link, &asked).await {
            Ok(identity) => identity,
            Err(refusal) => return refusal.answer(Style::of(&self.listener, path)),
        };
        let came = Came {
            scheme: forwarded.scheme.unwrap_or(if link.secure { "https" } else { "http" }),
            peer: Some(peer),
            local: Some(link.local),
            host: forwarded.host,
            ..Came::new(self.listener.clone(), identity, Arc::new(self.bodies()))
        };
        if let Some(admin) = &self.admin {
            parts.extensions.insert(came);
            let answered = admin.clone().oneshot(Request::from_parts(parts, body)).await;
            return answered.unwrap_or_else(|never| match never {});
        }
        match self.native.mux.try_answer(came.clone(), Request::from_parts(parts, body)).await {
            Ok(response) => response,
            Err(missed) => missed.refusal(&came),
        }
    }

    /// Bodies lie where files are stored, so that an upload is renamed into its place.
    fn bodies(&self) -> BodyLimits {
        let max = match self.native.config().files.max_upload {
            _ if self.keys.is_none() => MOST_ADMIN,
            0 => u64::MAX,
            max => max,
        };
        BodyLimits::new(max, self.native.files.tmp())
    }
}

/// A request under way on a connection.
struct UnderWay(Arc<Link>);

impl UnderWay {
    fn begin(link: &Arc<Link>) -> Self {
        link.under_way.fetch_add(1, Ordering::Relaxed);
        Self(link.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}
