//! What is told of every request: a line of the access log and the metrics of operations.md 6.2, both when the last byte
//! of the answer is gone or the client is. Labels are templates of routes, never paths; of a query the log has the values
//! of everything but secrets.
use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use axum::{
    body::{Body, Bytes},
    http::{Method, Response},
};
use hyper::body::{Frame, SizeHint};

use super::taken::{Due, Ends, Taken};

/// Which route answered; in the extensions of a response.
#[derive(Clone, Debug)]
pub(super) struct Answered(pub Arc<str>);

/// Who asked; in the extensions of a response.
#[derive(Clone, Debug)]
pub(super) struct Asked(pub Arc<str>);

/// A request from its head to the end of its answer.
pub(super) struct Entry {
    began: Instant,
    listener: Arc<str>,
    method: &'static str,
    query: String,
    peer: Option<SocketAddr>,
    route: Arc<str>,
    user: Option<Arc<str>>,
    status: u16,
    bytes: u64,
}

impl Entry {
    /// Its head is here.
    pub fn begin(listener: Arc<str>, method: &Method, query: Option<&str>, peer: Option<SocketAddr>) -> Self {
        metrics::gauge!("fts_http_inflight", "listener" => listener.to_string()).increment(1);
        Self {
            began: Instant::now(),
            listener,
            method: known(method),
            query: query.map(masked).unwrap_or_default(),
            peer,
            route: "none".into(),
            user: None,
            status: 0,
            bytes: 0,
        }
    }

    /// The answer; told when its body has ended. `with` is kept until then. What wants to know that the last byte was taken
    /// is due with it.
    pub fn answered<T: Send + Unpin + 'static>(
        mut self,
        mut response: Response<Body>,
        due: &Arc<Due>,
        with: T,
    ) -> Response<Body> {
        self.status = response.status().as_u16();
        if let Some(Answered(route)) = response.extensions_mut().remove() {
            self.route = route;
        }
        self.user = response.extensions_mut().remove().map(|Asked(user)| user);
        let ends = match response.extensions_mut().remove() {
            Some(Ends { bytes: 0, then }) => {
                due.add(then);
                None
            }
            Some(Ends { bytes, then }) => Some((bytes, then, due.clone())),
            None => None,
        };
        response.map(|inner| Body::new(Told { inner, entry: self, ends, _with: with }))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let (listener, route) = (self.listener.to_string(), self.route.to_string());
        let took = self.began.elapsed();
        // Without a status the client left before there was an answer.
        let status = if self.status == 0 { "gone".to_owned() } else { self.status.to_string() };
        metrics::gauge!("fts_http_inflight", "listener" => listener.clone()).decrement(1);
        metrics::counter!("fts_http_requests_total", "listener" => listener, "route" => route.clone(), "method" => self.method, "status" => status).increment(1);
        // Nine buckets for each route are enough series: the other labels stay with the counter.
        metrics::histogram!("fts_http_request_seconds", "route" => route).record(took.as_secs_f64());
        let peer = self.peer.map(|p| p.to_string()).unwrap_or_default();
        // Somebody asks for these every few seconds, and one line each would be all the log has.
        if QUIET.contains(&&*self.route) {
            return tracing::debug!(target: "fts::http", event = "http.request", listener = %self.listener, route = %self.route, status = self.status, peer, "request");
        }
        tracing::info!(
            target: "fts::http",
            event = "http.request",
            listener = %self.listener,
            method = self.method,
            route = %self.route,
            query = %self.query,
            status = self.status,
            bytes = self.bytes,
            ms = took.as_millis() as u64,
            user = self.user.as_deref().unwrap_or_default(),
            peer,
            "request"
        );
    }
}

/// Probes and collectors.
const QUIET: [&str; 4] = ["/livez", "/readyz", "/healthz", "/metrics"];

/// A method as a label: strange ones are one.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

/// Names whose values are secrets, in any case and as a part of a name.
const SECRETS: [&str; 6] = ["password", "token", "secret", "passwd", "key", "authorization"];

/// A query for the log.
fn masked(query: &str) -> String {
    let field = |field: &str| {
        let name = field.split_once('=').map_or(field, |(name, _)| name);
        // An encoded name may hide one of them.
        let low = super::call::Fields::of_query(field).iter().map(|(n, _)| n.to_ascii_lowercase()).collect::<String>();
        if SECRETS.iter().any(|s| low.contains(s)) && !low.starts_with("keyword") {
            format!("{name}=***")
        } else {
            field.chars().filter(|c| !c.is_control()).take(200).collect()
        }
    };
    query.split('&').map(field).collect::<Vec<_>>().join("&").chars().take(1_000).collect()
}

/// Counts what is sent.
struct Told<T> {
    inner: Body,
    entry: Entry,
    /// Where somebody wants to know: the bytes after which it ends, what then, and the connection it is due to.
    ends: Option<(u64, Taken, Arc<Due>)>,
    _with: T,
}

impl<T: Send + Unpin + 'static> hyper::body::Body for Told<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let told = self.get_mut();
        let polled = Pin::new(&mut told.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            told.entry.bytes += frame.data_ref().map_or(0, |d| d.len() as u64);
            if let Some((_, then, due)) = told.ends.take_if(|(bytes, ..)| told.entry.bytes >= *bytes) {
                due.add(then);
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_a_query_are_not_told() {
        assert_eq!(masked("username=a&password=b&Token=c"), "username=a&password=***&Token=***");
        assert_eq!(masked("pass%77ord=b&x=1"), "pass%77ord=***&x=1");
        assert_eq!(
            masked("keywords=missionpackage&hash=ab&access_token=x"),
            "keywords=missionpackage&hash=ab&access_token=***"
        );
        assert_eq!(masked("a"), "a");
        assert!(masked(&"x=1&".repeat(1_000)).len() <= 1_000);
    }
}
