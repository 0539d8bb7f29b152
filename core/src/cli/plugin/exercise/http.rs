//! Routes, through the mux: so the host's checks, the body and the pulling of an answer are those of the server.
use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::Request,
};

use super::Exercise;
use crate::http::{
    auth::{Identity, Role, Scope, Scopes},
    body::BodyLimits,
    call::Came,
    listener::Listener,
    mux::Listed,
    route::Owner,
};

/// One answer may take so long.
const LIMIT: Duration = Duration::from_secs(40);
/// So much of an answer is read.
const MOST: usize = 64 << 20;

/// A request: label, what parameters are, the query, type and body.
type Asked = (String, &'static str, &'static str, &'static str, Vec<u8>);

fn requests() -> Vec<Asked> {
    let json = "application/json";
    vec![
        ("no body".into(), "test", "", "", Vec::new()),
        ("an empty object".into(), "test", "", json, b"{}".to_vec()),
        ("JSON of another shape".into(), "1", "?uid=7", json, b"[1,\"x\",null]".to_vec()),
        ("a body that is no JSON".into(), "test", "", json, b"{\"a\":".to_vec()),
        (
            "a body of garbage".into(),
            "%F0%9F%98%80%2F..%00",
            "?uid=&uid=%ff&a&=&start=-1",
            "",
            (0..=255).cycle().take(5_000).collect(),
        ),
    ]
}

/// All routes of the plugin.
pub fn all(exercise: &mut Exercise<'_>) {
    let routes = exercise.host.mux.list(Some(&Owner::plugin(&exercise.plugin.name)));
    let dir = exercise.host.plugins.data_of(&exercise.plugin.name);
    let bodies = Arc::new(BodyLimits::new(1 << 20, dir));
    for route in routes {
        let handler = format!("{} {}", route.method, route.pattern);
        exercise.row(
            &handler,
            requests(),
            |(label, ..)| label,
            |exercise, asked| ask(exercise, &route, asked, &bodies),
        );
    }
}

fn ask(exercise: &Exercise<'_>, route: &Listed, asked: &Asked, bodies: &Arc<BodyLimits>) -> bool {
    let (_, param, query, kind, body) = asked;
    let came = Came {
        listener: route.listeners.first().map_or(Listener::Admin, |l| listener(l)),
        scheme: "http",
        peer: Some(SocketAddr::from(([127, 0, 0, 1], 4242))),
        local: None,
        host: None,
        identity: Identity {
            user: Some("fts-plugin-test".into()),
            role: Role::Admin,
            groups_in: vec!["__ANON__".into()],
            groups_out: vec!["__ANON__".into()],
            scopes: Scopes::of(&[Scope::Read, Scope::Write, Scope::Admin]),
            ..Identity::default()
        },
        body: bodies.clone(),
    };
    let mut request = Request::builder().method(route.method.as_str()).uri(path(&route.pattern, param) + query);
    request = request.header("host", "localhost");
    if !kind.is_empty() {
        request = request.header("content-type", *kind);
    }
    let Ok(request) = request.body(Body::from(body.clone())) else { return false };
    let answered = exercise.host.runtime.block_on(async {
        tokio::time::timeout(LIMIT, async {
            let answer = exercise.host.mux.try_answer(came, request).await.ok()?;
            let good = !answer.status().is_server_error();
            // What is pulled may panic, too.
            to_bytes(answer.into_body(), MOST).await.ok().map(|_| good)
        })
        .await
    });
    matches!(answered, Ok(Some(true)))
}

fn listener(name: &str) -> Listener {
    let fixed = [Listener::MartiHttp, Listener::MartiHttps, Listener::Enrollment, Listener::Rest, Listener::Admin];
    fixed.into_iter().find(|l| l.name() == name).unwrap_or_else(|| Listener::Own(name.into()))
}

/// A path for a pattern.
fn path(pattern: &str, param: &str) -> String {
    let segment = |part: &str| match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
        Some(name) if name.ends_with('*') => format!("{param}/{param}"),
        Some(_) => param.to_owned(),
        None => part.to_owned(),
    };
    pattern.split('/').map(segment).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_become_paths() {
        assert_eq!(path("/a/{b}/c", "x"), "/a/x/c");
        assert_eq!(path("/{rest*}", "x"), "/x/x");
        assert_eq!(listener("rest"), Listener::Rest);
        assert_eq!(listener("own"), Listener::Own("own".into()));
    }
}
